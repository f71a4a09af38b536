"""How many clusters to fit: a number, or the recommended one of a range."""

from dataclasses import dataclass
from re import fullmatch
from typing import Any, cast

import numpy as np

import kmeans_xp
from kmeans_xp.cli.errors import CliError
from kmeans_xp.cli.family import Job, options_named
from kmeans_xp.cli.progress import progress
from kmeans_xp.cli.source import Rows
from kmeans_xp.selection.family import AlgorithmName
from kmeans_xp.selection.result import KSelection

# The largest k that is tried unless the user says one, where there are so many rows.
MOST = 10


@dataclass(frozen=True)
class KRange:
    """The numbers of clusters to choose among, both ends included.

    Attributes
    ----------
    least : int
    most : int or None
        None for 10, or one less than there are rows (of positive weight) if this is less.
    """

    least: int = 1
    most: int | None = None

    def check(self, smallest: str, largest: str) -> None:
        """Refuse a range without numbers; the names are those of the ends, for the message."""
        most = MOST if self.most is None else self.most
        if most < self.least:
            said = f"{most}, which it is unless given" if self.most is None else str(most)
            raise CliError(f"{largest} must be at least {smallest}, {self.least}, got {said}")

    def among(self, n: int) -> range:
        """Return the numbers for n rows."""
        most = max(self.least, min(MOST, n - 1)) if self.most is None else self.most
        return range(self.least, most + 1)


def parsed(text: str) -> int | KRange:
    """Return what ``-k`` means: a number, ``auto``, or a range such as ``2:12``."""
    if text == "auto":
        return KRange()
    if fullmatch(r"[0-9]+", text) and int(text) > 0:
        return int(text)
    ends = fullmatch(r"([0-9]+):([0-9]+)", text)
    if ends is None or int(ends[1]) < 1:
        raise CliError(
            f"-k must be a number of at least 1, a range such as 2:12, or auto, got {text!r}"
        )
    numbers = KRange(int(ends[1]), int(ends[2]))
    numbers.check("the first number of -k", "the second number of -k")
    return numbers


def selected(rows: Rows, job: Job, numbers: KRange, *, bar: bool, **further: Any) -> KSelection:
    """Choose a number of clusters for an algorithm and its options.

    Parameters
    ----------
    rows : Rows
    job : Job
    numbers : KRange
        Those to choose among.
    bar : bool
        Whether progress may be shown.
    **further
        Arguments of `choose_k`; those that are None have its defaults.
    """
    weights = rows.data.weights
    n = len(rows.data.rows) if weights is None else int(np.count_nonzero(weights > 0))
    ks = numbers.among(n)
    asked = {name: value for name, value in further.items() if value is not None}
    bar_shown = progress(len(ks), "numbers of clusters", wanted=bar, describe=_tried)
    with bar_shown as callback, options_named():
        selection: KSelection = kmeans_xp.choose_k(
            rows.X,
            ks,
            algorithm=cast(AlgorithmName, job.name),
            options=job.given,
            sample_weight=rows.weights,
            rng=job.seed,
            callback=callback,
            **asked,
        )
    return selection


def recommended(selection: KSelection, spec: str) -> int:
    """Return the recommended number, or say what to do where there is none."""
    if selection.k is None:
        raise CliError(
            f"-k: no number of clusters is recommended from {span(selection)}; look at what "
            f"kmeans-xp choose-k {spec} shows, and give one"
        )
    return selection.k


def reason(selection: KSelection) -> str:
    """Say why the recommended number is, in less than a line."""
    votes = [name for name, k in selection.choices.items() if k == selection.k]
    of = len(selection.choices)
    return f"from {span(selection)}: {len(votes)} of {of} criteria choose it ({', '.join(votes)})"


def span(selection: KSelection) -> str:
    """Say which numbers were tried."""
    return f"{selection.ks[0]} to {selection.ks[-1]}"


def _tried(step: Any) -> str:
    return f"k = {step.k}"
