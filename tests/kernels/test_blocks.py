"""Threads get equal parts of the rows."""

import numpy as np
import pytest

from kmeans_xp.kernels import find_kernel
from kmeans_xp.kernels.blocks import even_blocks


@pytest.mark.parametrize("n", [2, 50, 51, 100, 101, 149, 1001])
def test_two_threads_get_as_many_rows(n: int) -> None:
    size = even_blocks(n, 50)
    assert size <= 50
    blocks = -(-n // size)
    assert blocks % 2 == 0
    assert blocks * size - n < blocks


def test_one_pass_over_few_rows_takes_one_block() -> None:
    kernel = find_kernel(np, "portable")
    most = kernel.block_rows(5, 3)
    assert kernel.even_rows(most, 5, 3) == most
    assert kernel.even_rows(most + 1, 5, 3) == (most + 2) // 2
