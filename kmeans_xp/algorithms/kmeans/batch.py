"""Lloyd's algorithm for many small fits at once.

A fit of a few hundred rows makes a few hundred calls of an array library, each of which takes
longer than its arithmetic. Here a call serves all fits; each of them goes on as it would by itself.
"""

from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Self

import numpy as np

from kmeans_xp.algorithms.loop import Report, iterate
from kmeans_xp.arrays import Array, namespace_of, to_host, to_like
from kmeans_xp.kernels.portable.batch import (
    BatchRows,
    candidates,
    decided,
    in_parts,
    inertias,
    totals_of,
)

# An inertia below this part of the total squares has lost too many digits to cancellation, and
# is taken from direct differences instead.
CANCELLED = 1e-5
# The part of the fits from which those that ended are left out of the batch.
IDLE = 0.25


@dataclass(frozen=True)
class Terms:
    """What ends fits, and what their inertia is reckoned from.

    Attributes
    ----------
    thresholds : ndarray of shape (m,)
        Up to which squared shift of the centres a fit has converged.
    squares : ndarray of shape (m,)
        The weighted squares of all rows about the origin.
    max_iter : int
    """

    thresholds: np.ndarray
    squares: np.ndarray
    max_iter: int

    def of(self, which: slice | np.ndarray) -> "Terms":
        """Return those of some of the fits."""
        return replace(self, thresholds=self.thresholds[which], squares=self.squares[which])


@dataclass(frozen=True)
class Fit:
    """One fit, ended.

    Attributes
    ----------
    inertia : float
        By direct differences.
    history : tuple of float
        The inertia of the centres that each iteration started from.
    converged : bool
    sound : bool
        False if a cluster lost its rows: the fit ended there, and is to be made by itself.
    """

    inertia: float
    history: tuple[float, ...]
    converged: bool
    sound: bool


def lloyd(rows: BatchRows, starts: Array, terms: Terms) -> tuple[Array, list[Fit]]:
    """Return the centres that fits end with, (m, k, d) in the dtype of `starts`, and the fits."""
    m, k, _ = starts.shape
    ended = [
        _ended(some, starts[part, ...], terms.of(part)) for part, some in in_parts(rows, m, k)
    ]
    centers, fits = zip(*ended, strict=True)
    return namespace_of(starts).concat(centers), list(chain(*fits))


@dataclass(frozen=True)
class _State:
    """Fits at work, w of m, and what came of the others.

    Attributes
    ----------
    rows : BatchRows
    centers : array of shape (w, k, d)
        In the dtype of the starts.
    numbers : ndarray of shape (w,)
        Which fits they are.
    idle : ndarray of shape (w,), bool
        Those that ended, but are still carried along.
    history : tuple of ndarray of shape (m,)
        The inertia at each iteration; NaN of fits that had ended.
    converged, sound : ndarray of shape (m,), bool
    ended : tuple of (ndarray of shape (e,), array of shape (e, k, d))
        Numbers and centres of those that ended.
    """

    rows: BatchRows
    centers: Array
    numbers: np.ndarray
    idle: np.ndarray
    history: tuple[np.ndarray, ...]
    converged: np.ndarray
    sound: np.ndarray
    ended: tuple[tuple[np.ndarray, Array], ...] = ()

    def ending(self, over: np.ndarray) -> Self:
        """Return the state after some fits, (w,) bool, have ended where their centres are."""
        if not over.any():
            return self
        piece = self.numbers[over], _at(self.centers, over)
        state = replace(self, idle=self.idle | over, ended=(*self.ended, piece))
        # To leave them out is to copy the rows of all others.
        return state._without_idle() if state.idle.mean() >= IDLE else state

    def _without_idle(self) -> Self:
        busy = ~self.idle
        rows = self.rows
        if rows.rows.shape[0] > 1:
            rows = BatchRows(*(_at(part, busy) for part in rows[:-1]), rows.weights)
        centers, numbers = _at(self.centers, busy), self.numbers[busy]
        return replace(self, rows=rows, centers=centers, numbers=numbers, idle=self.idle[busy])


def _at(array: Array, where: np.ndarray) -> Array:
    """Return the entries of a batch that a host mask marks."""
    return namespace_of(array).take(array, to_like(np.flatnonzero(where), array), axis=0)


