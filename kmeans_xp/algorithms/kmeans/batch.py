"""Lloyd's algorithm for many small fits at once.

A fit of a few hundred rows makes a few hundred calls of an array library, each of which takes
longer than its arithmetic. Here a call serves all fits; each of them goes on as it would by itself.
"""

from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, Self

import numpy as np

from kmeans_xp.algorithms.loop import Report, iterate
from kmeans_xp.algorithms.moments import CANCELLED
from kmeans_xp.algorithms.seeding.batch import plus_plus
from kmeans_xp.arrays import Array, namespace_of, to_host, to_like
from kmeans_xp.kernels.portable.batch import (
    BatchRows,
    candidates,
    decided,
    in_parts,
    inertias,
    rows_at,
    some_fits,
    totals_of,
)
from kmeans_xp.kernels.shared.cluster_totals import means_of
from kmeans_xp.kernels.shared.ordered_sums import ordered_sum

# The part of the fits from which those that ended are left out of the batch.
IDLE = 0.25


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


@dataclass(frozen=True)
class Batch:
    """Fits of k clusters that are to be made at once.

    Attributes
    ----------
    rows : BatchRows
        Of each fit, or the same for all.
    k : int
    dtype : dtype
        Of X, and so of centres.
    terms : Terms
        What ends the fits, by m entries or one for all.
    """

    rows: BatchRows
    k: int
    dtype: Any
    terms: "Terms"

    def from_draws(self, uniforms: np.ndarray) -> tuple[Array, list[Fit]]:
        """Return centres and fits that start from k-means++, by `draw_count` uniforms of each."""
        draws = to_like(uniforms, self.rows.rows, self.rows.rows.dtype)
        indices, sound = plus_plus(self.rows, draws, self.k)
        centers, fits = self.from_rows(indices)
        started = to_host(sound).tolist()
        fits = [replace(fit, sound=fit.sound and s) for fit, s in zip(fits, started, strict=True)]
        return centers, fits

    def from_rows(self, indices: Array) -> tuple[Array, list[Fit]]:
        """Return centres, (m, k, d), and fits that start from some rows, (m, k) integers."""
        xp, m = namespace_of(indices), indices.shape[0]
        starts = xp.astype(rows_at(self.rows, indices), self.dtype, copy=False)
        terms = self.terms.of_fits(m)
        ended = [
            _ended(some, starts[part, ...], terms.at(part))
            for part, some in in_parts(self.rows, m, self.k)
        ]
        centers, fits = zip(*ended, strict=True)
        return xp.concat(centers), list(chain(*fits))


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

    @classmethod
    def of(cls, rows: BatchRows, *, tol: float, max_iter: int) -> Self:
        """Return those of fits to rows without weights.

        They have converged if the squared shift is at most `tol` times the mean variance of the
        features.
        """
        xp, (*_, n, d) = namespace_of(rows.rows), rows.rows.shape
        sums = to_host(xp.sum(rows.shifted, axis=1)).astype(np.float64)
        squares, means = sums[:, -1], sums[:, :d] / n
        variances = np.maximum(squares / n - np.vecdot(means, means), 0.0) / d
        return cls(tol * variances, squares, max_iter)

    def of_fits(self, m: int) -> Self:
        """Return those of m fits, which may be the same for all."""
        return self if len(self.squares) == m else self.at(np.zeros(m, np.intp))

    def at(self, which: slice | np.ndarray) -> Self:
        """Return those of some of the fits."""
        return replace(self, thresholds=self.thresholds[which], squares=self.squares[which])


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
        rows = some_fits(self.rows, partial(_at, where=busy))
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
    terms = terms.at(state.numbers)
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
    return after, Report(float(inertia.sum()), float(shift.max()), bool(after.idle.all()))


def _marked(mask: np.ndarray, where: np.ndarray, value: bool) -> np.ndarray:
    mask = mask.copy()
    mask[where] = value
    return mask


def _moved(before: Array, mask: Array, rows: BatchRows) -> tuple[Array, Array]:
    """Return the means of the clusters, (m, k, d), in the dtype of those `before`; and numbers.

    These are of each fit: the inertia less the squares about the origin, the squared shift, the
    least weight of a cluster, and how many rows have several candidates, (4, m).
    """
    xp, (high, low) = namespace_of(mask), totals_of(mask, rows)
    wide, both = _wide(before, rows), high + low
    sums, weights = both[:, :, :-1], both[:, :, -1:]
    occupied = weights > 0
    weighed = xp.where(occupied, weights, xp.ones_like(weights))
    means = rows.origins + means_of(high[:, :, :-1], low[:, :, :-1], weighed)
    moved = xp.astype(xp.where(occupied, means, wide), before.dtype, copy=False)
    drift, shifted = _wide(moved, rows) - wide, wide - rows.origins
    terms = xp.stack([shifted * (weights * shifted - 2 * sums), drift * drift])
    gain_and_shift = ordered_sum(xp.reshape(terms, (2, mask.shape[0], -1)))
    # Where all rows weigh one, weights count the candidates.
    counted = weights if rows.weights is None else xp.astype(mask, xp.int32)
    several = xp.astype(xp.sum(counted, axis=(1, 2)) - mask.shape[2], wide.dtype, copy=False)
    others = xp.stack([xp.min(weights, axis=(1, 2)), several])
    return moved, xp.concat([gain_and_shift, others])


def _inertias(centers: Array, rows: BatchRows) -> Array:
    """Return the inertia of centres, (m,), by direct differences from the nearest."""
    return inertias(decided(candidates(centers, rows), centers, rows), centers, rows)


def _wide(centers: Array, rows: BatchRows) -> Array:
    """Return centres in the widest float, that of the rows."""
    return namespace_of(centers).astype(centers, rows.rows.dtype, copy=False)
