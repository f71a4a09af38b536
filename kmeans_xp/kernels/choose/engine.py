"""Which engine runs: by the namespace of the blocks, and by what is compiled or worth it."""

from collections.abc import Sequence
from typing import Any

from array_api_compat import is_numpy_namespace

from kmeans_xp.arrays import Namespace
from kmeans_xp.arrays.device import memory_of
from kmeans_xp.kernels.choose import regimes
from kmeans_xp.kernels.choose.loading import Loader
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.metrics import NAMES, Metric
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import (
    BATCHES,
    LOW_D,
    MEDOIDS,
    NEIGHBORS,
    PRODUCT,
    PROJECTION,
    SILHOUETTE,
    TWO_MEANS,
)
from kmeans_xp.kernels.numba.engine import NUMBA
from kmeans_xp.kernels.numpy.engine import NUMPY
from kmeans_xp.kernels.portable.engine import PORTABLE, portable_on

# The first one that runs is taken, so tuned engines come before the portable one.
ENGINES: tuple[Engine, ...] = (NUMBA, NUMPY, PORTABLE)
# What ``algorithm=`` may say for the best engine of Lloyd's algorithm without bounds.
LLOYD = "lloyd"
# scikit-learn's name for skipping rows by bounds: any exact method may run, as for "auto".
ELKAN = "elkan"
# What is done with the distance of a row to another: fits of k-medoids save 12 to 38 ns of each, as
# much as ten passes over the distances, and a distance that is measured and not kept up to 2.
OPERATIONS_OF_A_DISTANCE, SWAPS = 4, 10
# Mini-batches after which a fit may find that they tell nothing new any more.
BATCHES_OF_A_FIT = 128
# Passes that look for the nearest centre and save as much as one that keeps all distances.
KEPT = 5


def asked_for(algorithm: str) -> str:
    """Return what ``algorithm=`` asks for: "elkan" leaves the choice, as "auto" does."""
    return "auto" if algorithm == ELKAN else algorithm


def find_engine(
    xp: Namespace,
    algorithm: str = "auto",
    *,
    device: Any = None,
    besides: Sequence[str] = (),
    loader: Loader | None = None,
) -> Engine:
    """Return the engine for arrays of `xp` that `algorithm` asks for.

    Parameters
    ----------
    xp : namespace
        Of the blocks.
    algorithm : str
        ``"auto"``, ``"elkan"``, ``"lloyd"``, or an engine by its name.
    device : device, optional
        Of the blocks, whose size follows its memory; by default a CPU.
    besides : sequence of str
        Other names that the caller knows, for the error.
    loader : Loader, optional
        Of what an engine has compiled.

    Raises
    ------
    ValueError
        If there is no such engine, or it does not take arrays of this namespace.
    """
    loader, algorithm = loader or Loader(), asked_for(algorithm)
    if algorithm == NUMBA.name:
        loader.prepare_all()
    fitting = [engine for engine in ENGINES if loader.runs_on(engine, xp)]
    for engine in fitting:
        if algorithm in ("auto", LLOYD, engine.name):
            return _on(engine, xp, device)
    could_load = is_numpy_namespace(xp) and all(map(compiling.usable, compiling.ALL))
    engines = [e.name for e in ENGINES if e in fitting or (e is NUMBA and could_load)]
    names = dict.fromkeys(("auto", LLOYD, ELKAN, *engines, *besides))
    why = compiling.trouble()
    raise ValueError(
        f"algorithm must be one of {', '.join(map(repr, names))} for arrays of {xp.__name__}, "
        f"got {algorithm!r}." + (f" Numba cannot be used here: {why}." if why else "")
    )


def _on(engine: Engine, xp: Namespace, device: Any) -> Engine:
    """Return the engine with blocks that suit the memory of the device."""
    if engine is not PORTABLE or device is None:
        return engine
    memory = memory_of(xp, device)
    return engine if memory is None else portable_on(memory)


