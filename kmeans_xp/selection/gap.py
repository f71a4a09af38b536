"""The gap statistic: how much smaller the inertia is than that of rows without clusters."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GapResult:
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
