"""Vector operations: what is compiled does what their NumPy functions say."""

import inspect
import types

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

numba = pytest.importorskip("numba")

from kmeans_xp.kernels.numba.simd import (  # noqa: E402
    atomics,
    byte_tiles,
    distance_tiles,
    float_tiles,
    gather,
    labels,
    vector,
)

MODULES = [atomics, byte_tiles, distance_tiles, float_tiles, gather, labels, vector]
DTYPES = ["float32", "float64"]
ODD = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, 3e38, -1.0]


def _numbers(rng, shape, dtype):
    """Numbers of which several are none, infinite, tiny or huge, and some come more than once."""
    found = rng.normal(size=shape).astype(dtype)
    found.flat[rng.choice(found.size, found.size // 4, replace=False)] = rng.choice(
        ODD, found.size // 4
    )
    found.flat[::5] = found.flat[0]
    return found


def arithmetic(a, out):
    x, y = vector.load(a, 0), vector.load(a, 16)
    vector.store(out, 0, vector.plus(x, y))
    vector.store(out, 16, vector.minus(x, y))
    vector.store(out, 32, vector.times(x, y))
    vector.store(out, 48, vector.root(x))
    vector.store(out, 64, vector.lesser(x, y))
    vector.store(out, 80, vector.greater(x, y))
    vector.store(out, 96, vector.where_less(x, y, vector.load(a, 32), vector.load(a, 48)))
    vector.store(out, 113, vector.times_plus(x, y, vector.load(a, 33)))


def comparisons(a, positive):
    x, y, z = vector.load(a, 0), vector.load(a, 5), vector.load(positive, 16)
    more = vector.plus(z, z)
    bits = vector.failing_lanes(x, y, vector.load(a, 32), vector.load(a, 37))
    return (
        vector.all_greater(x, y),
        vector.all_greater(more, z),
        bits,
        vector.failing_lanes(more, z, z, z),
        vector.lowest_bit(bits | 1 << 16),
        vector.lowest_bit(1 << 40),
        vector.largest(z),
    )


def least_of_all(positive, odd):
    return (
        distance_tiles.smallest(vector.load(positive, 3)),
        distance_tiles.smallest(vector.load(odd, 0)),
        distance_tiles.smallest(vector.load(odd, 16)),
    )


def spreading(a, wide, out):
    vector.store(out, 0, vector.spread(a[3]))
    vector.store(out, 16, vector.spread_at(a, 5))
    vector.store(out, 40, vector.rounded(vector.load(wide, 0), a))
    vector.store(wide, 16, vector.widened(vector.load(a, 7)))
    return vector.halved_sum(vector.load(a, 9))


def rows_by_feature(rows, which, x, single):
    vector.store(x, 0, gather.column(rows, 3, 17))
    vector.store(x, 16, gather.gather(rows, which, 2, 19))
    gather.transpose(rows, which, 1, 4, x)
    gather.prefetch(rows, which, 1)
    gather.prefetch_row(rows, 2)
    gather.scatter(single, which, 3, vector.load(rows, 7))


def of_labels(own, gaps, limits, below, which, out, found):
    bits = labels.used_up(gaps, own, limits, 4)
    count = labels.pack(found, 3, 1000, bits)
    lanes = labels.labels_at(own, which, 2, below[0])
    vector.store(out, 0, lanes)
    vector.store(out, 16, labels.limits_at(below, lanes))
    # What is left over of the sixteen places holds anything.
    found[count:] = 0
    return bits, count


def counting(counters):
    atomics.set_counter(counters, 1, 7)
    before = atomics.count_up(counters, 1)
    atomics.pause()
    return before, atomics.read_counter(counters, 1), atomics.read_counter(counters, 0)


def products(rows, panels, out):
    float_tiles.product_tile(rows, panels, 0, out, 32)
    float_tiles.product_tile(rows, panels, 1, out, 3)


def distances(rows, columns, out):
    for part in range(len(columns)):
        distance_tiles.distance_tile(rows, columns, part, out)


def byte_products(rows, centers, starts, out):
    byte_tiles.byte_tile(rows, 64, centers, 1, starts, out)


def _arguments(dtype):
    """The operations' arguments, for each function above."""
    rng = np.random.default_rng(0)
    a, positive = _numbers(rng, 64, dtype), rng.random(48).astype(dtype) + 1
    odd = np.full(32, np.nan, dtype)
    odd[:4] = np.inf, 3.0, 0.0, 5.0
    rows, which = _numbers(rng, (40, 23), dtype), rng.permutation(40).astype(np.int32)
    own = rng.integers(-1, 5, 40).astype(np.int32)
    gaps, limits = (_numbers(rng, size, np.float32) for size in (40, 6))
    words = [rng.integers(-(2**31), 2**31, size).astype(np.int32) for size in (300, (6, 5), 6)]
    return {
        arithmetic: (a, np.zeros(130, dtype)),
        comparisons: (a, positive),
        least_of_all: (positive, odd),
        spreading: (a, _numbers(rng, 32, np.float64), np.zeros(60, dtype)),
        rows_by_feature: (rows, which, np.zeros(23 * 16, dtype), np.zeros(40, np.float32)),
        of_labels: (
            own, gaps, limits, _numbers(rng, 6, dtype), which, np.zeros(32, dtype),
            np.zeros(30, np.int32),
        ),
        counting: (np.array([3, 4, 5]),),
        products: (
            _numbers(rng, (8, 6), dtype), _numbers(rng, (2, 6, 32), dtype), np.zeros((8, 70), dtype)
        ),
        distances: (
            _numbers(rng, (8, 6), dtype), _numbers(rng, (3, 6, 16), dtype),
            np.zeros(3 * 8 * 16, dtype),
        ),
        byte_products: (*words, np.zeros((6, 32), np.float32)),
    }  # fmt: skip


CASES = list(_arguments("float32"))


def _interpreted(function):
    """The same function, of which every operation runs in NumPy."""
    plain = {
        module.__name__.rpartition(".")[2]: types.SimpleNamespace(
            **{name: inspect.unwrap(value) for name, value in vars(module).items()}
        )
        for module in MODULES
    }
    return types.FunctionType(function.__code__, {**globals(), **plain})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_compiled_operations_do_what_their_functions_say(case, dtype):
    arguments = _arguments(dtype)[case]
    compiled, plain = ([x.copy() for x in arguments] for _ in range(2))
    returned = numba.njit(case)(*compiled)
    with np.errstate(all="ignore"):
        expected = _interpreted(case)(*plain)
    assert_array_equal(returned, expected)
    # NumPy has no product and sum of float64 that is rounded once.
    tolerance = {"float32": 0, "float64": 1e-12}[dtype]
    for written, specified in zip(compiled, plain, strict=True):
        assert_allclose(written, specified, rtol=tolerance)


def test_each_operation_is_compared():
    operations = {
        name
        for module in MODULES
        for name, value in vars(module).items()
        if value.__class__.__name__ == "_Intrinsic"
    }
    assert len(operations) > 30
    assert operations <= {name for case in CASES for name in case.__code__.co_names}


@pytest.mark.parametrize("start", [-1, 17, 33])
def test_interpreted_operations_check_where_they_read(start):
    with pytest.raises(IndexError, match=f"no sixteen numbers from {start} on"):
        inspect.unwrap(vector.load)(np.zeros((4, 8)), start)
    with pytest.raises(IndexError, match="strides"):
        inspect.unwrap(vector.load)(np.zeros((8, 4)).T, 0)
