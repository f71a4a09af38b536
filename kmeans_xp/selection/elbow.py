"""The elbow of a curve of inertias: Kneedle, on logarithmic axes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from kmeans_xp.arrays.checks import check_nonnegative
from kmeans_xp.arrays.record import Record
from kmeans_xp.selection.arguments import checked_ks

# The least difference at a knee. With k from 1 to 10, in 50 draws of each, 200 uniform or normal
# rows in 2, 5 or 10 dimensions stay below 0.031; below 0.05 so do nine other shapes of one cluster
# (uniform, normal, exponential, Student's t) in 1 to 100 dimensions. Three or four normal clusters
# in 2, 3 and 10 dimensions, discs, elongated and heavy-tailed clusters, and wine exceed 0.11.
LEAST_DIFFERENCE = 0.06
# A curve that falls by a smaller part than this is flat but for rounding.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class ElbowResult(Record):
    """The elbow of a curve of inertias; as text, a table of the curve.

    Attributes
    ----------
    ks : tuple of int
        The numbers of clusters, in ascending order.
    inertias : tuple of float
        The inertia of each.
    k : int or None
        Where the elbow is. None if the curve has none.
    differences : tuple of float
        How far the curve lies below the straight line between its ends, both axes logarithmic and
        scaled to 0...1: Kneedle's difference curve. 0 where there is nothing to scale.
    reason : str or None
        Why there is no elbow. None if there is one.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    ks: tuple[int, ...]
    inertias: tuple[float, ...]
    k: int | None
    differences: tuple[float, ...]
    reason: str | None

    def __str__(self) -> str:
        answer = f"no elbow: {self.reason}" if self.k is None else f"elbow at k = {self.k}"
        lines = [f"{'k':>4}{'inertia':>14}{'difference':>12}"]
        rows = zip(self.ks, self.inertias, self.differences, strict=True)
        lines += [f"{k:>4}{inertia:>14.6g}{difference:>12.3f}" for k, inertia, difference in rows]
        return "\n".join([*lines, answer])


def elbow(ks: Iterable[int], inertias: Iterable[float]) -> ElbowResult:
    """Find where the inertia stops falling fast, if it does.

    Parameters
    ----------
    ks : iterable of int
        Numbers of clusters, in any order.
    inertias : iterable of float
        The inertia of a clustering into each of them.

    Returns
    -------
    ElbowResult
        With its `k`, or None and the reason.

    Raises
    ------
    TypeError
        If a k is no int or an inertia no number.
    ValueError
        If a k is below 1 or given twice, an inertia is negative or not finite, there are not as
        many inertias as ks, or the inertia of the largest k exceeds that of the smallest.

    Notes
    -----
    This is Kneedle [1]_, offline, for a convex and decreasing curve, on logarithmic axes: they are
    scaled to 0...1, and the knee is where the curve is farthest below the straight line between its
    ends. k-means cuts the inertia of rows that fill d dimensions evenly to about k**(-2/d) of it,
    which is such a straight line and has no knee. On linear axes it bends as well: there Kneedle
    finds an elbow in every curve, and more often a wrong one (of 50 draws of four normal clusters
    in three dimensions it is right about 31, this about all). One cluster that is much longer than
    wide may have an elbow here too.

    There is a knee where that difference is at least 0.06. This stands in for Kneedle's sensitivity
    times the mean distance of the scaled ks, by which a longer curve more easily has a knee. The
    smallest and the largest k are the ends of the line and never the knee: begin with k = 1, and
    end well above the k that you expect.

    Inertias come from local optima, so that one may exceed that of a smaller k. As another center
    never raises the inertia, the smaller k's is then taken for both. An inertia of 0 is taken for
    2**-52 of the largest: where the rows have only k different values, this k is the knee.

    References
    ----------
    .. [1] V. Satopää, J. Albrecht, D. Irwin, B. Raghavan (2011). Finding a "Kneedle" in a Haystack:
       Detecting Knee Points in System Behavior. ICDCS Workshops.

    Examples
    --------
    >>> from kmeans_xp import elbow
    >>> elbow(range(1, 8), [900.0, 400.0, 60.0, 50.0, 43.0, 38.0, 34.0]).k
    3
    >>> print(elbow([1, 2, 4, 8], [80.0, 40.0, 20.0, 10.0]).k)
    None
    """
    counts, values = _curve(ks, inertias)
    differences, reason = _difference_curve(counts, values)
    place = int(differences.argmax())
    if reason is None and differences[place] < LEAST_DIFFERENCE:
        reason = (
            "the inertia falls smoothly, as it does without clusters: the largest difference is "
            f"{differences[place]:.3f}, less than {LEAST_DIFFERENCE}."
        )
    k = counts[place] if reason is None else None
    return ElbowResult(counts, values, k, tuple(differences.tolist()), reason)


def _curve(
    ks: Iterable[int], inertias: Iterable[float]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return both in ascending order of k."""
    counts = checked_ks(ks)
    values = [check_nonnegative(v, f"inertias[{i}]") for i, v in enumerate(inertias)]
    if len(values) != len(counts):
        raise ValueError(
            f"inertias must be as many as ks, got {len(values)} beside {len(counts)} ks. Pass the "
            "inertia of each k."
        )
    order = sorted(range(len(counts)), key=counts.__getitem__)
    first, last = order[0], order[-1]
    if values[last] > values[first]:
        raise ValueError(
            f"inertias must not grow with k, got {values[first]} for k={counts[first]} and "
            f"{values[last]} for k={counts[last]}. Pass sums of squared distances, in the order of "
            "ks."
        )
    return tuple(counts[i] for i in order), tuple(values[i] for i in order)


def _difference_curve(
    ks: Sequence[int], inertias: Sequence[float]
) -> tuple[NDArray[np.float64], str | None]:
    """Return Kneedle's difference curve, or zeros and the reason why there is none."""
    none = np.zeros(len(ks))
    if len(ks) < 3:
        return none, "there must be a k on either side of it: got fewer than 3 ks."
    least = np.array(list(accumulate(inertias, min)))
    if least[0] - least[-1] <= ROUNDING * least[0]:
        return none, f"the inertia does not fall: it is {inertias[0]:g} for every k."
    x = np.log(ks)
    y = np.log(np.maximum(least, np.finfo(np.float64).eps * least[0]))
    return (y[0] - y) / (y[0] - y[-1]) - (x - x[0]) / (x[-1] - x[0]), None
