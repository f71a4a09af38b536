"""The number of threads changes nothing, not one bit."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from kmeans_xp import (
    GaussianMixture,
    KMeans,
    assign,
    bisecting_kmeans,
    gaussian_mixture,
    inertia,
    kmeans,
    kmeans_plusplus,
    minibatch_kmeans,
    soft_kmeans,
)
from kmeans_xp.rows import open_rows
from tests.data import cloud, some_rows

SHAPES = [(60_000, 3, 8), (20_000, 24, 70), (3000, 200, 50), (30_000, 1, 150)]


def bits(X, k, w):
    start = some_rows(X, k)
    seeded = kmeans(X, k, rng=1, max_iter=2, sample_weight=w)
    started = kmeans(X, k, init=start, max_iter=3, sample_weight=w, empty_clusters="random", rng=0)
    parallel = kmeans(X, k, init="k-means||", rng=1, max_iter=1)
    labels, d2 = assign(X, start)
    _, indices = kmeans_plusplus(X, 5, rng=3, sample_weight=w)
    parts = [np.asarray(a).tobytes() for r in (seeded, started, parallel)
             for a in (r.centers, r.labels, r.inertia, r.history)]  # fmt: skip
    parts += [np.asarray(a).tobytes() for a in (labels, d2, indices)]
    return [*parts, inertia(X, start, sample_weight=w).hex()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_one_thread_or_more_give_the_same_bits(shape, dtype):
    n, d, k = shape
    X = cloud(n, d, seed=d).astype(dtype)
    w = np.random.default_rng(0).uniform(0.5, 2.0, n)
    with threadpool_limits(1):
        one = bits(X, k, w)
    for threads in (2, 3):
        with threadpool_limits(threads):
            assert bits(X, k, w) == one


def test_the_caller_keeps_its_thread_limits():
    X = cloud(20_000, 24)
    with threadpool_limits(2):
        before = [(i["filepath"], i["num_threads"]) for i in threadpool_info()]
        kmeans(X, 30, rng=0, max_iter=2)
        after = [(i["filepath"], i["num_threads"]) for i in threadpool_info()]
    assert after == before


def test_fits_in_several_threads_at_once_do_not_disturb_each_other():
    X = cloud(20_000, 24)
    expected = kmeans(X, 30, rng=0, max_iter=3)
    with threadpool_limits(2):
        before = [(i["filepath"], i["num_threads"]) for i in threadpool_info()]
        with ThreadPoolExecutor(4) as pool:
            runs = [pool.submit(kmeans, X, 30, rng=0, max_iter=3) for _ in range(6)]
            results = [run.result() for run in runs]
        after = [(i["filepath"], i["num_threads"]) for i in threadpool_info()]
    for result in results:
        assert_array_equal(result.centers, expected.centers)
        assert_array_equal(result.labels, expected.labels)
    assert after == before


def everything(result):
    return [np.asarray(part).tobytes() for part in vars(result).values() if hasattr(part, "shape")]


FITS = {
    "soft": lambda X: soft_kmeans(X, 20, rng=0, max_iter=3),
    **{
        kind: lambda X, kind=kind: gaussian_mixture(X, 4, covariance_type=kind, rng=0, max_iter=2)
        for kind in ("full", "tied", "diag", "spherical")
    },
    "portable": lambda X: kmeans(X, 20, rng=0, max_iter=3, algorithm="portable"),
    "kmeans": lambda X: kmeans(X, 20, rng=0, max_iter=3),
    "mini-batch": lambda X: minibatch_kmeans(X, 20, rng=0, max_iter=2),
    "bisecting": lambda X: bisecting_kmeans(X, 9, rng=0),
    "transform": lambda X: KMeans(9, random_state=0, n_init=1).fit(X).transform(X),
    "densities": lambda X: GaussianMixture(3, random_state=0, max_iter=1).fit(X).score_samples(X),
}
PORTABLE = ("soft", "full", "kmeans", "mini-batch")


@pytest.mark.filterwarnings("ignore:.*did not converge")
@pytest.mark.parametrize(
    ("library", "name"),
    [("numpy", name) for name in FITS]
    + [(library, name) for library in ("torch", "array_api_strict") for name in PORTABLE],
)
def test_any_thread_gets_the_same_bits(library, name):
    def bits():
        found = FITS[name](X)
        return np.asarray(found).tobytes() if hasattr(found, "shape") else everything(found)

    # Large enough for BLAS to share its products out.
    xp = pytest.importorskip(library)
    X = xp.asarray(np.random.default_rng(0).standard_normal((3000, 40)))
    here = bits()
    with ThreadPoolExecutor(1) as other:
        assert other.submit(bits).result() == here
    if library != "torch":  # Which shares its own products out; of mixtures that may change bits.
        with threadpool_limits(1):
            assert bits() == here


def test_a_fit_inside_a_fit():
    X = cloud(30_000, 8)

    def recursive(rows, n_clusters, rng):
        return kmeans(rows[::3], n_clusters, rng=rng, max_iter=2).centers

    result = kmeans(X, 20, init=recursive, n_init=1, rng=0, max_iter=2,
                    callback=lambda i: kmeans(X, 3, rng=0, max_iter=1) and False)  # fmt: skip
    assert result.n_iter == 2


FORK = """
import os, sys
import numpy as np
from kmeans_xp import kmeans
X = np.random.default_rng(0).standard_normal((60_000, 6))
before = kmeans(X, 20, rng=0, max_iter=2)
child = os.fork()
if child == 0:
    after = kmeans(X, 20, rng=0, max_iter=2)
    os._exit(0 if np.array_equal(before.centers, after.centers) else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_can_fit_too():
    done = subprocess.run([sys.executable, "-c", FORK], check=True, capture_output=True,
                          text=True, timeout=60)  # fmt: skip
    assert done.stdout.strip() == "0"


PROGRAM = """
import hashlib
import numpy as np
from kmeans_xp import kmeans
X = np.random.default_rng(0).standard_normal((40_000, 6)).astype("float32")
r = kmeans(X, 40, rng=0, max_iter=3)
print(hashlib.sha256(r.centers.tobytes() + r.labels.tobytes()).hexdigest(), r.inertia.hex())
"""


def test_the_same_bits_in_processes_of_one_and_of_two_threads():
    answers = set()
    for threads in ("1", "2"):
        env = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, check=True,
                              capture_output=True, text=True)  # fmt: skip
        answers.add(done.stdout)
    assert len(answers) == 1
    assert len(answers.pop().split()) == 2


def test_calls_share_threads_and_come_back_in_order():
    rows = open_rows(np.zeros((4, 2)), threads=3)

    def call(number):
        blas = [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]
        return number, blas

    found = rows.each([partial(call, i) for i in range(40)])
    assert [number for number, _ in found] == list(range(40))
    assert {count for _, counts in found for count in counts} == {1}
    assert rows.each([lambda: 7]) == [7]
    # A call may itself have calls to share.
    nested = rows.each([lambda i=i: sum(rows.each([lambda: i, lambda: 1])) for i in range(3)])
    assert nested == [1, 2, 3]


def test_a_call_that_fails_fails_for_the_caller():
    def fail():
        raise ValueError("no such thing")

    rows = open_rows(np.zeros((4, 2)), threads=2)
    with pytest.raises(ValueError, match="no such thing"):
        rows.each([lambda: 1, fail, lambda: 2])
