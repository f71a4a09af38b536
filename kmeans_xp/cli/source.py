"""The rows that a command works on: read, chosen, standardised and put where the work is done."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeans_xp.cli.errors import complain
from kmeans_xp.cli.inputs import Array, Choice, Data, Format, Input, choose
from kmeans_xp.cli.opening import read
from kmeans_xp.cli.scaling import Scaling, estimate_spreads, measure
from kmeans_xp.cli.target import Target

# Standard deviations that differ by this factor are worth a note.
WIDE = 100


@dataclass(frozen=True)
class Rows:
    """Rows where the work is done, and what they came from.

    Attributes
    ----------
    data : Data
        The chosen part of the input, on the host.
    scaling : Scaling or None
        How they were standardised.
    X : array of shape (n, d)
    weights : array of shape (n,) or None
    """

    data: Data
    scaling: Scaling | None
    X: Any
    weights: Any

    def mention_scales(self) -> None:
        """Say so where a feature is so wide that others count for nothing beside it."""
        data = self.data
        if self.scaling is not None or data.source.image is not None:  # colours have one scale
            return
        spreads = estimate_spreads(data.rows, data.weights)
        wide = int(spreads.argmax())
        narrow = int(np.where(spreads > 0, spreads, np.inf).argmin())  # constant ones do not matter
        if spreads[wide] >= WIDE * spreads[narrow] > 0:
            complain(
                f"{data.columns[wide]!r} varies {spreads[wide] / spreads[narrow]:.3g} times as "
                f"much as {data.columns[narrow]!r}, which hardly counts; --standardize gives equal "
                "weight",
                kind="note",
            )


@dataclass(frozen=True)
class Source:
    """What the user says of the rows.

    Attributes
    ----------
    spec : str
        INPUT.
    form : Format
        How it is to be read.
    choice : Choice
        Which columns to use.
    standardize : bool
        Whether to take z-scores.
    target : Target
        Where the work is done.
    """

    spec: str
    form: Format
    choice: Choice
    standardize: bool
    target: Target

    def open(self) -> Input:
        """Open the input, after trying the target."""
        self.target.check()
        return read(self.spec, self.form)

    def rows(self, opened: Input) -> Rows:
        """Take the rows out of the opened input."""
        data, target = choose(opened, self.choice), self.target
        scaling = measure(data.rows, data.weights) if self.standardize else None
        X = target.place(target.prepare(data.rows, scaling))
        return Rows(data, scaling, X, _placed(data.weights, target))


def _placed(weights: Array | None, target: Target) -> Any:
    return None if weights is None else target.place(weights)
