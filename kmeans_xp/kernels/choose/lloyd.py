"""How Lloyd's algorithm runs: which engine, and which bounds spare rows a search.

All bounds give the labels of a full search, iteration by iteration; the choice is one of speed.
"""

from collections.abc import Callable
from dataclasses import dataclass

from array_api_compat import is_numpy_namespace

from kmeans_xp.arrays import Array
from kmeans_xp.kernels.choose import regimes
from kmeans_xp.kernels.choose.engine import find_engine
from kmeans_xp.kernels.choose.workload import Workload
from kmeans_xp.kernels.interface import Engine, FusedIteration, LloydRun, Source, Team
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import LOW_D, PRODUCT, PROJECTION, QUANTISED, Group
from kmeans_xp.kernels.numpy import hamerly as numpy_hamerly
from kmeans_xp.kernels.numpy import hamerly_one_block
from kmeans_xp.kernels.numpy import projection as numpy_projection
from kmeans_xp.kernels.portable.lloyd import BoundedSearch, FullSearch
from kmeans_xp.kernels.shared.hamerly import Bounds
from kmeans_xp.kernels.shared.quantised import BYTES_UP_TO, candidate_share

# With fewer features or centres, a product of projected rows costs as much as it saves; so it does
# where it leaves more than this part of the centres near a row.
HIGH_D, LEFT = 48, 0.09
# Rows to each centre from which few directions, or bytes, are worth a glance at the data.
ROWS_OF_EACH_AT_LEAST = 4
# To look at one centre costs as much as bytes save in products of so many features.
SAVED = 5000
# Centres that are put in order by their distances at most, and rows to each that repay it: the
# first few are so in no time.
ORDERED, ROWS_OF_EACH = 2048, 256
ORDERED_FEW, ROWS_OF_EACH_FEW = 256, 16
# Rows up to which an iteration is one call, of which threads share the pieces.
FUSED_ROWS = 1 << 20


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
        (`Workload`) -> whether it is better than those below it in the table.
    bounds : callable
        (`Workload`) -> the bounds of a run.
    fused : callable or None
        (all rows, weights, k, origin, team) -> a run whose iterations are each one call.
    fused_rows : callable
        (`Workload`) -> up to how many rows it does so.
    """

    name: str
    algorithm: str
    serves: str
    group: Group | None
    suits: Callable[[Workload], bool]
    bounds: Callable[[Workload], Bounds]
    fused: Callable[[Array, Array | None, int, Array, Team], FusedIteration] | None = None
    fused_rows: Callable[[Workload], int] = lambda _: 0

    def pays(self, workload: Workload) -> bool:
        """Return whether to choose it unasked: if what it compiles is worth waiting for."""
        if not self.suits(workload):
            return False
        group = self.group
        return group is None or compiling.worthwhile(workload.work, workload.dtype, group)

    def prepare(self, workload: Workload) -> bool:
        """Make ready what it compiles, however long it takes; return whether that was possible."""
        return self.group is None or compiling.prepare(workload.dtype, self.group)


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
    """

    engine: Engine
    bound_method: BoundMethod | None = None
    workload: Workload | None = None

    @property
    def name(self) -> str:
        """Return what the result reports."""
        return (self.bound_method or self.engine).name

    def start(self, rows: Source, weights: Array | None, k: int, origin: Array) -> LloydRun:
        """Return the iterations of a run, whose sums are taken about `origin`, (d,)."""
        method, workload = self.bound_method, self.workload
        if method is None or workload is None:
            fused = self.engine.fused_iteration(rows, weights, k, origin)
            return fused or FullSearch(rows, weights, self.engine, origin)
        block = rows.uncopied(method.fused_rows(workload))
        if block is not None and method.fused is not None:
            return method.fused(block, weights, k, origin, rows.team)
        return BoundedSearch(rows, weights, self.engine, origin, method.bounds(workload))


