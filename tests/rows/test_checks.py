"""Rows are checked in the pass that uses them, and nobody computes with what is refused."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kmeans_xp import KMeans, assign, inertia
from kmeans_xp.arrays import namespace_of, to_host
from kmeans_xp.kernels.numba import compiling
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
    monkeypatch.setattr(compiling, "ready", lambda *_: False)  # It may label all rows at once.
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
