"""What k-means would run, and why, in words."""

from dataclasses import replace
from textwrap import indent

from kmeans_xp.algorithms.kmeans.explanation import Explanation, explain_kmeans
from kmeans_xp.algorithms.seeding.fit import trials_for
from kmeans_xp.arrays import Array
from kmeans_xp.arrays.checks import check_clusters
from kmeans_xp.rows.open import beside_x, open_rows


def explain(X: Array, n_clusters: int, *, algorithm: str = "auto") -> str:
    """Say what `kmeans` would run for such rows, why, and how much memory it would take.

    Nothing is fitted, imported or compiled for it; at most a few thousand rows are looked at, as
    the fit itself does before it chooses.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows: an array of any namespace, a memory map, a Dask array, a list.
    n_clusters : int
        How many clusters, k.
    algorithm : str
        As in `kmeans`.

    Returns
    -------
    str
        Lines that each begin with what they are about: the rows, the engine, the kernel that
        the result would report and why others are passed over, how k-means++ keeps its potential,
        the blocks, and the memory beside X in MB.

    Raises
    ------
    TypeError, ValueError
        As `kmeans`.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import explain
    >>> text = explain(np.zeros((100, 2)), 5)
    >>> for line in text.splitlines()[:2]:
    ...     print(line)
    rows      100 x 2, float64, NumPy array in memory
    clusters  5
    """
    return in_words(explained(X, n_clusters, algorithm=algorithm))


def explained(X: Array, n_clusters: int, *, algorithm: str = "auto") -> Explanation:
    """Return the same as `explain`, as data."""
    place, found = open_rows(X).place, _explained(X, n_clusters, algorithm=algorithm)
    seen = found.place
    return found if seen == place else replace(found, place=f"{place}, seen as a {seen}")


@beside_x
def _explained(X: Array, n_clusters: int, *, algorithm: str) -> Explanation:
    rows = open_rows(X)
    k = check_clusters(n_clusters, rows.shape[0])
    return explain_kmeans(rows, k, algorithm, trials_for(k))


def in_words(found: Explanation) -> str:
    """Return the lines of an explanation."""
    (n, d), memory = found.shape, found.memory
    parts = {
        "rows": f"{n:,} x {d}, {found.dtype}, {found.place}",
        "clusters": f"{found.n_clusters}",
        "engine": found.engine,
        "kernel": "\n".join([_kernels(found), found.why, *_passed_over(found)]),
        "seeding": f"{found.seeding}: {found.seeding_why}",
        "blocks": _blocks(found),
        "memory": (
            f"{_mb(memory.most)} beside X: {_mb(memory.remembered)} of all rows and "
            f"{_mb(memory.blocks)} of blocks; {_mb(memory.seeding)} before that, while seeding"
        ),
    }
    width = max(map(len, parts)) + 2
    lines = [name.ljust(width) + indent(text, " " * width).lstrip() for name, text in parts.items()]
    return "\n".join(lines)


def _kernels(found: Explanation) -> str:
    """Return what runs, and what runs if conditions do not hold that cannot be known yet."""
    said = [
        " if ".join([outcome.name, " and ".join(outcome.conditions)]).removesuffix(" if ")
        for outcome in found.kernel
    ]
    return "; else ".join(said)


def _passed_over(found: Explanation) -> list[str]:
    return [f"not {name}: {reason}" for name, reason in found.passed_over]


def _blocks(found: Explanation) -> str:
    threads = "as X's library decides" if found.threads is None else f"{found.threads} threads"
    if found.fused:
        return f"all rows in one call, {threads}"
    return f"{found.block_rows:,} rows at a time, {threads}"


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
