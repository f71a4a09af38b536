r"""The leading eigenvectors of a normalised graph, beside those that are known.

A block of vectors is filtered by a polynomial of the matrix that is small over all eigenvalues but
the leading ones, made orthogonal, and rotated to the best approximations that it spans (Zhou, Saad,
Tiago & Chelikowsky, *Self-consistent-field calculations using Chebyshev-filtered subspace
iteration*, 2006). A block finds eigenvalues that are repeated, or nearly so, which one vector's
Lanczos iteration misses: graphs that almost fall apart have them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from kmeans_xp.algorithms.loop import Report, iterate
from kmeans_xp.arrays import Array, namespace_of, to_host, to_like
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.open import open_rows

# Vectors of the block beyond those that are wanted, as a part of these and at least: what the last
# wanted one's convergence depends on is the eigenvalue of the last of the block.
SPARE, LEAST_SPARE = 0.5, 8
# Degrees of a filter: of one of fewer the rotations would take longer than the products; one of
# more goes on for long with what the last rotation knew.
LEAST_DEGREE, MOST_DEGREE = 8, 300
# The logarithm of how much more a filter may make of the largest eigenvalue than of those that it
# does not want. Rounding along known vectors grows by as much before it is taken out.
MOST_GROWTH = 27.0
# The logarithm of what a filter is to gain beyond what the last residual asks for.
SURE = 2.0
# Entries of a block from which threads share a filter, and of the vectors that each filters at a
# time: what it needs besides is several times as large as these.
SHARED, TOGETHER = 1 << 14, 1 << 20
# Entries of a block that are made orthogonal at once: it takes several times their memory.
AT_ONCE = 1 << 19
# Residuals that rounding leaves, in units in the last place.
ROUNDING = 100.0


class Matrix(Protocol):
    """What is asked of a matrix."""

    def __matmul__(self, block: Array) -> Array:
        """Return the product with a block of vectors."""

    def dense(self) -> Array:
        """Return the matrix in full, (n, n)."""


@dataclass(frozen=True)
class Eigenvectors:
    """Leading eigenvectors, (n, q), their eigenvalues, (q,) on the host, and how good they are.

    The residual is the largest norm of matrix times vector less eigenvalue times vector.
    """

    values: np.ndarray
    vectors: Array
    residual: float
    n_iter: int
    converged: bool


def by_dense(matrix: Array, known: Array, count: int) -> Eigenvectors:
    """Return the leading eigenvectors beside those that are `known`, of a matrix in full."""
    xp = namespace_of(matrix)
    # Those that are known get the eigenvalue -1 or less, for that of no other is less.
    values, vectors = xp.linalg.eigh(matrix - 2 * (known @ known.T))
    values = xp.flip(values[-count:])
    vectors = xp.flip(vectors[:, -count:], axis=1)
    residual = float(xp.max(_norms(matrix @ vectors - vectors * values)))
    return Eigenvectors(to_host(values), vectors, residual, 1, True)


@dataclass(frozen=True)
class _Block:
    """Orthonormal vectors, (n, b), rotated; their values, and residuals."""

    vectors: Array
    values: np.ndarray
    residuals: np.ndarray


def by_filter(
    matrix: Matrix,
    known: Array,
    count: int,
    start: Array,
    *,
    tol: float,
    max_iter: int,
    tell: Callable[[int, Any, Report], Any],
) -> Eigenvectors:
    """Return the leading eigenvectors beside those that are `known`, by filtering a block.

    Parameters
    ----------
    matrix : Matrix
        Symmetric, with eigenvalues from -1 to 1.
    known : array of shape (n, c)
        Orthonormal eigenvectors of the eigenvalue 1.
    count : int
        How many are wanted, q.
    start : array of shape (n, b)
        Vectors to start from, b > q of them.
    tol : float
        The part of the gap, between the last eigenvalue that is wanted and the next, that residuals
        may be: about the sine of the angle by which the vectors' span is off.
    max_iter : int
    tell : callable
        As `kmeans_xp.algorithms.loop.iterate` wants it, of the eigenvalues and residuals.
    """
    eps = float(namespace_of(start).finfo(start.dtype).eps)
    block = _rotated(matrix, _orthonormal(start, known))
    del start
    step = partial(
        _step,
        matrix=matrix,
        rows=open_rows(known),
        known=known,
        count=count,
        tol=tol,
        floor=ROUNDING * eps,
    )
    run = iterate(step, block, max_iter=max_iter, tell=tell)
    ended = run.state
    return Eigenvectors(
        ended.values[:count],
        ended.vectors[:, :count],
        float(ended.residuals[:count].max()),
        run.n_iter,
        run.converged,
    )


def _step(
    block: _Block,
    *,
    matrix: Matrix,
    rows: Rows,
    known: Array,
    count: int,
    tol: float,
    floor: float,
) -> tuple[_Block, Report]:
    before = float(block.residuals[:count].max())
    goal = _goal(block, count, tol, floor)
    block = _rotated(matrix, _orthonormal(_filtered(matrix, rows, block, count, goal), known))
    residual = float(block.residuals[:count].max())
    converged = residual <= _goal(block, count, tol, floor)
    return block, Report(before, residual, converged)


def _goal(block: _Block, count: int, tol: float, floor: float) -> float:
    """Return how large residuals may be."""
    return max(tol * float(block.values[count - 1] - block.values[count]), floor)


def _filtered(matrix: Matrix, rows: Rows, block: _Block, count: int, goal: float) -> Array:
    """Return the block after a Chebyshev filter; threads of `rows` make some vectors each."""
    xp, (n, b) = namespace_of(block.vectors), block.vectors.shape
    cut = min(float(block.values[-1]), 1 - 1e-14)
    degree = _degree(block, count, goal, (cut - 1) / 2, (cut + 1) / 2)
    shared = n * b >= SHARED and rows.concurrency is not None
    size = min(TOGETHER // n, -(-b // rows.concurrency)) if shared else b
    some = [
        partial(_filter, matrix, block.vectors[:, part], cut, degree) for part in parts(b, size)
    ]
    return xp.concat(rows.each(some), axis=1)


def _filter(matrix: Matrix, vectors: Array, cut: float, degree: int) -> Array:
    """Return vectors times a polynomial that is small from -1 to `cut`, and 1 at 1."""
    center, half = (cut - 1) / 2, (cut + 1) / 2
    sigma = first = half / (1 - center)
    before = vectors
    now = (matrix @ before - center * before) * (sigma / half)
    for _ in range(1, degree):
        after = 1 / (2 / first - sigma)
        later = (2 * after / half) * (matrix @ now - center * now) - (sigma * after) * before
        before, now, sigma = now, later, after
    return now


def _degree(block: _Block, count: int, goal: float, center: float, half: float) -> int:
    """Return of which degree a filter makes the residuals small enough, if it may be so large."""
    wanted = math.log(max(float(block.residuals[:count].max()) / goal, 1.0)) + SURE
    last = (float(block.values[count - 1]) - center) / half
    growth = math.acosh(max(last, 1 + 1e-15))
    most = MOST_GROWTH / math.acosh((1 - center) / half)
    degree = min(wanted / max(growth, 1e-9), most, MOST_DEGREE)
    return max(LEAST_DEGREE, math.ceil(degree))


def _orthonormal(vectors: Array, known: Array) -> Array:
    """Return vectors, (n, b), made orthonormal and orthogonal to those that are known."""
    for _ in range(2):  # Once leaves what cancels, or what a factor of parts rounds.
        vectors = _orthogonal(vectors, known, known.T @ vectors)
    return vectors


def _orthogonal(vectors: Array, known: Array, shares: Array) -> Array:
    """Return vectors less known ones times `shares`, (c, b), made about orthonormal.

    Of a large block a few rows at a time are looked at: the factor of all follows from theirs.
    """
    xp, (n, b) = namespace_of(vectors), vectors.shape
    some = list(parts(n, max(2 * b, AT_ONCE // b)))
    if len(some) > 1:
        factors = [xp.linalg.qr(vectors[s, :] - known[s, :] @ shares).R for s in some]
        factor = xp.linalg.qr(xp.concat(factors)).R
        sizes = xp.abs(xp.linalg.diagonal(factor))
        if bool(xp.min(sizes) > xp.finfo(factor.dtype).eps * xp.max(sizes)):
            inverse = xp.linalg.inv(factor)
            return xp.concat([(vectors[s, :] - known[s, :] @ shares) @ inverse for s in some])
    return xp.linalg.qr(vectors - known @ shares).Q


def _rotated(matrix: Matrix, vectors: Array) -> _Block:
    """Return orthonormal vectors rotated to approximate eigenvectors, the leading first."""
    xp, products = namespace_of(vectors), matrix @ vectors
    small = vectors.T @ products
    values, turn = xp.linalg.eigh((small + small.T) / 2)
    values, turn = xp.flip(values), xp.flip(turn, axis=1)
    (n, b), turned, squares = vectors.shape, [], xp.zeros_like(values)
    for some in parts(n, AT_ONCE // b):
        turned.append(vectors[some, :] @ turn)
        off = products[some, :] @ turn - turned[-1] * values
        squares = squares + xp.sum(off * off, axis=0)
    del vectors, products
    host = to_host(xp.stack([values, xp.sqrt(squares)]))
    return _Block(turned[0] if len(turned) == 1 else xp.concat(turned), host[0], host[1])


def _norms(vectors: Array) -> Array:
    xp = namespace_of(vectors)
    return xp.sqrt(xp.sum(vectors * vectors, axis=0))


def block_size(count: int, most: int) -> int:
    """Return how many vectors a block should have, of which `count` are wanted."""
    return min(most, count + max(LEAST_SPARE, int(SPARE * count)))


# A prime whose square fits in 32 bits with a sign, as some devices want it.
PRIME = 46_337


def scattered(numbers: Array, count: int, seed: int, dtype: Any) -> Array:
    """Return numbers between -1 and 1 without a pattern, (n, count), where the rows are.

    They are quadratic residues of row numbers, so that nothing of size n crosses to the device.
    """
    xp = namespace_of(numbers)
    draws = np.random.default_rng(seed).integers(1, PRIME, (4, count)).astype(np.int32)
    draws = to_like(draws, numbers, numbers.dtype)
    a, b, c, d = (draws[i : i + 1, :] for i in range(4))
    low, high = numbers[:, None] % PRIME, numbers[:, None] // PRIME
    mixed = (low * a % PRIME + high * b % PRIME + c) % PRIME
    mixed = (mixed * mixed % PRIME * d % PRIME + mixed) % PRIME
    return xp.astype(mixed, dtype) * (2 / PRIME) - 1
