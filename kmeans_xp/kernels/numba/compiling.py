"""Whether Numba is there, what it has compiled already, and how it compiles.

Importing this module imports nothing of Numba: a small fit must not wait for it. Compiled code is
kept on disk, beside the package or where the user's caches are.
"""

import importlib
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Group:
    """Compiled functions that are loaded together.

    Attributes
    ----------
    name : str
    modules : tuple of str
        Each has a function ``signatures``, which says what to compile: dtype of the rows -> the
        types of the arguments of each function, by its name.
    """

    name: str
    modules: tuple[str, ...]


def _group(name: str, *modules: str) -> Group:
    return Group(name, tuple(f"kmeans_xp.kernels.numba.{module}" for module in modules))


LOW_D = _group(
    "low_d",
    "low_d.hamerly",
    "low_d.iteration",
    "low_d.nearest",
    "low_d.distances",
    "low_d.neighbours",
)
PROJECTION = _group("projection", "high_d.projection", "high_d.changes")
PRODUCT = _group("product", "high_d.product", "high_d.changes")
QUANTISED = _group(
    "quantised", "high_d.quantised", "high_d.byte_rows", "high_d.seeding", "high_d.changes"
)
LOW_D_SEEDING = _group("low_d seeding", "low_d.seeding")
TWO_MEANS = _group("two-means", "bisecting")
BATCHES = _group("mini-batches", "minibatch")
ALL = (LOW_D, PROJECTION, PRODUCT, LOW_D_SEEDING, QUANTISED, TWO_MEANS, BATCHES)
# Operations of an iteration, of which a fit takes dozens, that repay loading compiled loops from
# disk where Numba is there already, where it must be imported, and compiling them.
LOADED, IMPORTED, COMPILED = 1 << 24, 1 << 28, 1 << 30
# Passes over rows that are worth as much as a fit of as much work an iteration.
PASSES = 64
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


# Whether functions that would be compiled run as the Python that they are written in, for a
# debugger: see kernels/README.md.
INTERPRETED = os.environ.get("KMEANS_XP_INTERPRETED", "0") not in ("", "0")
_INLINED: dict[str, Any] = {"nogil": True, "error_model": "numpy", "forceinline": True}


_ready: set[tuple[np.dtype[Any], Group]] = set()
# Why a group, or Numba itself, cannot be made ready; it is not tried again.
_failed: dict[str, Exception] = {}
_told = False
# Work that was done without a module, a pass at a time, and has not been weighed against it yet.
_done: Counter[tuple[np.dtype[Any], Group]] = Counter()


def installed() -> bool:
    """Return whether Numba is there, without importing it."""
    return find_spec("numba") is not None


def trouble() -> str:
    """Return why Numba is of no use, although it is there; nothing if that has not been seen."""
    error = next(iter(_failed.values()), None)
    # Of a compiler's message, the first line.
    return "" if error is None else f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")


@cache
def _targets(feature: str) -> bool:
    """Return whether Numba compiles for processors that have a feature, by LLVM's name of it."""
    try:
        from numba.core.registry import cpu_target
    except Exception:  # Whoever asks for kernels is told.
        return False
    return f"+{feature}" in cpu_target.target_context.codegen().magic_tuple()[2].split(",")


def widest_vectors() -> bool:
    """Return whether there are the registers that tiles of products are made for."""
    return _targets("avx512f")


def byte_products() -> bool:
    """Return whether products of four bytes are added up at once, in each lane."""
    return _targets("avx512vnni")


def ready(dtype: Any, group: Group = LOW_D) -> bool:
    """Return whether this process has a group for rows of `dtype` loaded."""
    return (np.dtype(dtype), group) in _ready


def any_ready() -> bool:
    """Return whether this process has anything loaded."""
    return bool(_ready)


def worthwhile(work: int, dtype: Any, group: Group) -> bool:
    """Return whether a group is loaded, or was loaded now since the `work` repays it.

    Parameters
    ----------
    work : int
        Operations of an iteration.
    dtype : dtype
        Of the rows.
    group : Group
    """
    if ready(dtype, group):
        return True
    if work < _least():
        return False
    loaded = prepare(dtype, group, compile=work >= COMPILED)
    if trouble():
        _tell(
            f"Numba is installed, but cannot be used ({trouble()}). NumPy takes its place, which "
            "is slower. Mend that, or uninstall numba."
        )
    return loaded


