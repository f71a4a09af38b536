"""How the potential of rows is kept while greedy k-means++ chooses centres."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kmeans_xp.arrays import Array
from kmeans_xp.kernels.choose.loading import Loader
from kmeans_xp.kernels.choose.verdict import Verdict
from kmeans_xp.kernels.interface import Engine, Potential, Seeder, Source
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import LOW_D_SEEDING, QUANTISED_SEEDING
from kmeans_xp.kernels.numpy.seeding import (
    BLOCK_ENTRIES,
    PIECE_ROWS,
    ProductPotential,
    SketchSeeder,
)
from kmeans_xp.kernels.portable.seeding import TOGETHER, ComputedPotential, RememberedPotential
from kmeans_xp.kernels.shared.projection import directions_of, directions_up_to
from kmeans_xp.kernels.shared.quantised import BYTES_UP_TO, candidate_share

# Entries that are remembered of all rows: where there would be more, nothing is. It bounds what
# seeding takes beside X, to half a gigabyte in single precision.
ENTRIES = 1 << 27
# Entries of rows, and of their distances to candidates, up to which one product of all rows serves.
ONE_PRODUCT = 1 << 18
# With fewer features than this, or so few entries of X, all are remembered: unless in bytes.
LOW_D, SMALL = 24, 1 << 20
# With fewer centres than this a projection does not pay, nor do bytes.
MANY = 16
# Rows that are looked at, to find directions from and to try what bytes exclude.
SAMPLE = 1024
# The part of the pairs of rows and candidates that bytes may leave. They leave 0.76% of normal data
# (100,000 x 256: 5.3 -> 0.73 s), 0.65% of patches (1.19 -> 0.50 s).
LEFT = 0.125
# Features up to which sixteen rows at a time are faster than a projection, and than products with
# all features where X is small (digits 1.33 -> 0.71 ms; 5,000 rows of 200 features 6.1 -> 3.8, but
# sums of so many squares in single precision lose too much).
LOW_D_UP_TO, SMALL_UP_TO = 32, 96
NOT_REMEMBERED = "nothing is remembered of rows that are not NumPy's, in memory"


@dataclass(frozen=True)
class Seeding:
    """What greedy k-means++ is to choose from.

    Attributes
    ----------
    rows : Source
    weights : array of shape (n,) or None
    k, trials : int
        Centres, and candidates for each.
    origin : array of shape (d,)
        A point amid the rows, in their dtype.
    variance : float
        Mean of the features' variances.
    loader : Loader
        Of what a method has compiled.
    """

    rows: Source
    weights: Array | None
    k: int
    trials: int
    origin: Array
    variance: float
    loader: Loader = field(default_factory=Loader)

    @property
    def work(self) -> int:
        """Return about how many operations it takes to compare all rows with all candidates."""
        n, d = self.rows.shape
        return n * (d + 8) * self.k * self.trials

    @property
    def together(self) -> int:
        """Return how many candidates are scored at a time."""
        return min(self.trials, TOGETHER)

    @property
    def is_large(self) -> bool:
        """Return whether X has so many entries that not all features are remembered as they are."""
        n, d = self.rows.shape
        return d >= LOW_D and n * d > SMALL

    @property
    def is_small(self) -> bool:
        """Return whether all rows are compared with each candidate by one product."""
        (n, d), trials = self.rows.shape, self.together
        return trials == self.trials and n * (d + trials) <= ONE_PRODUCT

    @property
    def has_usual_scale(self) -> bool:
        """Return whether squared distances are far from what single precision can hold."""
        return 2.0**-40 < self.variance < 2.0**40

    @property
    def dtype(self) -> Any:
        """Return the dtype of the potential: half the memory where single precision has the range.

        Weights may be of any size.
        """
        single = self.has_usual_scale and self.weights is None
        return self.rows.xp.float32 if single else self.rows.wide


@dataclass(frozen=True)
class SeedingMethod:
    """One way to keep the potential.

    Attributes
    ----------
    name : str
    serves : str
        Which data it is for, in words.
    suits : callable
        (`Seeding`) -> whether it is better than those below it in the table, and why. What it
        compiles is loaded then.
    seeder : callable
        (`Seeding`) -> what remembers the rows; None if nothing is remembered.
    row_bytes : callable
        (`Seeding`) -> how many bytes it has of each row, beside the potential.
    block_bytes : callable
        (`Seeding`) -> how many bytes a step has of a block.
    """

    name: str
    serves: str
    suits: Callable[[Seeding], Verdict]
    seeder: Callable[[Seeding], Seeder | None]
    row_bytes: Callable[[Seeding], int]
    block_bytes: Callable[[Seeding], int]


def find_potential(seeding: Seeding, engine: Engine, first: int) -> Potential:
    """Return the potential from a first centre on: remembered where that pays, else computed."""
    if is_remembered(seeding, engine):
        if seeding.is_small:
            return ProductPotential(seeding.rows, seeding.weights, seeding.origin, first)
        seeder = find_seeder(seeding)
        if seeder is not None:
            remembered = RememberedPotential(seeding.rows, seeding.weights, seeder)
            if remembered.start(first):
                return remembered
    computed = computed_potential(seeding, engine)
    computed.add([first])
    return computed


def is_remembered(seeding: Seeding, engine: Engine) -> Verdict:
    """Return whether something may be remembered of the rows while they are seeded."""
    if not engine.remembers_of(seeding.rows):
        return Verdict(False, NOT_REMEMBERED)
    if not seeding.has_usual_scale:
        return Verdict(False, "squared distances may be too large or small for single precision")
    return Verdict(True, "the rows are NumPy's, in memory")


def computed_potential(seeding: Seeding, engine: Engine) -> ComputedPotential:
    """Return a potential that is computed by distances, before it has any centre."""
    return ComputedPotential(
        seeding.rows, seeding.weights, engine, seeding.dtype, trials=seeding.trials
    )


def find_seeder(seeding: Seeding) -> Seeder | None:
    """Return what remembers NumPy's rows while they are seeded; None where it would not pay."""
    return find_method(seeding)[0].seeder(seeding)


