"""Threads get equal parts of the rows, and go through them a part at a time."""

import numpy as np
import pytest

from kmeans_xp.algorithms.assign import even_rows
from kmeans_xp.kernels.portable.engine import PORTABLE
from kmeans_xp.kernels.shared.blocks import even_blocks, parts


@pytest.mark.parametrize("n", [2, 50, 51, 100, 101, 149, 1001])
def test_two_threads_get_as_many_rows(n: int) -> None:
    size = even_blocks(n, 50)
    assert size <= 50
    blocks = -(-n // size)
    assert blocks % 2 == 0
    assert blocks * size - n < blocks


def test_one_pass_over_few_rows_takes_one_block() -> None:
    most = PORTABLE.block_rows(5, 3)
    assert even_rows(PORTABLE, most, 5, 3) == most
    assert even_rows(PORTABLE, most + 1, 5, 3) == (most + 2) // 2


@pytest.mark.parametrize(
    ("n", "size", "count"), [(7, 3, 3), (6, 3, 2), (2, 3, 1), (2, 0, 2), (0, 3, 0)]
)
def test_parts_cover_rows_once_and_are_no_larger(n: int, size: int, count: int) -> None:
    rows = np.arange(n)
    found = [rows[part] for part in parts(n, size)]
    assert len(found) == count
    assert all(0 < len(some) <= max(1, size) for some in found)
    assert [row for some in found for row in some] == list(rows)
