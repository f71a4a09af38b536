"""Clusters by labels of the user's: any integers, of which each names a cluster."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from kmeans_xp.arrays import Array, namespace_of, to_host
from kmeans_xp.rows.arguments import aligned_argument
from kmeans_xp.rows.base import Rows


@dataclass(frozen=True)
class Clusters:
    """Labels of rows.

    Attributes
    ----------
    labels : array of shape (n,), integers
        As given, aligned with the rows.
    values : array of shape (k,)
        The different ones, ascending, where blocks live.
    consecutive : bool
        Whether they are 0 to k - 1.
    """

    labels: Array
    values: Array
    consecutive: bool

    @classmethod
    def of(cls, rows: Rows, labels: Array) -> Self:
        """Return the clusters of `rows` by labels that `open_labels` returned."""
        values = np.sort(to_host(namespace_of(labels).unique_values(labels)))
        consecutive = bool(values[0] == 0 and values[-1] == len(values) - 1)
        return cls(labels, rows.small(values), consecutive)

    @property
    def count(self) -> int:
        """Return how many clusters there are."""
        return int(self.values.shape[0])

    def numbers(self, labels: Array) -> Array:
        """Return the numbers, from 0 on, of the clusters that some of the labels name; int32."""
        xp = namespace_of(labels)
        found = labels if self.consecutive else xp.searchsorted(self.values, labels)
        return xp.astype(found, xp.int32, copy=False)

    def check_count(self, n: float, count: int | None = None) -> None:
        """Require at least two clusters of positive weight, and fewer than rows, copies counted."""
        count = self.count if count is None else count
        if not 1 < count < n:
            raise ValueError(
                f"labels must name from 2 to n_samples - 1 clusters of rows that weigh something, "
                f"got {count} with n_samples={n:g}. One cluster, and rows that are each a cluster, "
                "have no such score."
            )


def open_labels(rows: Rows, labels: object) -> Array:
    """Return the argument `labels`, (n,), aligned with the rows.

    Raises
    ------
    TypeError, ValueError
        If it is not one integer for each row, or lives elsewhere.
    """
    aligned = aligned_argument(rows, labels, "labels")
    if not namespace_of(aligned).isdtype(aligned.dtype, "integral"):
        raise TypeError(
            f"labels must be integers, got dtype {aligned.dtype}. Number them, for instance with "
            "numpy.unique(labels, return_inverse=True)[1]."
        )
    return aligned