def find_method(seeding: Seeding) -> tuple[SeedingMethod, Verdict]:
    """Return how the potential of NumPy's rows is kept, and why."""
    answers = ((method, method.suits(seeding)) for method in SEEDING_METHODS)
    return next((method, verdict) for method, verdict in answers if verdict)


def _suits_small(seeding: Seeding) -> Verdict:
    (n, d), trials = seeding.rows.shape, seeding.together
    compared = "are" if seeding.is_small else "are not"
    return Verdict(
        seeding.is_small, f"{n} rows of {d} features and {trials} candidates {compared} few"
    )


def _small_bytes(seeding: Seeding) -> int:
    """Return the bytes of rows in double precision, and of their distances to candidates."""
    return 8 * (seeding.rows.shape[1] + 2 + 3 * seeding.together)


def _suits_low_d(seeding: Seeding) -> Verdict:
    (n, d), most = seeding.rows.shape, LOW_D_UP_TO if seeding.is_large else SMALL_UP_TO
    if not seeding.origin.dtype == seeding.dtype == np.float32:
        return Verdict(False, "rows or weights are not in single precision")
    if d > most or n * d > ENTRIES:
        return Verdict(False, f"{d} features are more than {most}, or X is too large")
    loads = seeding.loader.worthwhile(seeding.work, seeding.dtype, LOW_D_SEEDING, 1)
    return Verdict(loads.holds, f"{d} features are at most {most}; {loads.reason}")


def _low_d_seeder(seeding: Seeding) -> Seeder:
    # Imported here, since Numba is an extra.
    from kmeans_xp.kernels.numba.low_d.seeding import LowDSeeder

    return LowDSeeder(seeding.rows.shape, seeding.together)


def _low_d_bytes(seeding: Seeding) -> int:
    return 4 * seeding.rows.shape[1] + seeding.together


def _piece_bytes(seeding: Seeding) -> int:
    """Return the bytes of the distances of rows that are scored at a time."""
    return min(seeding.rows.shape[0], PIECE_ROWS) * (8 * seeding.together + 24)


def _has_few_centers(seeding: Seeding) -> Verdict:
    return Verdict(seeding.is_large and seeding.k < MANY, f"{seeding.k} centres are under {MANY}")


def _suits_bytes(seeding: Seeding) -> Verdict:
    """Return whether rows in bytes exclude most pairs, and are worth loading what is compiled."""
    (n, d), loader = seeding.rows.shape, seeding.loader
    work, dtype = seeding.work, seeding.origin.dtype
    fits = LOW_D <= d <= BYTES_UP_TO and seeding.k >= MANY and n >= SAMPLE
    if not (fits and n * d <= 4 * ENTRIES and compiling.installed()):
        return Verdict(False, f"{n} rows of {d} features are no case for bytes")
    # A look at a sample takes milliseconds: long where X is small, and nothing to a compiler.
    if n * d <= SMALL:
        loads = loader.worthwhile(work, dtype, QUANTISED_SEEDING, 1)
        if not loads:
            return loads
    left = candidate_share(seeding.rows.evenly(SAMPLE), seeding.k)
    if not left < LEFT:
        return Verdict(False, f"bytes leave {left:.1%} of the pairs, not under {LEFT:.1%}")
    loads = loader.worthwhile(work, dtype, QUANTISED_SEEDING, 1)
    reason = f"bytes leave {left:.1%} of the pairs, under {LEFT:.1%}; {loads.reason}"
    return Verdict(loads.holds, reason)


