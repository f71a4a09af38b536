"""The referee: one float64 computation by which every contestant's answer is measured.

Written in plain NumPy and apart from the library, so that ours gets no friendlier look
than a peer's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Host = NDArray[np.float64]

ENTRIES = 4_000_000  # of a block and of its distance matrix: 32 MB of float64


@dataclass(frozen=True)
class Verdict:
    """What an answer is worth, and how many of its labels brute force contradicts."""

    quality: float
    mismatches: int | None


def judge(
    X: NDArray[np.float32],
    centers: NDArray[np.floating],
    labels: NDArray[np.integer] | None = None,
    *,
    squared: bool = True,
) -> Verdict:
    """Inertia of the centres in float64, and the labels that brute force contradicts.

    Or where the distances are not `squared`, their sum.

    Ties count as mismatches too, so a handful of them in float32 is no fault.
    """
    total, wrong = 0.0, 0
    exact = np.asarray(centers, dtype=np.float64)
    for rows, block in blocks(X, len(exact)):
        found = nearest(block, exact)
        squares = ((block - exact[found]) ** 2).sum(axis=1)
        total += float((squares if squared else np.sqrt(squares)).sum())
        if labels is not None:
            wrong += int(np.count_nonzero(np.asarray(labels[rows]) != found))
    return Verdict(total, None if labels is None else wrong)


def blocks(X: NDArray[np.float32], width: int) -> Iterator[tuple[slice, Host]]:
    """Rows in float64, a block at a time, for a step that makes `width` numbers of each row."""
    step = max(1, ENTRIES // max(width, X.shape[1]))
    for start in range(0, len(X), step):
        rows = slice(start, start + step)
        yield rows, X[rows].astype(np.float64)


def nearest(block: Host, centers: Host) -> NDArray[np.intp]:
    """The index of each row's nearest centre; the expanded form is taken amid the centres."""
    origin = centers.mean(axis=0)
    about = centers - origin
    return ((about**2).sum(axis=1) / 2 - (block - origin) @ about.T).argmin(axis=1)
