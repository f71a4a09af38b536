"""What a step over a block of rows adds up."""

from dataclasses import dataclass
from operator import add
from typing import Self


@dataclass(frozen=True)
class Totals:
    """Base of the small results that a step returns for a block and that add over blocks.

    A subclass is a frozen dataclass of arrays or numbers; two of them add field by field,
    unless it says otherwise in an `__add__` of its own.
    Because they add, memory, file and cluster agree up to rounding.
    """

    def __add__(self, other: Self) -> Self:
        """Add field by field."""
        return type(self)(*map(add, vars(self).values(), vars(other).values()))