def _byte_seeder(seeding: Seeding) -> Seeder:
    from kmeans_xp.kernels.numba.high_d.seeding import QuantisedSeeder

    n = seeding.rows.shape[0]
    return QuantisedSeeder(n, seeding.together, seeding.origin, seeding.dtype)


def _byte_bytes(seeding: Seeding) -> int:
    return 4 * -(-seeding.rows.shape[1] // 4) + 16 + seeding.together


def _byte_block_bytes(seeding: Seeding) -> int:
    """Return the bytes of a block whose rows are laid out anew."""
    n, d = seeding.rows.shape
    return 2 * min(n * d, 1 << 22)


def _suits_directions(seeding: Seeding) -> Verdict:
    n, d = seeding.rows.shape
    few = n * directions_up_to(d) <= ENTRIES
    return Verdict(seeding.is_large and few, f"X has more than {SMALL} entries")


def _direction_seeder(seeding: Seeding) -> Seeder:
    sample = seeding.rows.evenly(SAMPLE)
    basis = directions_of(sample).matrix.T
    return _sketch_seeder(seeding, np.ascontiguousarray(basis, dtype=seeding.origin.dtype))


def _direction_bytes(seeding: Seeding) -> int:
    width = directions_up_to(seeding.rows.shape[1]) + 3
    return width * seeding.origin.dtype.itemsize + seeding.together


def _direction_block_bytes(seeding: Seeding) -> int:
    """Return the bytes of rows of a block that come nearer to a centre, in double precision."""
    n, d = seeding.rows.shape
    return 8 * d * min(n, BLOCK_ENTRIES // (directions_up_to(d) + 3))


def _suits_features(seeding: Seeding) -> Verdict:
    n, d = seeding.rows.shape
    fits = n * d <= ENTRIES
    return Verdict(fits, f"{n} rows of {d} features fit {ENTRIES} entries")


def _sketch_seeder(seeding: Seeding, basis: np.ndarray | None = None) -> Seeder:
    n = seeding.rows.shape[0]
    return SketchSeeder(n, seeding.together, seeding.origin, basis, seeding.dtype)


def _feature_bytes(seeding: Seeding) -> int:
    width = seeding.rows.shape[1] + 2
    return width * seeding.origin.dtype.itemsize + seeding.together


def _suits_always(_: Seeding) -> Verdict:
    return Verdict(True, f"more than {ENTRIES} entries would be remembered")


def _no_seeder(_: Seeding) -> None:
    """Return nothing: all distances are computed for each centre."""


def _no_bytes(_: Seeding) -> int:
    return 0


# The first one that suits is taken.
SEEDING_METHODS: tuple[SeedingMethod, ...] = (
    SeedingMethod(
        "numpy at once",
        "few rows: one product in double precision of all rows with the candidates",
        _suits_small,
        _no_seeder,
        _small_bytes,
        _no_bytes,
    ),
    SeedingMethod(
        "numba columns",
        "few features: sixteen rows at a time, from a copy that lies feature by feature",
        _suits_low_d,
        _low_d_seeder,
        _low_d_bytes,
        _piece_bytes,
    ),
    SeedingMethod(
        "computed",
        "few centres: all distances, for each centre",
        _has_few_centers,
        _no_seeder,
        _no_bytes,
        _no_bytes,
    ),
    SeedingMethod(
        "numba bytes",
        "many features: rows rounded to bytes exclude most candidates",
        _suits_bytes,
        _byte_seeder,
        _byte_bytes,
        _byte_block_bytes,
    ),
    SeedingMethod(
        "numpy projection",
        "many features: rows in few directions exclude candidates",
        _suits_directions,
        _direction_seeder,
        _direction_bytes,
        _direction_block_bytes,
    ),
    SeedingMethod(
        "numpy products",
        "a copy of the rows, ready for products with candidates",
        _suits_features,
        _sketch_seeder,
        _feature_bytes,
        _piece_bytes,
    ),
    SeedingMethod(
        "computed",
        "too many rows to remember: all distances, for each centre",
        _suits_always,
        _no_seeder,
        _no_bytes,
        _no_bytes,
    ),
)
