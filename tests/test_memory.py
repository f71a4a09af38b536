"""Memory is bounded by a block, never by n x k."""

import pytest

from tests.processes import run_measured

FIT = """
import numpy as np
from kmeans_xp import KMeans, assign, inertia, kmeans
rng = np.random.default_rng(0)
X = rng.random(({n}, {d}), dtype="{dtype}")
start = X[:: {n} // {k}][: {k}].copy()
kmeans(X[:20_000], 20, init=X[:20], max_iter=1)
{first}
measure()
{call}
report()
"""


def growth(call, n, d, k, dtype="float32", first=""):
    return run_measured(FIT.format(call=call, n=n, d=d, k=k, dtype=dtype, first=first))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_clusters(dtype):
    # Squared distances alone would be 2 or 4 GB.
    call = "kmeans(X, 5000, init=start, max_iter=1)"
    assert growth(call, 100_000, 16, 5000, dtype) < 300


def test_many_clusters_predicted_in_little_memory():
    call = "m = assign(X, start); inertia(X, start)"
    assert growth(call, 100_000, 16, 5000) < 300


def test_seeding_in_little_memory():
    call = "from kmeans_xp import kmeans_plusplus; kmeans_plusplus(X, 20, rng=0)"
    assert growth(call, 1_000_000, 8, 20) < 150


@pytest.mark.parametrize(("algorithm", "most"), [("auto", 150), ("numpy", 150), ("portable", 300)])
def test_parallel_seeding_in_little_memory(algorithm, most):
    # Distances of a block of rows to the 1,600 candidates of a round alone would be 200 MB.
    call = f"kmeans(X, 800, init='k-means||', max_iter=1, algorithm={algorithm!r}, rng=0)"
    assert growth(call, 33_000, 8, 800) < most


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_trials_in_little_memory(dtype):
    # What each row would remember of the candidates is 200 MB.
    call = (
        "from kmeans_xp import kmeans_plusplus; kmeans_plusplus(X, 3, n_local_trials=1000, rng=0)"
    )
    # So much work repays Numba, which takes as much memory by itself.
    first = "from kmeans_xp.kernels.numba import compiling as c; "
    first += f"c.prepare('{dtype}', c.LOW_D_SEEDING)"
    assert growth(call, 200_000, 8, 3, dtype, first) < 100


def test_transform_takes_what_it_returns():
    call = """
from kmeans_xp import KMeans
halves = X.astype("float16")
model = KMeans(1000, init=start, max_iter=1).fit(X)
measure()
model.transform(halves)
"""
    # Distances to 1,000 clusters in single precision are 132 MB.
    assert growth(call, 33_000, 16, 1000) < 132 + 150


def test_a_wide_array_is_not_copied():
    # X is 200 MB; converting it, centring it or squaring it as a whole would double that.
    call = "kmeans(X, 8, rng=0, max_iter=2)"
    assert growth(call, 50_000, 1000, 8) < 120


REMEMBERED = """
import numpy as np
from kmeans_xp import kmeans
rng = np.random.default_rng(0)
X = rng.random((2_000_000, 3), dtype="float32")
kmeans(X[:20_000], 20, init=X[:20], max_iter=1)
measure()
kmeans(X, 8, init=X[:8], max_iter=3, algorithm="numpy hamerly")
report()
"""


def test_what_is_remembered_is_a_few_numbers_a_row():
    # 16 MB are eight bytes of each row.
    assert run_measured(REMEMBERED) < 64


INTEGERS = """
import numpy as np
from kmeans_xp import kmeans
X = np.zeros((200_000, 100), dtype="int16")
X[::2] = 7
start = np.arange(4.0)[:, None] * np.ones(100)
kmeans(X[:20_000], 4, init=start, max_iter=1)
measure()
kmeans(X, 4, init=start, max_iter=2)
report()
"""


def test_integers_are_converted_block_by_block():
    # As float64 the rows would be 160 MB.
    assert run_measured(INTEGERS) < 100


@pytest.mark.slow
def test_more_pairs_than_an_int32_counts():
    call = """
labels, d2 = assign(X, start)
assert labels.shape == d2.shape == (2_200_000,)
tail = slice(-1000, None)
exact = np.abs(X[tail] - start.T)
assert np.array_equal(exact.argmin(axis=1), labels[tail])
"""
    assert 2_200_000 * 1000 > 2**31
    assert growth(call, 2_200_000, 1, 1000) < 300
