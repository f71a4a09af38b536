"""Sums in one stated order, so that every engine rounds them alike.

Of m numbers, those from h on, the largest power of two below m, are added to the first m - h of
them, which leaves h numbers; the last half of these is added to the first half, and so on until one
remains. That takes few operations on arrays, and suits the registers of compiled code.
"""

from kmeans_xp.arrays import Array, namespace_of


def ordered_sum(numbers: Array) -> Array:
    """Return the sums along the last axis, which is not empty."""
    xp, m = namespace_of(numbers), numbers.shape[-1]
    while m > 1:
        half = half_of(m)
        first = numbers[..., : m - half] + numbers[..., half:]
        whole = m == 2 * half
        numbers = first if whole else xp.concat([first, numbers[..., m - half : half]], axis=-1)
        m = half
    return numbers[..., 0]


def half_of(m: int) -> int:
    """Return the largest power of two below m, which is more than 1."""
    return 1 << ((m - 1).bit_length() - 1)