def engine_for_labels(
    xp: Namespace, shape: tuple[int, int], k: int, dtype: Any, *, device: Any = None
) -> Engine:
    """Return the engine for one pass over rows of this shape, which labels them by k centres.

    What labels them fastest is loaded if this pass, with what was done before, repays that.
    """
    n, d = shape
    if is_numpy_namespace(xp):
        loader, work = Loader(), n * k * (d + 8)
        if regimes.is_low_d(d, k):
            loader.loads(work, dtype, LOW_D)
        else:
            if regimes.projects_once(d, k):
                loader.loads(work, dtype, PROJECTION)
            loader.loads(work, dtype, PRODUCT)
    return find_engine(xp, device=device)


def engine_for_distances(
    xp: Namespace, shape: tuple[int, int], k: int, dtype: Any, *, device: Any = None
) -> Engine:
    """Return the engine for one pass over rows of this shape, which measures them to k centres."""
    n, d = shape
    _load(xp, "auto", n * k * (d + 8), dtype, LOW_D, passes=KEPT)
    return find_engine(xp, device=device)


def engine_for_batches(
    xp: Namespace,
    algorithm: str,
    shape: tuple[int, int],
    k: int,
    dtype: Any,
    *,
    batches: int = 1,
    device: Any = None,
) -> Engine:
    """Return the engine for so many mini-batches of this shape, at most."""
    n, d = shape
    _load(xp, algorithm, n * k * (d + 8), dtype, BATCHES, max(1, min(batches, BATCHES_OF_A_FIT)))
    return find_engine(xp, algorithm, device=device)


def engine_for_halves(
    xp: Namespace,
    algorithm: str,
    shape: tuple[int, int],
    dtype: Any,
    *,
    passes: int,
    device: Any = None,
) -> Engine:
    """Return the engine for rows of this shape, which are divided in two again and again."""
    n, d = shape
    _load(xp, algorithm, 2 * n * (d + 8), dtype, TWO_MEANS, passes)
    return find_engine(xp, algorithm, device=device)


def engine_for_medoids(
    xp: Namespace,
    algorithm: str,
    shape: tuple[int, int],
    judges: int,
    dtype: Any,
    *,
    swaps: bool = False,
    device: Any = None,
) -> Engine:
    """Return the engine for the distances of rows of this shape to so many judges.

    They are measured once; swaps of medoids pass over them again and again.
    """
    passes = SWAPS if swaps else 1
    _load(xp, algorithm, shape[0] * judges * OPERATIONS_OF_A_DISTANCE, dtype, MEDOIDS, passes)
    if algorithm == "auto":
        engine_for_labels(xp, shape, judges, dtype, device=device)
    return find_engine(xp, algorithm, device=device)


def engine_for_neighbors(
    xp: Namespace, algorithm: str, pairs: int, d: int, dtype: Any, *, device: Any = None
) -> Engine:
    """Return the engine for one look at so many pairs of rows, by bounds in `dtype`.

    What looks at them fastest is loaded if this look, with what was done before, repays that.
    """
    if not regimes.has_tree(d):
        _load(xp, algorithm, pairs * (d + 8), dtype, NEIGHBORS, passes=1)
    return find_engine(xp, algorithm, device=device)


def engine_for_silhouette(
    xp: Namespace,
    shape: tuple[int, int],
    k: int,
    metric: Metric,
    dtype: Any,
    *,
    in_memory: bool,
    device: Any = None,
) -> Engine:
    """Return the engine for the distances of all rows to k clusters, measured once."""
    n, d = shape
    if metric in NAMES and regimes.measures_by_difference(d, str(metric)):
        if in_memory and regimes.measures_by_cluster(n, k, metric):
            _load(xp, "auto", n * n // 2 * (d + 8), dtype, SILHOUETTE, passes=1)
        else:
            _load(xp, "auto", n * n * OPERATIONS_OF_A_DISTANCE, dtype, MEDOIDS, passes=1)
    return find_engine(xp, device=device)


def _load(
    xp: Namespace, algorithm: str, work: int, dtype: Any, group: compiling.Group, passes: int
) -> None:
    """Load a compiled group where that is repaid, unless NumPy is asked for."""
    if asked_for(algorithm) in ("auto", LLOYD) and is_numpy_namespace(xp):
        Loader().loads(work, dtype, group, passes)
