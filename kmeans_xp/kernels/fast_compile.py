"""Whether Numba is there, what it has compiled already, and how it compiles.

Importing this module imports nothing of Numba: a small fit must not wait for it. Compiled code is
kept on disk, beside the package or where the user's caches are.
"""

import importlib
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

LOOPS = "kmeans_xp.kernels.fast_loops"
PAIR_LOOPS = "kmeans_xp.kernels.fast_pairs"
WIDE_LOOPS = "kmeans_xp.kernels.wide_loops"
SEED_LOOPS = "kmeans_xp.kernels.seed_loops"
BYTE_LOOPS = "kmeans_xp.kernels.byte_loops"
PULL_LOOPS = "kmeans_xp.kernels.pull_loops"
HALF_LOOPS = "kmeans_xp.kernels.pair_loops"
EM_LOOPS = "kmeans_xp.kernels.em_loops"
ALL = (LOOPS, PAIR_LOOPS, WIDE_LOOPS, SEED_LOOPS, BYTE_LOOPS, HALF_LOOPS, PULL_LOOPS, EM_LOOPS)
# Operations of an iteration, of which a fit takes dozens, that repay loading compiled loops from
# disk where Numba is there already, where it must be imported, and compiling them.
LOADED, IMPORTED, COMPILED = 1 << 24, 1 << 28, 1 << 30
# Passes over rows that are worth as much as a fit of as much work an iteration.
PASSES = 64
_INLINED: dict[str, Any] = {"nogil": True, "error_model": "numpy", "forceinline": True}
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


_ready: set[tuple[np.dtype[Any], str]] = set()
# Why a module, or Numba itself, cannot be made ready; it is not tried again.
_failed: dict[str, Exception] = {}
_told = False
# Work that was done without a module, a pass at a time, and has not been weighed against it yet.
_done: Counter[tuple[np.dtype[Any], str]] = Counter()


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


def ready(dtype: Any, name: str = LOOPS) -> bool:
    """Return whether this process has a module's kernels for rows of `dtype` loaded."""
    return (np.dtype(dtype), name) in _ready


def worthwhile(work: int, dtype: Any, name: str) -> bool:
    """Return whether a module's kernels are there, or came now since the `work` repays it.

    Parameters
    ----------
    work : int
        Operations of an iteration.
    dtype : dtype
    name : str
        The module of the kernels.
    """
    if ready(dtype, name):
        return True
    if work < _least():
        return False
    prepared = prepare(dtype, name, compile=work >= COMPILED)
    if trouble():
        _tell(
            f"Numba is installed, but cannot be used ({trouble()}). NumPy takes its place, which "
            "is slower. Mend that, or uninstall numba."
        )
    return prepared


def repaid(work: int, dtype: Any, name: str) -> bool:
    """As `worthwhile`, for `work` that is done once, as a prediction is.

    What was done before without the module counts too: many small predictions together load it
    when they have taken about as long as that takes. Only one large one waits for a compiler.
    """
    if ready(dtype, name):
        return True
    key = np.dtype(dtype), name
    _done[key] += work
    together = min(_done[key] // PASSES, COMPILED - 1)
    if together >= _least():
        _done[key] = 0
    return worthwhile(max(work // PASSES, together), dtype, name)


def _least() -> int:
    return LOADED if "numba" in sys.modules else IMPORTED


def prepare(dtype: Any, name: str = LOOPS, *, compile: bool = True) -> bool:  # noqa: A002
    """Load the kernels for rows of `dtype`, or compile them; return whether they are ready.

    Imports Numba, which takes half a second by itself.

    Parameters
    ----------
    dtype : dtype
    name : str
        The module of the kernels.
    compile : bool
        Whether to compile what is not on disk, which takes some seconds.
    """
    if not installed() or "numba" in _failed or name in _failed:
        return False
    try:
        return _prepared(np.dtype(dtype), name, compile=compile)
    except Exception as error:  # An import or a compiler that fails may raise anything.
        _failed[name if "numba" in sys.modules else "numba"] = error
        return False


def _prepared(dtype: np.dtype[Any], name: str, *, compile: bool) -> bool:  # noqa: A002
    import numba

    if numba.config.DISABLE_JIT:
        raise RuntimeError("NUMBA_DISABLE_JIT is set")
    loops = importlib.import_module(name)
    for function, signature in _wanted(loops, dtype):
        if signature not in function.overloads:
            if not compile and not _on_disk(function, signature):
                return False
            function.compile(signature)
    _ready.add((dtype, name))
    return True


def compile_all() -> bool:
    """Compile the kernels for every dtype, and keep them on disk; false without Numba."""
    return all(prepare(dtype, name) for dtype in DTYPES for name in ALL)


def entry(function: F) -> F:
    """Compile `function`, which runs without the interpreter's lock and is kept on disk."""
    import numba

    from kmeans_xp.kernels.fast_cache import cache_of

    compiled = numba.njit(nogil=True, error_model="numpy")(function)
    # As Numba's own `cache=True` has it.
    compiled._cache = cache_of(function, _tell)
    return compiled


def part(function: F) -> F:
    """Compile `function`, which makes no arrays, into those that call it.

    It counts no references: an atomic operation for each array, which threads share, at each call.
    """
    import numba

    return numba.njit(**_INLINED, _nrt=False)(function)


def sum_of(function: F) -> F:
    """As `part`, of a sum that may be added up in any order, as vectors do."""
    import numba

    return numba.njit(**_INLINED, _nrt=False, fastmath={"reassoc", "contract", "nsz"})(function)


def making(function: F) -> F:
    """Compile `function`, which makes arrays, into those that call it."""
    import numba

    return numba.njit(**_INLINED)(function)


def shared(function: F) -> F:
    """Compile `function` by itself, to be called by several entries."""
    import numba

    return numba.njit(nogil=True, error_model="numpy")(function)


def _wanted(loops: Any, dtype: Any) -> list[tuple[Any, Any]]:
    return [(getattr(loops, name), types) for name, types in loops.signatures(dtype).items()]


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
