"""What the growth benchmark measures: one quantity varied at a time, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

from benchmarks.roofline import Roof


@dataclass(frozen=True)
class Size:
    """A fit's rows, features, clusters and iterations."""

    rows: int
    features: int
    clusters: int
    iterations: int


@dataclass(frozen=True)
class Sweep:
    """One quantity varied, the others held."""

    quantity: str
    values: tuple[int, ...]
    base: Size

    @property
    def sizes(self) -> list[Size]:
        """The fits of the sweep."""
        return [replace(self.base, **{self.quantity: value}) for value in self.values]

    @property
    def held(self) -> str:
        """The other quantities, in words."""
        others = ((name, held) for name, held in asdict(self.base).items() if name != self.quantity)
        return ", ".join(f"{held:,} {name}" for name, held in others)


def sweeps(base: Size, steps: Sequence[float]) -> list[Sweep]:
    """Every quantity in its turn, at these multiples of its base."""
    return [
        Sweep(name, tuple(max(1, round(value * step)) for step in steps), base)
        for name, value in asdict(base).items()
    ]


@dataclass(frozen=True)
class Growth:
    """What was measured: everybody's seconds of an iteration, by name and size."""

    roof: Roof
    seconds: dict[tuple[str, Size], float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The contestants, ours first."""
        return list(dict.fromkeys(name for name, _ in self.seconds))

    def line(self, name: str, sweep: Sweep) -> tuple[list[int], list[float]]:
        """A contestant's points in a sweep: the sizes that it managed, and its times."""
        found = [
            (value, self.seconds[name, size])
            for value, size in zip(sweep.values, sweep.sizes, strict=True)
            if (name, size) in self.seconds
        ]
        return [value for value, _ in found], [seconds for _, seconds in found]

    def roofline(self, sweep: Sweep) -> list[float]:
        """The least time of plain Lloyd at each size of a sweep."""
        return [self.roof.seconds(s.rows, s.features, s.clusters) for s in sweep.sizes]
