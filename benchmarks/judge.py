"""The referee: one float64 computation by which every contestant's answer is measured.

Written in plain NumPy and apart from the library, so that ours gets no friendlier look
than a peer's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ENTRIES = 4_000_000  # of a block's distance matrix: 32 MB of float64


@dataclass(frozen=True)
class Verdict:
    """What an answer is worth: its inertia, and how many of its labels are not nearest."""

    inertia: float
    mismatches: int | None


def judge(
    X: NDArray[np.float32],
    centers: NDArray[np.floating],
    labels: NDArray[np.integer] | None = None,
) -> Verdict:
    """Inertia of the centres in float64, and the labels that brute force contradicts.

    Ties count as mismatches too, so a handful of them in float32 is no fault.
    """
    total, wrong = 0.0, 0
    for rows, nearest, distances in _blocks(X, np.asarray(centers, dtype=np.float64)):
        total += float(distances.sum())
        if labels is not None:
            wrong += int(np.count_nonzero(np.asarray(labels[rows]) != nearest))
    return Verdict(total, None if labels is None else wrong)


def _blocks(
    X: NDArray[np.float32], centers: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.intp], NDArray[np.float64]]]:
    """Rows, their nearest centres and the squared distances to these, block by block."""
    origin = centers.mean(axis=0)
    about = centers - origin
    half_norms = (about**2).sum(axis=1) / 2
    step = max(1, ENTRIES // len(centers))
    for start in range(0, len(X), step):
        rows = slice(start, start + step)
        block = X[rows].astype(np.float64) - origin
        nearest = (half_norms - block @ about.T).argmin(axis=1)
        yield rows, nearest, ((block - about[nearest]) ** 2).sum(axis=1)
