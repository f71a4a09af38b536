"""What a choice of the number of clusters found, as a table."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeans_xp.arrays.record import Record
from kmeans_xp.arrays.views import OnHost
from kmeans_xp.selection.elbow import ElbowResult
from kmeans_xp.selection.gap import GapResult

# Headings of the table, where a criterion's name is too long for a column.
HEADINGS = {
    "calinski_harabasz": "Calinski-H.",
    "davies_bouldin": "Davies-B.",
    "prediction_strength": "pred. str.",
    "medoid_silhouette": "medoid sil.",
}
WIDTH = 12


@dataclass(frozen=True, eq=False, repr=False)
class Profile(Record, OnHost):
    """The silhouette of each row that was looked at, for one clustering; on the host.

    Attributes
    ----------
    k : int
    labels : ndarray of shape (m,), integers
    values : ndarray of shape (m,)
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    k: int
    labels: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class KSelection(Record):
    """The number of clusters that each criterion chooses, and the recommended one.

    As text it is a table with a row for each k, in which each criterion's choice is starred.

    Attributes
    ----------
    ks : tuple of int
        What was tried, ascending.
    k : int or None
        The recommendation: the lower median of the choices of "gap", "bic" and "silhouette", of
        medoids also of "medoid_silhouette", of spectral clustering of "eigengap"; those that were
        asked for and chose. None if none did.
    choices : dict of str to (int or None)
        What each criterion chooses, in the order in which they were asked for; None if it finds
        nothing to choose.
    scores : dict of str to tuple of float
        The value of each criterion for each k; NaN where it has none. The gap's is the gap, the
        elbow's the difference curve.
    inertias : tuple of float
        What the algorithm minimised, for each k: the inertia, the loss of medoids, minus the
        log-likelihood of mixtures.
    seconds : tuple of float
        How long each k took, with all criteria.
    results : tuple
        The fitted result for each k, of the algorithm's own function.
    agreement : float
        The part of the criteria that chose the recommended k; 0 if there is none.
    n_rows, n_sampled : int
        How many rows there are, and how many of them criteria looked at that take long.
    notes : tuple of str
        What to know of the answer, a sentence each: what was sampled, what was left out, and why.
    gap : GapResult or None
    elbow : ElbowResult or None
    profile : Profile or None
        The silhouettes of the recommended k, or else of the k that the silhouette chooses.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    ks: tuple[int, ...]
    k: int | None
    choices: Mapping[str, int | None]
    scores: Mapping[str, tuple[float, ...]]
    inertias: tuple[float, ...]
    seconds: tuple[float, ...]
    results: tuple[Any, ...]
    agreement: float
    n_rows: int
    n_sampled: int
    notes: tuple[str, ...] = ()
    gap: GapResult | None = None
    elbow: ElbowResult | None = None
    profile: Profile | None = None

    @property
    def best(self) -> Any:
        """Return the fitted result of the recommended k; None if there is none."""
        return None if self.k is None else self.results[self.ks.index(self.k)]

    def to_dict(self) -> dict[str, Any]:
        """Return all but the fitted results and silhouettes, in types that JSON has."""
        rows = []
        for i, k in enumerate(self.ks):
            row: dict[str, Any] = {
                "k": k,
                "inertia": self.inertias[i],
                "seconds": self.seconds[i],
            }
            row |= {name: _or_none(values[i]) for name, values in self.scores.items()}
            rows.append(row)
        return {
            "k": self.k,
            "choices": dict(self.choices),
            "agreement": self.agreement,
            "rows": rows,
            "n_rows": self.n_rows,
            "n_sampled": self.n_sampled,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        names = list(self.scores)
        head = f"{'k':>4}{'inertia':>{WIDTH}}" + "".join(
            f"{HEADINGS.get(name, name):>{WIDTH}} " for name in names
        )
        lines = [head.rstrip()]
        for i, k in enumerate(self.ks):
            cells = "".join(
                _cell(self.scores[name][i], starred=self.choices[name] == k) for name in names
            )
            lines.append(f"{k:>4}{self.inertias[i]:>{WIDTH}.5g}{cells}".rstrip())
        return "\n".join([*lines, "", self._answer(), *self.notes])

    def _answer(self) -> str:
        if self.k is None:
            return "No k is recommended."
        agreeing = [name for name, k in self.choices.items() if k == self.k]
        said = f"{len(agreeing)} of {len(self.choices)} criteria choose it"
        return f"Recommended: k = {self.k}; {said}."


def _cell(value: float, *, starred: bool) -> str:
    shown = "-" if math.isnan(value) else f"{value:.4g}"
    return f"{shown:>{WIDTH}}{'*' if starred else ' '}"


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
