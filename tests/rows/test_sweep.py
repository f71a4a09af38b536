"""Every source of rows folds, maps, takes and samples alike."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from array_api_compat import array_namespace

from kmeans_xp.arrays import Totals, to_host
from kmeans_xp.rows import Rows, open_rows
from tests.backends import Backend

N, D = 1003, 3


@dataclass(frozen=True)
class Sum(Totals):
    total: Any
    rows: int


def _sum(block: Any, *parts: Any) -> Sum:
    xp = array_namespace(block)
    return Sum(xp.sum(block, axis=0), block.shape[0])


def _first_and_double(block: Any) -> tuple[Any, Any]:
    return block[:, 0], 2 * block


def _plus(block: Any, more: Any) -> tuple[Any]:
    return (block[:, 0] + more,)


@pytest.fixture
def data() -> np.ndarray:
    return np.random.default_rng(0).integers(-50, 50, (N, D)).astype(np.float32)


@pytest.fixture
def rows(backend: Backend, data: np.ndarray) -> Rows:
    return open_rows(backend.asarray(data))


@pytest.mark.parametrize("block_rows", [1, 7, N - 1, N, 10 * N])
def test_fold_adds_every_row_once(rows: Rows, data: np.ndarray, block_rows: int) -> None:
    if block_rows == 1 and rows.shape[0] > 100:
        block_rows = 97
    sums = rows.fold(_sum, block_rows=block_rows)
    assert sums.rows == N
    assert to_host(sums.total).tolist() == data.sum(axis=0).tolist()


@pytest.mark.parametrize("block_rows", [100, 5000])
def test_map_keeps_rows_in_order(rows: Rows, data: np.ndarray, block_rows: int) -> None:
    first, double = rows.map(_first_and_double, block_rows=block_rows)
    np.testing.assert_array_equal(to_host(first), data[:, 0])
    np.testing.assert_array_equal(to_host(double), 2 * data)
    (summed,) = rows.map(_plus, first, block_rows=block_rows, spare=first)
    np.testing.assert_array_equal(to_host(summed), 2 * data[:, 0])


def test_take_and_pick(rows: Rows, data: np.ndarray) -> None:
    indices = [N - 1, 0, 500, 0]
    np.testing.assert_array_equal(to_host(rows.take(indices)), data[indices])
    (first, _) = rows.map(_first_and_double, block_rows=N)
    np.testing.assert_array_equal(rows.pick(first, indices), data[indices, 0])


def test_largest_takes_the_lowest_index_of_equals(rows: Rows, data: np.ndarray) -> None:
    (first, _) = rows.map(_first_and_double, block_rows=N)
    wanted = np.lexsort((np.arange(N), -data[:, 0]))[:20]
    assert rows.largest(first, 20) == wanted.tolist()


def test_sample_is_the_inverse_of_the_cumulative_mass(rows: Rows, data: np.ndarray) -> None:
    (first, _) = rows.map(_first_and_double, block_rows=N)
    (mass,) = rows.map(_squared, first, block_rows=N)
    host = data[:, 0].astype(np.float64) ** 2
    uniforms = np.append(np.linspace(0, 1, 50, endpoint=False), np.nextafter(1, 0))
    indices, total = rows.sample(mass, uniforms)
    assert total == host.sum()
    wanted = np.searchsorted(np.cumsum(host), uniforms * host.sum(), side="right")
    assert indices[:-1] == wanted[:-1].tolist()
    assert host[indices].min() > 0


def test_sample_of_no_mass_draws_nothing(rows: Rows) -> None:
    (first, _) = rows.map(_first_and_double, block_rows=N)
    (mass,) = rows.map(_nothing, first, block_rows=N)
    assert rows.sample(mass, np.array([0.0, 0.5])) == ([], 0.0)


def _squared(_: Any, first: Any) -> tuple[Any]:
    return (first * first,)


def _nothing(_: Any, first: Any) -> tuple[Any]:
    return (0 * first,)
