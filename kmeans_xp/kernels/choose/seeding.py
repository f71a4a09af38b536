"""How the potential of rows is kept while greedy k-means++ chooses centres."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeans_xp.arrays import Array
from kmeans_xp.kernels.interface import Engine, Potential, Seeder, Source
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import LOW_D_SEEDING, QUANTISED
from kmeans_xp.kernels.numpy.seeding import SketchSeeder
from kmeans_xp.kernels.portable.seeding import TOGETHER, ComputedPotential, RememberedPotential
from kmeans_xp.kernels.shared.projection import directions_of
from kmeans_xp.kernels.shared.quantised import BYTES_UP_TO, candidate_share

# Entries that are remembered of all rows: where there would be more, nothing is.
ENTRIES = 1 << 27
# With fewer features than this, or so few entries of X, all are remembered: unless in bytes.
LOW_D, SMALL = 24, 1 << 20
# With fewer centres than this a projection does not pay.
MANY = 16
# Rows that are looked at, to find directions from and to try what bytes exclude.
SAMPLE = 1024
# The part of the pairs of rows and candidates that bytes may leave.
LEFT = 0.125
# Features up to which sixteen rows at a time are faster than a projection, and than products with
# all features where those are remembered.
LOW_D_UP_TO, SMALL_UP_TO = 32, 96
# Iterations of a fit that take as long as seeding by as many products.
PASSES = 32


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
    """

    rows: Source
    weights: Array | None
    k: int
    trials: int
    origin: Array
    variance: float

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


def find_potential(seeding: Seeding, engine: Engine, first: int) -> Potential:
    """Return the potential from a first centre on: remembered where that pays, else computed."""
    if seeding.has_usual_scale and engine.remembers_of(seeding.rows):
        seeder = find_seeder(seeding)
        if seeder is not None:
            remembered = RememberedPotential(seeding.rows, seeding.weights, seeder)
            if remembered.start(first):
                return remembered
    computed = computed_potential(seeding, engine)
    computed.add([first])
    return computed


def computed_potential(seeding: Seeding, engine: Engine) -> ComputedPotential:
    """Return a potential that is computed by distances, before it has any centre."""
    return ComputedPotential(
        seeding.rows, seeding.weights, engine, seeding.dtype, trials=seeding.trials
    )


def find_seeder(seeding: Seeding) -> Seeder | None:
    """Return what remembers NumPy's rows while they are seeded; None where it would not pay."""
    (n, d), k, origin = seeding.rows.shape, seeding.k, seeding.origin
    work = n * d * k * seeding.trials // PASSES
    trials = min(seeding.trials, TOGETHER)
    if _suits_low_d(seeding) and compiling.worthwhile(work, seeding.dtype, LOW_D_SEEDING):
        # Imported here, since Numba is an extra.
        from kmeans_xp.kernels.numba.low_d.seeding import LowDSeeder

        return LowDSeeder((n, d), trials)
    basis, large = None, n * d > SMALL
    if d >= LOW_D and large and k < MANY:
        return None
    if d >= LOW_D and k >= MANY and _suits_bytes(seeding, work):
        from kmeans_xp.kernels.numba.high_d.seeding import QuantisedSeeder

        return QuantisedSeeder(n, trials, origin, seeding.dtype)
    if d >= LOW_D and large:
        sample = seeding.rows.evenly(SAMPLE)
        basis = np.ascontiguousarray(directions_of(sample).matrix.T, dtype=origin.dtype)
    if n * (d if basis is None else len(basis)) > ENTRIES:
        return None
    return SketchSeeder(n, trials, origin, basis, seeding.dtype)


def _suits_low_d(seeding: Seeding) -> bool:
    n, d = seeding.rows.shape
    single = seeding.origin.dtype == seeding.dtype == np.float32
    most = LOW_D_UP_TO if n * d > SMALL else SMALL_UP_TO
    return single and d <= most and n * d <= ENTRIES


def _suits_bytes(seeding: Seeding, work: int) -> bool:
    """Return whether rows in bytes exclude most pairs, and are worth loading what is compiled."""
    (n, d), dtype = seeding.rows.shape, seeding.origin.dtype
    fits = n >= SAMPLE and d <= BYTES_UP_TO and n * d <= 4 * ENTRIES and compiling.installed()
    # A look at a sample takes milliseconds: long where X is small, and nothing to a compiler.
    if n * d <= SMALL:
        fits = fits and compiling.worthwhile(work, dtype, QUANTISED)
    pays = fits and candidate_share(seeding.rows.evenly(SAMPLE), seeding.k) < LEFT
    return pays and compiling.worthwhile(work, dtype, QUANTISED)
