"""Rows are checked in the pass that uses them, and nobody computes with what is refused."""

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kmeans_xp import KMeans, assign, inertia
from kmeans_xp.arrays import namespace_of, to_host
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numpy import nearest as numpy_nearest
from kmeans_xp.rows import open_rows
from kmeans_xp.rows.checks import check_rows, checked_sweep
from kmeans_xp.rows.numpy import NumpyRows
from tests.data import cloud

HOST = cloud(50, 4, seed=2)
REFUSED = {
    "NaN": [np.nan],
    "infinity": [np.inf],
    "minus infinity": [-np.inf],
    "both": [np.inf, np.nan],
    "overflow": [1e30],
}


def squares(block: Any) -> tuple[None, tuple[Any]]:
    xp = namespace_of(block)
    assert bool(xp.all(xp.abs(block) < 1e25))
    return None, (xp.sum(block * block, axis=1),)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_not_shown_to_a_step(backend, case, monkeypatch):
    # Single precision throughout, as on a device that has no other.
    monkeypatch.setattr("kmeans_xp.rows.base.widest_float", lambda xp, device: xp.float32)
    host = HOST.astype(np.float32)
    for place, value in enumerate(REFUSED[case]):
        host[33 - 20 * place, 1] = value
    rows = open_rows(backend.asarray(host))
    with pytest.raises(ValueError, match=r"\bX\b") as plain:
        check_rows(rows, block_rows=8)
    with pytest.raises(ValueError, match=r"\bX\b") as swept:
        checked_sweep(rows, squares, centers=None, block_rows=8)
    assert str(swept.value) == str(plain.value)


@pytest.mark.parametrize("block_rows", [8, 50])
def test_what_is_not_finite_is_told_by_feature_row_and_count(backend, block_rows):
    host = np.concatenate([HOST, HOST], axis=1)
    host[[33, 12, 40], 1] = np.nan
    host[49, 3] = -np.inf
    host[[5, 0], [4, 4]] = np.nan, np.inf
    host[17, 5:] = np.nan
    rows = open_rows(backend.asarray(host))
    with pytest.raises(ValueError, match=r"\bX\b") as caught:
        check_rows(rows, block_rows=block_rows)
    said = (
        "X must be finite, but feature 1 holds NaN (a missing value) 3 times, first in row 12; "
        "feature 3 holds infinity once, in row 49; feature 4 holds NaN (a missing value) or "
        "infinity 2 times, first in row 0; 3 more such features. Rows are counted from 0."
    )
    assert str(caught.value).startswith(said)


def test_rows_of_a_sample_go_by_their_numbers_in_x(backend):
    host = HOST.copy()
    host[33, 1] = np.nan
    rows = open_rows(backend.asarray(host))
    mask = np.arange(50) % 2 == 1
    some = rows.copied([3, 20, 33])
    for few in (some, some.copied([2]), rows.subset(backend.asarray(mask))[0], rows):
        if few.in_memory:
            with pytest.raises(ValueError, match=r"feature 1 holds NaN .* once, in row 33"):
                check_rows(few, block_rows=8)


def test_numbers_are_made_where_the_chunks_are() -> None:
    da = pytest.importorskip("dask.array")
    numbers = open_rows(da.zeros((10**9, 1), chunks=10**7)).numbers()
    assert len(pickle.dumps(dict(numbers.__dask_graph__()))) < 10**5
    assert_array_equal(numbers[10**8 - 2 : 10**8 + 2], np.arange(10**8 - 2, 10**8 + 2))


def test_rows_that_are_fine_are_swept(backend):
    rows = open_rows(backend.asarray(HOST))
    totals, (found,) = checked_sweep(rows, squares, centers=None, block_rows=8)
    assert totals is None
    assert_array_equal(to_host(found), to_host(rows.map(lambda b: squares(b)[1], block_rows=8)[0]))


def test_centers_count_too():
    rows = open_rows(HOST)
    far = np.full((2, 4), 1e200)
    with pytest.raises(ValueError, match="overflow"):
        checked_sweep(rows, squares, centers=far, block_rows=8)
    with pytest.raises(ValueError, match="overflow"):
        assign(HOST, far)
    with pytest.raises(ValueError, match="vanish"):
        inertia(HOST * 1e-170, far * 0)


def test_one_pass_checks_and_labels(monkeypatch):
    model, passes, sweep = KMeans(3, random_state=0).fit(HOST), [], NumpyRows.sweep

    def counted(self, *args, **options):
        passes.append(self)
        return sweep(self, *args, **options)

    monkeypatch.setattr(NumpyRows, "sweep", counted)
    # Either engine may label all rows at once.
    monkeypatch.setattr(compiling, "ready", lambda *_: False)
    monkeypatch.setattr(numpy_nearest, "AT_ONCE", 0)
    centers = model.cluster_centers_
    calls = [
        lambda: model.predict(HOST),
        lambda: model.transform(HOST),
        lambda: assign(HOST, centers),
        lambda: inertia(HOST, centers),
    ]
    for count, call in enumerate(calls, 1):
        call()
        assert len(passes) == count