def _suits_low_d(workload: Workload) -> bool:
    few = min(ORDERED_FEW, workload.n // ROWS_OF_EACH_FEW)
    most = max(regimes.FEW_CENTERS, few, min(ORDERED, workload.n // ROWS_OF_EACH))
    return 1 < workload.k <= most and regimes.is_low_d(workload.d, workload.k)


def _low_d_bounds(workload: Workload) -> Bounds:
    from kmeans_xp.kernels.numba.low_d import hamerly

    return hamerly.bounds_of(workload.n, workload.k)


def _low_d_fused(
    block: Array, weights: Array | None, k: int, origin: Array, team: Team
) -> FusedIteration:
    from kmeans_xp.kernels.numba.low_d import iteration

    return iteration.LowDIteration(block, weights, k, origin, team)


def _is_large_high_d(workload: Workload) -> bool:
    most = workload.n // ROWS_OF_EACH_AT_LEAST
    return workload.d >= HIGH_D and HIGH_D <= workload.k <= most


def _has_few_directions(workload: Workload) -> bool:
    return _is_large_high_d(workload) and workload.candidate_share < LEFT


def _projection_bounds(workload: Workload) -> Bounds:
    from kmeans_xp.kernels.numba.high_d import projection

    n, d, k = workload.n, workload.d, workload.k
    return projection.bounds_of(n, d, k, workload.dtype, workload.directions)


def _numpy_projection_bounds(workload: Workload) -> Bounds:
    n, d, k = workload.n, workload.d, workload.k
    return numpy_projection.bounds_of(n, d, k, workload.dtype, workload.directions)


def _suits_bytes(workload: Workload) -> bool:
    fits = _is_large_high_d(workload) and workload.d <= BYTES_UP_TO
    if not (fits and compiling.byte_products()):
        return False
    return candidate_share(workload.sample, workload.k) < workload.d / SAVED


def _byte_bounds(workload: Workload) -> Bounds:
    from kmeans_xp.kernels.numba.high_d import quantised

    return quantised.bounds_of(workload.n, workload.d, workload.k)


def _has_several(workload: Workload) -> bool:
    return workload.k > 1


def _product_bounds(workload: Workload) -> Bounds:
    from kmeans_xp.kernels.numba.high_d import product

    return product.bounds_of(workload.n, workload.d, workload.k)


def _numpy_bounds(workload: Workload) -> Bounds:
    return numpy_hamerly.bounds_of(workload.n, workload.d, workload.k, workload.dtype)


def _one_block_fused(
    block: Array, weights: Array | None, k: int, origin: Array, _team: Team
) -> FusedIteration:
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
        suits=_has_few_directions,
        bounds=_projection_bounds,
    ),
    BoundMethod(
        name="numba hamerly",
        algorithm="hamerly",
        serves="few features: sixteen rows at a time",
        group=LOW_D,
        suits=_suits_low_d,
        bounds=_low_d_bounds,
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
    ),
    BoundMethod(
        name="numba wide",
        algorithm="hamerly",
        serves="many features, by products of tiles",
        group=PRODUCT,
        suits=_has_several,
        bounds=_product_bounds,
    ),
    BoundMethod(
        name="numpy projection",
        algorithm="projection",
        serves="as numba projection, without Numba",
        group=None,
        suits=_has_few_directions,
        bounds=_numpy_projection_bounds,
    ),
    BoundMethod(
        name="numpy hamerly",
        algorithm="hamerly",
        serves="all other rows, without Numba",
        group=None,
        suits=_has_several,
        bounds=_numpy_bounds,
        fused=_one_block_fused,
        fused_rows=_one_block_rows,
    ),
)


def find_lloyd(rows: Source, k: int, algorithm: str = "auto") -> LloydMethod:
    """Return how Lloyd's algorithm runs for k clusters of `rows`, as `algorithm` asks for.

    Parameters
    ----------
    rows : Source
    k : int
        Clusters.
    algorithm : str
        ``"auto"``, an algorithm, or an engine or bound method by its name.

    Raises
    ------
    ValueError
        If there is nothing of this name for such rows.
    """
    if not (is_numpy_namespace(rows.xp) and rows.in_memory):
        return LloydMethod(find_engine(rows.xp, algorithm))
    workload = Workload.of(rows, k)
    method = _find_bounds(workload, algorithm)
    if method is not None or algorithm == "auto":
        # Found after what the method compiles was loaded, which the engine then uses as well.
        return LloydMethod(find_engine(rows.xp), method, workload)
    names = [name for method in BOUND_METHODS for name in (method.algorithm, method.name)]
    return LloydMethod(find_engine(rows.xp, algorithm, besides=names))


def _find_bounds(workload: Workload, algorithm: str) -> BoundMethod | None:
    for method in BOUND_METHODS:
        if algorithm == "auto" and method.pays(workload):
            return method
        if algorithm == method.name and method.prepare(workload):
            return method
        if algorithm == method.algorithm and (method.group is None or method.pays(workload)):
            return method
    return None
