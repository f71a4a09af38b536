"""The gap statistic: how much smaller the inertia is than that of rows without clusters."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeans_xp.algorithms.kmeans.fit import kmeans
from kmeans_xp.arrays.checks import check_choice, check_clusters, check_count
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.arrays.record import Record
from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.open import beside_x, open_rows
from kmeans_xp.selection.arguments import checked_ks
from kmeans_xp.selection.references import REFERENCES, Reference, References
from kmeans_xp.selection.rules import RULES, Rule, index_of_maximum

# An inertia below this part of the largest is taken for it: its logarithm has no bound.
LEAST = 2.0**-52
# Seeds are drawn below this.
SEEDS = 2**63


@dataclass(frozen=True, eq=False, repr=False)
class GapResult(Record):
    """The gap statistic of several numbers of clusters; as text, a table.

    Attributes
    ----------
    ks : tuple of int
        Ascending.
    log_w : tuple of float
        The logarithm of the inertia, log W, for each k.
    expected : tuple of float
        The mean of the same over the references.
    gap : tuple of float
        `expected` less `log_w`.
    se : tuple of float
        The standard error of the gap: the references' standard deviation times √(1 + 1/B).
    k : int
        What the rule chooses.
    rule, reference : str
        As asked for.
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    ks: tuple[int, ...]
    log_w: tuple[float, ...]
    expected: tuple[float, ...]
    gap: tuple[float, ...]
    se: tuple[float, ...]
    k: int
    rule: str
    reference: str

    def __str__(self) -> str:
        lines = [f"{'k':>4}{'log W':>11}{'expected':>11}{'gap':>11}{'s.e.':>11}"]
        columns = zip(self.ks, self.log_w, self.expected, self.gap, self.se, strict=True)
        for k, *values in columns:
            shown = "".join(f"{value:>11.4f}" for value in values)
            lines.append(f"{k:>4}{shown}{' *' if k == self.k else ''}")
        return "\n".join([*lines, f"k = {self.k} by the rule {self.rule!r}"])


@beside_x
def gap_statistic(
    X: Any,
    ks: Iterable[int],
    *,
    n_references: int = 20,
    reference: Reference = "pca",
    rule: Rule = "firstSEmax",
    n_init: int = 3,
    rng: int | np.random.Generator | None = None,
) -> GapResult:
    """Compare the inertia of k clusters with that of rows that have no clusters.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array in memory, of any namespace, or a list.
    ks : iterable of int
        Numbers of clusters, in any order; with 1 among them it may be the answer.
    n_references : int
        How many data sets of n rows are drawn, B.
    reference : {"pca", "uniform"}
        Whether they fill a box along the principal components of X, or along its features. The
        latter takes one long cluster that lies askew for several.
    rule : {"firstSEmax", "tibshirani", "firstmax", "globalmax", "globalSEmax"}
        Which k is chosen. "firstSEmax": the smallest whose gap is within a standard error of the
        first maximum. "tibshirani": the smallest whose gap is at least the next one's less its
        standard error. "firstmax", "globalmax": the first, or the largest, maximum.
        "globalSEmax": the smallest within a standard error of the largest.
    n_init : int
        How many starts of k-means, on X as on the references; the best is kept.
    rng : None, int or numpy.random.Generator
        Where random draws come from, on the host.

    Returns
    -------
    GapResult
        With its `k`, and `log_w`, `expected`, `gap` and `se` of each.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or X is not in memory.
    ValueError
        If an argument has the wrong shape or value, or X holds NaN or infinity.

    Notes
    -----
    W is the inertia: the squared distances to the centres. The gap is the mean of log W over the
    references less log W of X; its standard error is the standard deviation of the former times
    √(1 + 1/B). The defaults are those of R's `cluster::clusGap` and `maxSE`, but for the squares,
    and for B, which is 100 there. Where W is 0 it is taken for 2**-52 of the largest.

    The time is that of n_references + 1 fits for each k. Small ones are made together.

    References
    ----------
    R. Tibshirani, G. Walther and T. Hastie, "Estimating the number of clusters in a data set via
    the gap statistic", J. R. Statist. Soc. B 63, 2001.
    M. Maechler et al., "cluster: cluster analysis basics and extensions", R package ("firstSEmax").

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import gap_statistic
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(c, 1, (50, 2)) for c in (0, 10, 20)])
    >>> gap_statistic(X, range(1, 7), rng=0).k
    3
    """
    rows = open_rows(X)
    counts = sorted(check_clusters(k, rows.shape[0], "ks") for k in checked_ks(ks))
    B = check_count(n_references, "n_references")
    check_choice(reference, "reference", REFERENCES)
    check_choice(rule, "rule", tuple(RULES))
    starts = check_count(n_init, "n_init")
    if not rows.in_memory:
        raise TypeError(
            f"X must be an array in memory, got a {rows.place}: references are of its size. Take "
            "a sample of its rows."
        )
    generator = as_generator(rng)
    gaps = Gaps(rows, counts, B, reference, generator)
    for k in counts:
        found = kmeans(X, k, n_init=starts, rng=generator)
        gaps.add(k, found.inertia, starts)
    return gaps.result(rule)


class Gaps:
    """The gaps of some numbers of clusters, one after the other.

    Parameters
    ----------
    rows : Rows
        In memory.
    ks : list of int
    n_references : int
    reference : str
        As in `gap_statistic`.
    generator : numpy.random.Generator
    """

    def __init__(
        self,
        rows: Rows,
        ks: list[int],
        n_references: int,
        reference: str,
        generator: np.random.Generator,
    ) -> None:
        seeds = generator.integers(SEEDS, size=(len(ks) + 1, n_references)).tolist()
        self.reference = reference
        self.references = References(rows, reference, seeds[0])
        self._seeds = dict(zip(ks, seeds[1:], strict=True))
        self._of_rows: dict[int, float] = {}
        self._of_references: dict[int, np.ndarray] = {}

    def add(self, k: int, inertia: float, n_init: int) -> None:
        """Take in the inertia of k clusters of the rows, and find that of the references."""
        self._of_rows[k] = inertia
        self._of_references[k] = self.references.inertias(k, n_init, self._seeds[k])

    def result(self, rule: Rule) -> GapResult:
        """Return the gaps, and what the rule chooses."""
        ks = tuple(self._of_rows)
        log_w = _logarithms(np.array([self._of_rows[k] for k in ks]))
        logs = _logarithms(np.stack([self._of_references[k] for k in ks]))
        expected = logs.mean(axis=1)
        B = logs.shape[1]
        # As R has it, by B - 1; of one reference there is none.
        deviation = logs.std(axis=1, ddof=1) if B > 1 else np.zeros(len(ks))
        errors = deviation * math.sqrt(1 + 1 / B)
        gap = expected - log_w
        chosen = ks[index_of_maximum(gap.tolist(), errors.tolist(), rule)]
        return GapResult(
            ks,
            log_w=tuple(log_w.tolist()),
            expected=tuple(expected.tolist()),
            gap=tuple(gap.tolist()),
            se=tuple(errors.tolist()),
            k=chosen,
            rule=rule,
            reference=self.reference,
        )


def _logarithms(inertias: np.ndarray) -> np.ndarray:
    """Return logarithms of inertias of one or several data sets; the first axis is that of k."""
    largest = inertias.max(axis=0)
    # Rows that are all the same have no spread, as their references have none.
    return np.log(np.maximum(inertias, LEAST * np.where(largest > 0, largest, 1.0)))
