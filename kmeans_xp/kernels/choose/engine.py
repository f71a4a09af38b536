"""Which engine runs: by the namespace of the blocks, and by what is compiled or worth it."""

from collections.abc import Sequence
from typing import Any

from array_api_compat import is_numpy_namespace

from kmeans_xp.arrays import Namespace
from kmeans_xp.arrays.device import memory_of
from kmeans_xp.kernels.choose import regimes
from kmeans_xp.kernels.choose.loading import LOADER, Loader
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


def find_engine(
    xp: Namespace,
    algorithm: str = "auto",
    *,
    device: Any = None,
    besides: Sequence[str] = (),
    loader: Loader = LOADER,
) -> Engine:
    """Return the engine for arrays of `xp` that `algorithm` asks for.

    Parameters
    ----------
    xp : namespace
        Of the blocks.
    algorithm : str
        ``"auto"``, ``"lloyd"``, or an engine by its name.
    device : device, optional
        Of the blocks, whose size follows its memory; by default a CPU.
    besides : sequence of str
        Other names that the caller knows, for the error.
    loader : Loader
        Of what an engine has compiled.

    Raises
    ------
    ValueError
        If there is no such engine, or it does not take arrays of this namespace.
    """
    if algorithm == NUMBA.name:
        loader.prepare_all()
    fitting = [engine for engine in ENGINES if loader.runs_on(engine, xp)]
    for engine in fitting:
        if algorithm in ("auto", LLOYD, engine.name):
            return _on(engine, xp, device)
    names = dict.fromkeys(("auto", LLOYD, *(engine.name for engine in fitting), *besides))
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

    What labels them fastest is loaded if this pass, or many small ones before it, repay that.
    """
    n, d = shape
    if is_numpy_namespace(xp):
        high_d = (PROJECTION,) * regimes.projects_once(d, k) + (PRODUCT,)
        for group in (LOW_D,) if regimes.is_low_d(d, k) else high_d:
            compiling.repaid(n * k * (d + 8), dtype, group)
    return find_engine(xp, device=device)


def engine_for_batches(
    xp: Namespace,
    algorithm: str,
    shape: tuple[int, int],
    k: int,
    dtype: Any,
    *,
    device: Any = None,
) -> Engine:
    """Return the engine for mini-batches of this shape, of which a fit has dozens."""
    n, d = shape
    _load(xp, algorithm, n * d * k, dtype, BATCHES)
    return find_engine(xp, algorithm, device=device)


def engine_for_halves(
    xp: Namespace, algorithm: str, shape: tuple[int, int], dtype: Any, *, device: Any = None
) -> Engine:
    """Return the engine for rows of this shape, which are divided in two again and again."""
    n, d = shape
    _load(xp, algorithm, 2 * n * (d + 8), dtype, TWO_MEANS)
    return find_engine(xp, algorithm, device=device)


def engine_for_medoids(
    xp: Namespace,
    algorithm: str,
    shape: tuple[int, int],
    judges: int,
    dtype: Any,
    *,
    device: Any = None,
) -> Engine:
    """Return the engine for passes over the distances of rows of this shape to so many judges."""
    _load(xp, algorithm, shape[0] * judges * 4, dtype, MEDOIDS)
    if algorithm == "auto":
        engine_for_labels(xp, shape, judges, dtype, device=device)
    return find_engine(xp, algorithm, device=device)


def engine_for_neighbors(
    xp: Namespace, algorithm: str, pairs: int, d: int, dtype: Any, *, device: Any = None
) -> Engine:
    """Return the engine for one look at so many pairs of rows, by bounds in `dtype`.

    What looks at them fastest is loaded if this look, or many small ones before it, repay that.
    """
    if algorithm in ("auto", LLOYD) and is_numpy_namespace(xp) and not regimes.has_tree(d):
        compiling.repaid(pairs * (d + 8), dtype, NEIGHBORS)
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
    if is_numpy_namespace(xp) and metric in NAMES:
        by_cluster = in_memory and regimes.measures_by_cluster(n, k, metric)
        group, pairs = (SILHOUETTE, n * n // 2) if by_cluster else (MEDOIDS, n * n)
        if regimes.measures_by_difference(d, str(metric)):
            compiling.repaid(pairs * (d + 8), dtype, group)
    return find_engine(xp, device=device)


def _load(xp: Namespace, algorithm: str, work: int, dtype: Any, group: compiling.Group) -> None:
    """Load a compiled group that the work of many iterations repays, unless NumPy is asked for."""
    if algorithm in ("auto", LLOYD) and is_numpy_namespace(xp):
        compiling.worthwhile(work, dtype, group)
