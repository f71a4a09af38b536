"""How Lloyd's algorithm runs: which engine, and which bounds spare rows a search.

All bounds give the labels of a full search, iteration by iteration; the choice is one of speed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from array_api_compat import is_jax_namespace, is_numpy_namespace

from kmeans_xp.arrays import Array
from kmeans_xp.kernels.choose import regimes
from kmeans_xp.kernels.choose.engine import asked_for, find_engine
from kmeans_xp.kernels.choose.ledger import ITERATIONS
from kmeans_xp.kernels.choose.loading import Loader
from kmeans_xp.kernels.choose.verdict import Verdict
from kmeans_xp.kernels.choose.workload import Workload
from kmeans_xp.kernels.interface import Engine, FusedIteration, LloydRun, Source, Team
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.blocks import high_d_block_rows, low_d_block_rows
from kmeans_xp.kernels.numba.compiling import LOW_D, PRODUCT, PROJECTION, QUANTISED, Group
from kmeans_xp.kernels.numpy import hamerly as numpy_hamerly
from kmeans_xp.kernels.numpy import hamerly_one_block
from kmeans_xp.kernels.numpy import projection as numpy_projection
from kmeans_xp.kernels.numpy.direct import DirectIteration
from kmeans_xp.kernels.portable.lloyd import BoundedSearch
from kmeans_xp.kernels.shared.hamerly import Bounds
from kmeans_xp.kernels.shared.prepared_centers import Origin
from kmeans_xp.kernels.shared.projection import directions_up_to
from kmeans_xp.kernels.shared.quantised import BYTES_UP_TO, candidate_share

# With fewer features or centres, a product of projected rows costs as much as it saves; so it does
# where it leaves more than this part of the centres near a row, tried on a few rows. Patches, of
# which it leaves 0.3%: 200 -> 50 ms an iteration. The part of the squares that the directions hold
# is no such sign: one long direction amid noise was 1.3 to 2 times slower by a projection.
HIGH_D, LEFT = 48, 0.09
# Entries of centres from which NumPy is faster by projected rows: of 20,000 patches, d = 192, with
# 96 centres they take 1.08 of the time, with 128 0.81, with 256 0.64; of digits with 64, 4.7.
PROJECTED_FROM = 3 << 13
# Rows to each centre from which few directions, or bytes, are worth a glance at the data, which
# takes milliseconds.
ROWS_OF_EACH_AT_LEAST = 4
# To look at one centre costs as much as bytes save in products of so many features, so that they
# may leave the part d / 5000 of the centres. Normal data of 256 features, 25 iterations: 1.55 ->
# 0.76 s. Patches, of few directions, take 0.66 s by bytes and 0.52 by a projection, which therefore
# comes first.
SAVED = 5000
# Centres that are put in order by their distances at most, and rows to each that repay it. Where
# centres are few, fewer rows do: 2,000 rows of 2 features, k = 30, 16 iterations: 2.9 -> 0.74 ms;
# 8,000 of 4, k = 100: 7.4 -> 3.8. More: 500,000 rows of 2 features, k = 1,000: 853 -> 310 ms.
ORDERED, ROWS_OF_EACH = 2048, 256
ORDERED_FEW, ROWS_OF_EACH_FEW = 256, 16
# Rows up to which an iteration is one call, of which threads share the pieces. It spares the 110 to
# 145 us of NumPy's calls: fits of digits 2.0 -> 0.9 ms, of 327,346 rows (flights) 183 -> 149.
FUSED_ROWS = 1 << 20
# Centres from which tiles of products, which have 32 each, are faster than NumPy's fused iteration
# is on rows of one block. Compiled for AVX2, normal data of 100 to 500 features: with 8 or 16
# centres the latter takes 0.42 to 0.76 of the time, with 32 the same to within 20%, with 96 or 120
# up to 1.36. On rows of several blocks tiles are level with 4 centres and faster with more: 1.05 to
# 1.7 times (10,000 to 100,000 rows of 64 to 256 features, k = 8 to 400, float32); in float64 so too
# up to 128 features, but with 256 NumPy takes 0.75 to 0.85 of their CPU time from k = 100 on. That
# is not chosen: with AVX-512 tiles are twice as fast as BLAS in either.
TILES_FROM = 17
# Rows times centres, and times features, up to which several fits are made at once. With NumPy ten
# starts of 200 rows of 10 features take 0.2 of the time of one by one, of 1,797 rows 0.5 (k = 10).
# With 64 features, and with 15 centres, skipping rows saves more than calls cost; so it does sooner
# where what skips them is compiled (in float32 ten starts of 1,797 rows of 10 features then take 18
# ms one by one and 22 at once, in float64 37 and 24).
BATCH, BATCH_IF_COMPILED = (1 << 16, 1 << 20), (1 << 14, 1 << 18)


@dataclass(frozen=True)
class BoundMethod:
    """One way to skip rows that keep their label.

    Attributes
    ----------
    name : str
        What the result reports, and what ``algorithm=`` may ask for.
    algorithm : str
        The algorithm that it implements; ``algorithm=`` may ask for the best of those.
    serves : str
        Which data it is for, in words.
    group : Group or None
        What it needs compiled.
    suits : callable
        (`Workload`) -> whether it is better than those below it in the table, and why.
    bounds : callable
        (`Workload`) -> the bounds of a run.
    row_bytes, block_rows : callable
        (`Workload`) -> how many bytes these remember of each row, and the rows of their blocks.
    fused : callable or None
        (all rows, weights, k, origin, team) -> a run whose iterations are each one call.
    fused_rows : callable
        (`Workload`) -> up to how many rows it does so.
    """

    name: str
    algorithm: str
    serves: str
    group: Group | None
    suits: Callable[[Workload], Verdict]
    bounds: Callable[[Workload], Bounds]
    row_bytes: Callable[[Workload], int]
    block_rows: Callable[[Workload], int]
    fused: Callable[[Array, Array | None, int, Array, Team], FusedIteration] | None = None
    fused_rows: Callable[[Workload], int] = lambda _: 0

    def pays(self, workload: Workload) -> Verdict:
        """Return whether to choose it unasked: if what it compiles is worth waiting for."""
        suits = self.suits(workload)
        if not suits or self.group is None:
            return suits
        loaded = workload.loader.worthwhile(
            workload.work, workload.dtype, self.group, workload.passes
        )
        return Verdict(True, f"{suits.reason}; {loaded.reason}") if loaded else loaded

    def prepare(self, workload: Workload) -> bool:
        """Make ready what it compiles, however long it takes; return whether that was possible."""
        return self.group is None or workload.loader.prepare(workload.dtype, self.group)

    def answers(self, algorithm: str, workload: Workload) -> Verdict:
        """Return whether it is what ``algorithm=`` asks for, the first of several that are."""
        if algorithm == self.name:
            return Verdict(self.prepare(workload), "algorithm asks for it")
        if algorithm == self.algorithm and self.group is None:
            return Verdict(True, f"algorithm asks for {algorithm}")
        if algorithm in ("auto", self.algorithm):
            return self.pays(workload)
        return Verdict(False, f"algorithm asks for {algorithm}")


@dataclass(frozen=True)
class LloydMethod:
    """How Lloyd's algorithm runs.

    Attributes
    ----------
    engine : Engine
    bound_method : BoundMethod or None
        None where every row is searched in every iteration.
    workload : Workload or None
        What bounds are remembered of; None where nothing can be.
    considered : tuple of (BoundMethod, Verdict)
        Those above it in the table and why each was passed over, and itself.
    """

    engine: Engine
    bound_method: BoundMethod | None = None
    workload: Workload | None = None
    considered: tuple[tuple[BoundMethod, Verdict], ...] = ()

    @property
    def name(self) -> str:
        """Return what the result reports."""
        return (self.bound_method or self.engine).name

    def fused_block(self, rows: Source) -> Array | None:
        """Return all rows, if an iteration over them is one call; else None."""
        method, workload = self.bound_method, self.workload
        if method is None or workload is None or method.fused is None:
            return None
        return rows.uncopied(method.fused_rows(workload))

    def block_rows(self, n: int, d: int, k: int) -> int:
        """Return how many of n rows a block has where an iteration is not one call."""
        method, workload = self.bound_method, self.workload
        if method is None or workload is None:
            return min(n, self.engine.block_rows(k, d))
        return min(n, method.block_rows(workload))

    def start(self, rows: Source, weights: Array | None, k: int, origin: Origin) -> LloydRun:
        """Return the iterations of a run, whose sums are taken about `origin`."""
        method, workload = self.bound_method, self.workload
        if method is None or workload is None:
            return self.engine.full_search(rows, weights, self.engine, origin)
        block = self.fused_block(rows)
        if block is not None and method.fused is not None:
            return method.fused(block, weights, k, origin, rows.team)
        return BoundedSearch(rows, weights, self.engine, origin, method.bounds(workload))


def _suits_low_d(workload: Workload) -> Verdict:
    n, d, k = workload.n, workload.d, workload.k
    most_features = regimes.low_d_up_to(k)
    if d > most_features:
        return Verdict(False, f"{d} features are more than {most_features}")
    few = min(ORDERED_FEW, n // ROWS_OF_EACH_FEW)
    most = max(regimes.FEW_CENTERS, few, min(ORDERED, n // ROWS_OF_EACH))
    if k > most:
        return Verdict(False, f"{k} clusters are more than {most}, the most for {n} rows")
    several = _has_several(workload)
    reason = f"{d} features are at most {most_features}, and {k} clusters at most {most}"
    return Verdict(True, reason) if several else several


def _low_d_bounds(workload: Workload) -> Bounds:
    from kmeans_xp.kernels.numba.low_d import hamerly

    return hamerly.bounds_of(workload.n, workload.k)


def _label_and_gap(_: Workload) -> int:
    return 8


def _low_d_block_rows(workload: Workload) -> int:
    return low_d_block_rows(workload.k)


def _low_d_fused(
    block: Array, weights: Array | None, k: int, origin: Origin, team: Team
) -> FusedIteration:
    from kmeans_xp.kernels.numba.low_d import iteration

    return iteration.LowDIteration(block, weights, k, origin, team)


def _is_large_high_d(workload: Workload) -> Verdict:
    n, d, k = workload.n, workload.d, workload.k
    if d < HIGH_D:
        return Verdict(False, f"{d} features are fewer than {HIGH_D}")
    if k < HIGH_D:
        return Verdict(False, f"{k} clusters are fewer than {HIGH_D}")
    if k > n // ROWS_OF_EACH_AT_LEAST:
        return Verdict(False, f"there are fewer than {ROWS_OF_EACH_AT_LEAST} rows to each cluster")
    return Verdict(True, f"{d} features and {k} clusters are at least {HIGH_D}")


def _suits_projection(workload: Workload) -> Verdict:
    large = _is_large_high_d(workload)
    if not large:
        return large
    # Asked before rows are looked at, which takes milliseconds.
    passes, loader = workload.passes, workload.loader
    repays = loader.repays(workload.work, workload.dtype, PROJECTION, passes)
    return _has_few_directions(workload) if repays else repays


def _has_few_directions_for_numpy(workload: Workload) -> Verdict:
    entries = workload.k * workload.d
    if entries < PROJECTED_FROM:
        return Verdict(False, f"{entries} entries of centres are fewer than {PROJECTED_FROM}")
    return _has_few_directions(workload)


def _has_few_directions(workload: Workload) -> Verdict:
    large = _is_large_high_d(workload)
    return _leaves_few("projected rows", workload.candidate_share, LEFT) if large else large


def _leaves_few(of: str, left: float, most: float) -> Verdict:
    few = left < most
    compared = f"{'under' if few else 'not under'} {most:.1%}"
    return Verdict(few, f"products of {of} leave {left:.1%} of the clusters near a row, {compared}")


def _projection_bounds(workload: Workload) -> Bounds:
    from kmeans_xp.kernels.numba.high_d import projection

    n, d, k = workload.n, workload.d, workload.k
    return projection.bounds_of(n, d, k, workload.dtype, workload.directions)


def _projection_bytes(workload: Workload) -> int:
    """Return the bytes of a label, a gap, an upper bound, and a projected row."""
    return 12 + (directions_up_to(workload.d) + 3) * np.dtype(workload.dtype).itemsize


def _high_d_block_rows(workload: Workload) -> int:
    return high_d_block_rows(workload.k, workload.d)


def _numpy_projection_bounds(workload: Workload) -> Bounds:
    n, d, k = workload.n, workload.d, workload.k
    return numpy_projection.bounds_of(n, d, k, workload.dtype, workload.directions)


def _numpy_projection_block_rows(workload: Workload) -> int:
    return numpy_projection.block_rows(workload.n, workload.d)


def _suits_bytes(workload: Workload) -> Verdict:
    d, loader = workload.d, workload.loader
    large = _is_large_high_d(workload)
    if not large:
        return large
    if d > BYTES_UP_TO:
        return Verdict(False, f"{d} features are more than {BYTES_UP_TO}")
    # Asked before the processor is, which imports Numba.
    repays = loader.repays(workload.work, workload.dtype, QUANTISED, workload.passes)
    if not repays:
        return repays
    if not loader.byte_products():
        return Verdict(False, "the processor has no AVX512-VNNI, which multiplies bytes")
    return _leaves_few("bytes", candidate_share(workload.sample, workload.k), d / SAVED)


def _byte_bounds(workload: Workload) -> Bounds:
    from kmeans_xp.kernels.numba.high_d import quantised

    return quantised.bounds_of(workload.n, workload.d, workload.k)


def _byte_bytes(workload: Workload) -> int:
    """Return the bytes of a label, a gap, a row as bytes, and the five numbers beside it."""
    return 28 + 4 * -(-workload.d // 4)


def _has_several(workload: Workload) -> Verdict:
    several = workload.k > 1
    return Verdict(several, "there are several clusters" if several else "there is one cluster")


def _suits_products(workload: Workload) -> Verdict:
    d, k = workload.d, workload.k
    if k < TILES_FROM and workload.rows.uncopied(_one_block_rows(workload)) is not None:
        return Verdict(False, f"{k} clusters are fewer than {TILES_FROM}, and the rows one block")
    several = _has_several(workload)
    return Verdict(True, f"{d} features and {k} clusters suit no other") if several else several


def _product_bounds(workload: Workload) -> Bounds:
    from kmeans_xp.kernels.numba.high_d import product

    return product.bounds_of(workload.n, workload.d, workload.k)


def _numpy_bounds(workload: Workload) -> Bounds:
    return numpy_hamerly.bounds_of(workload.n, workload.d, workload.k)


def _numpy_block_rows(workload: Workload) -> int:
    return numpy_hamerly.block_rows(workload.n, workload.k, workload.d)


def _one_block_fused(
    block: Array, weights: Array | None, k: int, origin: Origin, _team: Team
) -> FusedIteration:
    if regimes.iterates_directly(block.size, k):
        return DirectIteration(block, weights, k, origin)
    return hamerly_one_block.OneBlockIteration(block, weights, k, origin)


def _one_block_rows(workload: Workload) -> int:
    return hamerly_one_block.most_rows(workload.d, workload.k)


# The first one that suits is taken.
BOUND_METHODS: tuple[BoundMethod, ...] = (
    BoundMethod(
        name="numba projection",
        algorithm="projection",
        serves="many features and centres, where few directions hold most of what sets rows apart",
        group=PROJECTION,
        suits=_suits_projection,
        bounds=_projection_bounds,
        row_bytes=_projection_bytes,
        block_rows=_high_d_block_rows,
    ),
    BoundMethod(
        name="numba hamerly",
        algorithm="hamerly",
        serves="few features: sixteen rows at a time",
        group=LOW_D,
        suits=_suits_low_d,
        bounds=_low_d_bounds,
        row_bytes=_label_and_gap,
        block_rows=_low_d_block_rows,
        fused=_low_d_fused,
        fused_rows=lambda _: FUSED_ROWS,
    ),
    BoundMethod(
        name="numba bytes",
        algorithm="hamerly",
        serves="many features and centres, where rows rounded to bytes exclude most centres",
        group=QUANTISED,
        suits=_suits_bytes,
        bounds=_byte_bounds,
        row_bytes=_byte_bytes,
        block_rows=_high_d_block_rows,
    ),
    BoundMethod(
        name="numba wide",
        algorithm="hamerly",
        serves="many features, by products of tiles",
        group=PRODUCT,
        suits=_suits_products,
        bounds=_product_bounds,
        row_bytes=_label_and_gap,
        block_rows=_high_d_block_rows,
    ),
    BoundMethod(
        name="numpy projection",
        algorithm="projection",
        serves="as numba projection, without Numba",
        group=None,
        suits=_has_few_directions_for_numpy,
        bounds=_numpy_projection_bounds,
        row_bytes=_projection_bytes,
        block_rows=_numpy_projection_block_rows,
    ),
    BoundMethod(
        name="numpy hamerly",
        algorithm="hamerly",
        serves="all other rows, without Numba",
        group=None,
        suits=_has_several,
        bounds=_numpy_bounds,
        row_bytes=_label_and_gap,
        block_rows=_numpy_block_rows,
        fused=_one_block_fused,
        fused_rows=_one_block_rows,
    ),
)


def suits_batch(rows: Source, k: int, algorithm: str = "auto") -> bool:
    """Return whether several fits of such rows are made at once, unless they are watched.

    JAX would compile anew for each number of fits that are left.
    """
    alone = (
        asked_for(algorithm) != "auto" or k == 1 or not rows.in_memory or is_jax_namespace(rows.xp)
    )
    compiled = is_numpy_namespace(rows.xp) and any(
        compiling.ready(rows.dtype, group) for group in (LOW_D, PRODUCT)
    )
    scores, work = BATCH_IF_COMPILED if compiled else BATCH
    n, d = rows.shape
    return not alone and n * k <= scores and n * k * d <= work


def find_lloyd(
    rows: Source,
    k: int,
    algorithm: str = "auto",
    loader: Loader | None = None,
    *,
    passes: int = ITERATIONS,
) -> LloydMethod:
    """Return how Lloyd's algorithm runs for k clusters of `rows`, as `algorithm` asks for.

    Parameters
    ----------
    rows : Source
    k : int
        Clusters.
    algorithm : str
        ``"auto"`` or ``"elkan"``, an algorithm, or an engine or bound method by its name.
    loader : Loader, optional
        Of what is compiled.
    passes : int
        As how many passes over the rows the fit counts.

    Raises
    ------
    ValueError
        If there is nothing of this name for such rows.
    """
    loader, algorithm = loader or Loader(), asked_for(algorithm)
    if not (is_numpy_namespace(rows.xp) and rows.in_memory):
        return LloydMethod(find_engine(rows.xp, algorithm, device=rows.device, loader=loader))
    workload = Workload.of(rows, k, loader, passes)
    considered = tuple(_consider(workload, algorithm))
    method, verdict = considered[-1]
    if verdict or algorithm == "auto":
        # Found after what the method compiles was loaded, which the engine then uses as well.
        engine = find_engine(rows.xp, device=rows.device, loader=loader)
        return LloydMethod(engine, method if verdict else None, workload, considered)
    names = [name for method in BOUND_METHODS for name in (method.algorithm, method.name)]
    engine = find_engine(rows.xp, algorithm, device=rows.device, besides=names, loader=loader)
    return LloydMethod(engine, considered=considered)


def _consider(workload: Workload, algorithm: str) -> Iterator[tuple[BoundMethod, Verdict]]:
    """Yield methods in the order of the table, to the first that is taken."""
    for method in BOUND_METHODS:
        verdict = method.answers(algorithm, workload)
        yield method, verdict
        if verdict:
            return
