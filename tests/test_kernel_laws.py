"""Every kernel that runs on a namespace gives what the portable one gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import kmeans
from kmeans_xp.kernels.choose.engine import ENGINES
from kmeans_xp.kernels.numba import compiling
from tests import reference
from tests.data import cloud, some_rows
from tests.strategies import problems

HERE = [k.name for k in ENGINES if k.name != "numba" or compiling.installed()]
TUNED = [name for name in HERE if name != "portable"]

# Grids hold fewer distinct rows than clusters at times.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_the_table_has_a_portable_kernel_and_no_name_twice(backend):
    names = [k.name for k in ENGINES]
    assert len(names) == len(set(names))
    assert "portable" in [k.name for k in ENGINES if k.runs_on(backend.xp)]


def _runs(kernel, backend):
    if kernel.name == "numba":
        compiling.compile_all()
    return kernel.runs_on(backend.xp)


@pytest.mark.parametrize("name", [k.name for k in ENGINES])
def test_a_kernel_asked_for_by_name_runs_or_raises(backend, name):
    X = backend.asarray(cloud(300, 3))
    kernel = next(k for k in ENGINES if k.name == name)
    # The blocks of a Dask array are NumPy's, so those kernels are its kernels.
    if _runs(kernel, backend) or backend.name == "dask":
        assert kmeans(X, 4, rng=0, algorithm=name).kernel == name
    else:
        with pytest.raises(ValueError, match=rf"algorithm.*{name}"):
            kmeans(X, 4, rng=0, algorithm=name)


@pytest.mark.parametrize("name", TUNED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True])
def test_tuned_kernels_agree_with_the_portable_one(backend, name, dtype, weighted):
    if not _runs(next(k for k in ENGINES if k.name == name), backend):
        pytest.skip(f"{name} does not run on {backend.name}")
    for n, d, k in [(5000, 2, 3), (3000, 17, 65), (1200, 200, 10), (400, 5, 300)]:
        host = cloud(n, d, seed=n).astype(dtype)
        w = np.random.default_rng(0).uniform(0, 2, n).astype(dtype) if weighted else None
        options = {
            "init": backend.asarray(some_rows(host, k)),
            "max_iter": 3,
            "sample_weight": None if w is None else backend.asarray(w),
        }
        ours = kmeans(backend.asarray(host), k, algorithm=name, **options)
        spec = kmeans(backend.asarray(host), k, algorithm="portable", **options)
        assert (ours.kernel, spec.kernel) == (name, "portable")
        if dtype == "float64":
            assert_array_equal(backend.to_numpy(ours.labels), backend.to_numpy(spec.labels))
        rtol = 1e-10 if dtype == "float64" else 1e-4
        assert_allclose(ours.history, spec.history, rtol=rtol)
        assert_allclose(ours.inertia, spec.inertia, rtol=rtol)
        centers = backend.to_numpy(ours.centers)
        labels = backend.to_numpy(ours.labels)
        eps = float(np.finfo(dtype).eps)
        assert reference.regret(host, centers, labels) <= 100 * eps * d


@pytest.mark.parametrize("name", TUNED)
@given(p=problems())
@settings(max_examples=80)
def test_tuned_kernels_agree_on_any_small_problem(name, p):
    options = {"init": p.start, "sample_weight": p.weights, "max_iter": 6}
    ours = kmeans(p.X, p.k, algorithm=name, **options)
    spec = kmeans(p.X, p.k, algorithm="portable", **options)
    if p.solve(max_iter=6).robust:
        assert_array_equal(ours.labels, spec.labels)
        assert_allclose(ours.centers, spec.centers, rtol=1e-10, atol=1e-12)
        assert ours.n_iter == spec.n_iter
        assert ours.converged == spec.converged
        assert_allclose(ours.history, spec.history, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", HERE)
@given(seed=st.integers(0, 10_000), dtype=st.sampled_from(["float32", "float64"]))
@settings(max_examples=40)
def test_exact_ties_take_the_lowest_index(name, seed, dtype):
    # A lattice and its mirror image: the mean of the centres is 0, every square is exact, and
    # centres that stand equally far from a row are many.
    rng = np.random.default_rng(seed)
    half = rng.integers(-4, 5, (rng.integers(1, 20), 2))
    centers = np.concatenate([half, -half])[rng.permutation(2 * len(half))].astype(dtype)
    centers = np.unique(centers, axis=0)[::-1]
    # Each centre is a row, so that none of them runs empty.
    X = np.concatenate([rng.integers(-6, 7, (64, 2)), centers]).astype(dtype)
    seen = []
    kmeans(X, len(centers), init=centers, algorithm=name, max_iter=1,
           callback=lambda i: seen.append(np.array(i.centers)))  # fmt: skip
    labels, _ = reference.nearest(X, centers)
    for j in np.unique(labels):
        assert_allclose(seen[0][j], X[labels == j].mean(axis=0), rtol=1e-6, atol=1e-7)
