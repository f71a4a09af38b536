"""Rows at indices, and memory that is used again."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kmeans_xp.kernels.numpy.memory import gathered, rows_at, rows_in_scratch, scratch


@pytest.mark.parametrize("lie", [np.ascontiguousarray, np.asfortranarray])
def test_rows_at_indices_in_either_layout(lie: Callable[[np.ndarray], np.ndarray]) -> None:
    rows, which = lie(np.arange(12.0).reshape(4, 3)), np.array([2, 0, 2])
    wanted = [[6, 7, 8], [0, 1, 2], [6, 7, 8]]
    assert_array_equal(rows_at(rows, which), wanted)
    assert_array_equal(rows_in_scratch(rows, which, "rows"), wanted)
    assert_array_equal(gathered(rows, np.array([1, 3])), [[3, 4, 5], [9, 10, 11]])
    assert gathered(rows, np.arange(4)) is rows


def test_scratch_memory_belongs_to_a_thread_and_a_use() -> None:
    first, others = scratch("a", (4, 3), np.float32), []
    assert np.shares_memory(first, scratch("a", (2, 3), np.float64))
    assert not np.shares_memory(first, scratch("b", (4, 3), np.float32))
    thread = threading.Thread(target=lambda: others.append(scratch("a", (4, 3), np.float32)))
    thread.start()
    thread.join()
    assert not np.shares_memory(first, others[0])