def _ended(rows: BatchRows, starts: Array, terms: Terms) -> tuple[Array, list[Fit]]:
    m = starts.shape[0]
    none = np.zeros(m, bool)
    state = _State(rows, starts, np.arange(m), none, (), none, ~none)
    step = partial(_step, terms=terms)
    state = iterate(step, state, max_iter=terms.max_iter, tell=lambda *_: False).state
    state = state.ending(~state.idle)
    numbers, centers = zip(*state.ended, strict=True)
    xp, order = namespace_of(starts), to_like(np.argsort(np.concatenate(numbers)), starts)
    centers = xp.take(xp.concat(centers), order, axis=0)
    inertia = to_host(_inertias(_wide(centers, rows), rows)).tolist()
    histories = [tuple(past[~np.isnan(past)].tolist()) for past in np.stack(state.history, axis=1)]
    outcomes = state.converged.tolist(), state.sound.tolist()
    return centers, [Fit(*of) for of in zip(inertia, histories, *outcomes, strict=True)]


def _step(state: _State, *, terms: Terms) -> tuple[_State, Report]:
    """Assign every row of every fit, and move each centre to the mean of its rows."""
    rows, centers, busy = state.rows, _wide(state.centers, state.rows), ~state.idle
    terms = terms.of(state.numbers)
    mask = candidates(centers, rows)
    moved, numbers = _moved(state.centers, mask, rows)
    gain, shift, lightest, doubtful = to_host(numbers)
    if doubtful.any():
        mask = decided(mask, centers, rows)
        moved, numbers = _moved(state.centers, mask, rows)
        gain, shift, lightest, _ = to_host(numbers)
    inertia = gain + terms.squares
    cancelled = inertia < CANCELLED * terms.squares
    if cancelled[busy].any():
        inertia = np.where(cancelled, to_host(inertias(mask, centers, rows)), inertia)
    sound, converged = lightest > 0, shift <= terms.thresholds
    history = np.full(len(state.sound), np.nan)
    history[state.numbers[busy]] = inertia[busy]
    after = replace(
        state,
        centers=moved,
        history=(*state.history, history),
        sound=_marked(state.sound, state.numbers[busy & ~sound], False),
        converged=_marked(state.converged, state.numbers[busy & sound & converged], True),
    ).ending(busy & (converged | ~sound))
    return after, Report(float(inertia.sum()), float(shift.max()), after.idle.all())


def _marked(mask: np.ndarray, where: np.ndarray, value: bool) -> np.ndarray:
    mask = mask.copy()
    mask[where] = value
    return mask


def _moved(before: Array, mask: Array, rows: BatchRows) -> tuple[Array, Array]:
    """Return the means of the clusters, (m, k, d), in the dtype of those `before`; and numbers.

    These are of each fit: the inertia less the squares about the origin, the squared shift, the
    least weight of a cluster, and how many rows have several candidates, (4, m).
    """
    xp, totals = namespace_of(mask), totals_of(mask, rows)
    sums, weights = totals[:, :, :-1], totals[:, :, -1:]
    wide = _wide(before, rows)
    occupied = weights > 0
    means = rows.origins + sums / xp.where(occupied, weights, xp.ones_like(weights))
    moved = xp.astype(xp.where(occupied, means, wide), before.dtype, copy=False)
    drift, shifted = _wide(moved, rows) - wide, wide - rows.origins
    gain = xp.sum(shifted * (weights * shifted - 2 * sums), axis=(1, 2))
    lightest = xp.min(weights, axis=(1, 2))
    several = xp.sum(xp.astype(mask, xp.int32), axis=(1, 2)) - mask.shape[2]
    numbers = [gain, xp.sum(drift * drift, axis=(1, 2)), lightest, several]
    return moved, xp.stack([xp.astype(of_fits, wide.dtype, copy=False) for of_fits in numbers])


def _inertias(centers: Array, rows: BatchRows) -> Array:
    """Return the inertia of centres, (m,), by direct differences from the nearest."""
    return inertias(decided(candidates(centers, rows), centers, rows), centers, rows)


def _wide(centers: Array, rows: BatchRows) -> Array:
    """Return centres in the widest float, that of the rows."""
    return namespace_of(centers).astype(centers, rows.rows.dtype, copy=False)
