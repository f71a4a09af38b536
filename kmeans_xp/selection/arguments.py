"""Checks of the numbers of clusters that a choice is made among."""

from collections.abc import Iterable

from kmeans_xp.arrays.checks import check_count


def checked_ks(ks: Iterable[int]) -> tuple[int, ...]:
    """Return `ks` as ints of 1 at least that all differ, in the order given."""
    if not isinstance(ks, Iterable):
        raise TypeError(f"ks must be several numbers of clusters, got {ks!r}. Pass range(1, 11).")
    counts = tuple(check_count(k, f"ks[{i}]") for i, k in enumerate(ks))
    if not counts:
        raise ValueError("ks must hold a number of clusters, got none. Pass range(1, 11).")
    twice = {k for k in counts if counts.count(k) > 1}
    if twice:
        raise ValueError(f"ks must differ, got {min(twice)} more than once. Leave it out once.")
    return counts
