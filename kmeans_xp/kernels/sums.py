"""Weighted sums of the rows of a block, and of their squares, about a point."""

import numpy as np

from kmeans_xp.arrays import Array, namespace_of
from kmeans_xp.kernels import fast_compile
from kmeans_xp.kernels.blocks import parts
from kmeans_xp.kernels.scratch import scratch

# With fewer features compiled loops never get up to speed.
NARROW = 8
# Entries of several short rows that NumPy takes as one, since loops over few never get up to speed.
LONG = 256
# Entries that are centred at a time.
PIECE = 1 << 16


def sums_about(block: Array, weights: Array | None, about: Array) -> tuple[Array, Array, Array]:
    """Return Σw, Σw(x - about) and Σw(x - about)², (d,), in the dtype of `about`."""
    xp = namespace_of(block)
    centred = xp.astype(block, about.dtype, copy=False) - about
    ones = xp.ones_like(centred[:, 0])
    w = ones if weights is None else xp.astype(weights, about.dtype, copy=False)
    # A product sums several times as fast as `sum` along the first axis.
    return xp.sum(w), w @ centred, w @ (centred * centred)


def host_sums_about(
    block: np.ndarray, weights: np.ndarray | None, about: np.ndarray
) -> tuple[np.floating, np.ndarray, np.ndarray]:
    """As `sums_about`, in memory that is not new: page faults would take longer than the sums."""
    n, d = block.shape
    if weights is None and d >= NARROW and fast_compile.ready(block.dtype):
        from kmeans_xp.kernels import fast_lanes

        return np.float64(n), *fast_lanes.sums_about(block, about)
    total = np.float64(n)
    first, second = np.zeros(d), np.zeros(d)
    if weights is not None:
        weights = weights.astype(about.dtype, copy=False)
        total = weights.sum()
    for part in parts(n, PIECE // d):
        more = _sums_of_piece(block[part], None if weights is None else weights[part], about)
        first += more[0]
        second += more[1]
    return total, first, second


def _sums_of_piece(
    rows: np.ndarray, weights: np.ndarray | None, about: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n, d = rows.shape
    centred = scratch("wide", (n, d), about.dtype)
    # Converted first: a subtraction that converts on the way takes three times as long.
    centred[...] = rows
    together = max(1, LONG // d) if weights is None else 1
    whole = n // together * together
    long = centred[:whole].reshape(-1, together * d)
    long -= np.tile(about, together)
    centred[whole:] -= about
    w = np.ones(len(long)) if weights is None else weights
    rest = np.ones(n - whole)

    def total() -> np.ndarray:
        return (w @ long).reshape(together, d).sum(axis=0) + rest @ centred[whole:]

    first = total()
    np.square(centred, out=centred)
    return first, total()