def repaid(work: int, dtype: Any, group: Group) -> bool:
    """As `worthwhile`, for `work` that is done once, as a prediction is.

    What was done before without the group counts too: many small predictions together load it
    when they have taken about as long as that takes. Only one large one waits for a compiler.
    """
    if ready(dtype, group):
        return True
    key = np.dtype(dtype), group
    _done[key] += work
    together = min(_done[key] // PASSES, COMPILED - 1)
    if together >= _least():
        _done[key] = 0
    return worthwhile(max(work // PASSES, together), dtype, group)


def _least() -> int:
    return LOADED if "numba" in sys.modules else IMPORTED


def prepare(dtype: Any, group: Group = LOW_D, *, compile: bool = True) -> bool:  # noqa: A002
    """Load a group for rows of `dtype`, or compile it; return whether it is ready.

    Imports Numba, which takes half a second by itself.

    Parameters
    ----------
    dtype : dtype
    group : Group
    compile : bool
        Whether to compile what is not on disk, which takes some seconds.
    """
    if not installed() or "numba" in _failed or group.name in _failed:
        return False
    try:
        return _prepared(np.dtype(dtype), group, compile=compile)
    except Exception as error:  # An import or a compiler that fails may raise anything.
        _failed[group.name if "numba" in sys.modules else "numba"] = error
        return False


def _prepared(dtype: np.dtype[Any], group: Group, *, compile: bool) -> bool:  # noqa: A002
    import numba

    if numba.config.DISABLE_JIT and not INTERPRETED:
        raise RuntimeError("NUMBA_DISABLE_JIT is set")
    for function, signature in _wanted(group, dtype):
        if INTERPRETED or signature in function.overloads:
            continue
        if not compile and not _on_disk(function, signature):
            return False
        function.compile(signature)
    _ready.add((dtype, group))
    return True


def compile_all() -> bool:
    """Compile the kernels for every dtype, and keep them on disk; false without Numba."""
    return all(prepare(dtype, group) for dtype in DTYPES for group in ALL)


def entry(function: F) -> F:
    """Compile `function`, which runs without the interpreter's lock and is kept on disk."""
    if INTERPRETED:
        # As in compiled code, a division by 0 and an overflow warn of nothing.
        return np.errstate(all="ignore")(function)
    from kmeans_xp.kernels.numba import cache

    compiled: Any = shared(function)
    # As Numba's own `cache=True` has it.
    compiled._cache = cache.cache_of(function, _tell)
    return compiled


def part(function: F) -> F:
    """Compile `function`, which makes no arrays, into those that call it.

    It counts no references: an atomic operation for each array, which threads share, at each call.
    """
    return _compiled(function, **_INLINED, _nrt=False)


def sum_of(function: F) -> F:
    """As `part`, of a sum that may be added up in any order, as vectors do."""
    return _compiled(function, **_INLINED, _nrt=False, fastmath={"reassoc", "contract", "nsz"})


def making(function: F) -> F:
    """Compile `function`, which makes arrays, into those that call it."""
    return _compiled(function, **_INLINED)


def shared(function: F) -> F:
    """Compile `function` by itself, to be called by several entries."""
    return _compiled(function, nogil=True, error_model="numpy")


def _compiled(function: F, **options: Any) -> F:
    """Return what Numba compiles of `function` when it is called, or `function` if interpreted."""
    if INTERPRETED:
        return function
    import numba

    return numba.njit(**options)(function)


def real(dtype: Any) -> Any:
    """Return Numba's type of one number of `dtype`."""
    from numba import types

    return types.float32 if np.dtype(dtype) == np.float32 else types.float64


def sealed_type(number: Any, ndim: int) -> Any:
    """Return Numba's type of what `ready_rows` and `sealed` return."""
    from numba import types

    return types.Array(number, ndim, "C", readonly=True)


@cache
def entry_point(function: F, dtype: np.dtype[Any]) -> F:
    """Return what an `entry` was compiled to for rows of `dtype`.

    To call it takes 0.8 µs. Where arguments are tuples of arrays, to look at their types first, as
    Numba does, takes longer than all that a small iteration does beside its rows.
    """
    if INTERPRETED:
        return function
    module = sys.modules[function.__module__]
    compiled: F = function.compile(module.signatures(dtype)[function.__name__])  # type: ignore[attr-defined]
    return compiled


def _wanted(group: Group, dtype: Any) -> list[tuple[Any, Any]]:
    """Return the functions of a group, and the types of their arguments."""
    modules = [importlib.import_module(name) for name in group.modules]
    return [
        (getattr(module, name), types)
        for module in modules
        for name, types in module.signatures(dtype).items()
    ]


def _on_disk(function: Any, signature: Any) -> bool:
    # Numba has no public question for this; what it loads here it loads again when it is used.
    found = function._cache.load_overload(signature, function.targetctx)
    return found is not None


def _tell(message: str) -> None:
    """Warn of what is wrong with Numba, once in a process: one cause fails many kernels."""
    global _told
    if not _told:
        _told = True
        warnings.warn(message, RuntimeWarning, stacklevel=2)


def ready_rows(block: np.ndarray) -> np.ndarray:
    """Return rows as compiled functions take them: in the machine's byte order, in row order."""
    if not is_ready_rows(block):
        block = np.require(block, block.dtype.newbyteorder("="), ["C", "A"])
    return sealed(block)


def is_ready_rows(block: np.ndarray) -> bool:
    """Return whether compiled functions take rows as they lie."""
    return bool(block.flags.c_contiguous and block.flags.aligned and block.dtype.isnative)


def ready_weights(weights: np.ndarray | None) -> np.ndarray:
    """Return weights as compiled functions take them: float64, and empty where there are none."""
    return sealed(np.empty(0) if weights is None else np.require(weights, np.float64, ["C", "A"]))


def sealed(array: np.ndarray) -> np.ndarray:
    """Return a read-only view: the one kind of array that loops are compiled for."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view
