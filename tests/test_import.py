"""What an import brings along, and how the library behaves in a bare process."""

import subprocess
import sys

import numpy as np
import pytest

HEAVY = {
    "sklearn", "scipy", "torch", "cupy", "jax", "jaxlib", "dask", "distributed", "numba",
    "typer", "click", "rich", "pyarrow", "matplotlib", "PIL", "pandas", "joblib",
    "array_api_strict", "narwhals",
}  # fmt: skip
OPTIONAL = HEAVY - {"sklearn", "scipy", "joblib", "narwhals"}


def run(program, *flags):
    command = [sys.executable, *flags, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def loaded(program):
    names = run(f"{program}\nimport sys\nprint(*sys.modules)").split()
    return {name.partition(".")[0] for name in names}


def test_the_package_imports_nothing_heavy():
    assert not loaded("import kmeans_xp") & HEAVY
    assert not loaded("from kmeans_xp import __version__; dir(__import__('kmeans_xp'))") & HEAVY


def test_clustering_an_array_or_a_list_imports_nothing_for_frames():
    program = "import kmeans_xp; kmeans_xp.kmeans([[1.0], [2.0]], 2, rng=0)"
    assert "narwhals" not in loaded(program)


def test_clustering_a_numpy_array_imports_nothing_optional():
    program = "import numpy as np, kmeans_xp; kmeans_xp.kmeans(np.eye(4), 2, rng=0)"
    assert not loaded(program) & OPTIONAL
    program = "import numpy as np, kmeans_xp; kmeans_xp.KMeans(2).fit(np.eye(4)).predict(np.eye(4))"
    # Some releases of scikit-learn import pandas themselves, where it is installed.
    assert not (loaded(program) - loaded("import sklearn.base")) & OPTIONAL


@pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="older NumPy needs a wrapper"
)
def test_clustering_a_numpy_array_does_without_the_wrapper_of_numpy():
    program = (
        "import numpy as np, kmeans_xp, sys\n"
        "X = np.random.default_rng(0).normal(size=(40_000, 8))\n"
        "kmeans_xp.kmeans(X, 3, rng=0, max_iter=3), kmeans_xp.assign(X, X[:2])\n"
        "kmeans_xp.minibatch_kmeans(X, 3, rng=0), kmeans_xp.bisecting_kmeans(X, 3, rng=0)\n"
        "kmeans_xp.gaussian_mixture(X, 2, rng=0, max_iter=2)\n"
        "print('array_api_compat.numpy' in sys.modules)"
    )
    assert run(program).split()[-1] == "False"


WITHOUT = """
import sys
class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        absent = name.partition(".")[0] in {names!r}
        return None if absent else self.finder.find_spec(name, path, target)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
import numpy as np
from kmeans_xp import assign, inertia, kmeans, kmeans_plusplus
X = np.arange(12.0).reshape(6, 2)
r = kmeans(X, 2, rng=0)
assign(X, r.centers), inertia(X, r.centers), kmeans_plusplus(X, 2)
"""


def test_the_package_works_without_the_optional_ones():
    program = WITHOUT.format(names=OPTIONAL) + (
        "from kmeans_xp import KMeans\nKMeans(2, verbose=1).fit(X).transform(X)\nprint('fine')"
    )
    assert run(program).strip() == "fine"


def test_every_public_name_comes_from_a_bare_import():
    program = "import kmeans_xp as k; print(all(getattr(k, n) is not None for n in k.__all__))"
    assert run(program, "-W", "error").strip() == "True"


def test_jax_without_64_bits():
    pytest.importorskip("jax")
    program = """
import jax
import numpy as np
from kmeans_xp import kmeans, assign
host = np.random.default_rng(0).permutation(np.repeat([0.0, 10.0, 30.0], 40))[:, None]
X = jax.numpy.asarray(host)
assert X.dtype == "float32"
w = jax.numpy.ones(120)
r = kmeans(X, 3, init=[[0.0], [12.0], [28.0]], max_iter=2, sample_weight=w)
assert r.centers.dtype == "float32" and r.labels.dtype == "int32", (r.centers.dtype, r.labels)
assert sorted(np.asarray(r.centers)[:, 0].tolist()) == [0.0, 10.0, 30.0]
assert r.inertia == 0.0
assert np.array_equal(np.asarray(assign(X, r.centers)[0]), np.asarray(r.labels))
print("fine")
"""
    assert run(program, "-W", "error").strip() == "fine"
