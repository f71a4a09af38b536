"""What Numba has compiled: how that is loaded or compiled, and how functions are declared for it.

Importing this module imports nothing of Numba: a small fit must not wait for it. Compiled code is
kept on disk, beside the package or where the user's caches are.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, eq=False)
class Group:
    """Compiled functions that are loaded together.

    Attributes
    ----------
    name : str
    modules : tuple of str
        Each has a function ``signatures``: dtype of the rows -> the types of the arguments of each
        function that is to be compiled, by the function's name.
    saves : float
        Nanoseconds that it saves an operation of a pass over the rows, against NumPy.
    saves_calls : float
        Microseconds that it saves a pass whatever its rows, since NumPy takes many calls.
    compile_seconds : float
        How long it takes to compile for one dtype.
    """

    name: str
    modules: tuple[str, ...]
    saves: float
    saves_calls: float
    compile_seconds: float

    def functions(self, dtype: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:
        """Return each function and the types of its arguments; this imports Numba."""
        for module in map(importlib.import_module, self.modules):
            for name, types in module.signatures(dtype).items():
                yield getattr(module, name), types


Tell = Callable[[int, int, np.dtype[Any], Group], None]


def _group(
    name: str, *modules: str, saves: float, compile_seconds: float, saves_calls: float = 15
) -> Group:
    names = tuple(f"kmeans_xp.kernels.numba.{module}" for module in modules)
    return Group(name, names, saves, saves_calls, compile_seconds)


# What they save is the time of whole calls with NumPy less that with Numba, over the operations as
# `kernels/choose` counts them: the middle of several sizes, float32 and float64, on two cores with
# AVX2. It is from a third to three times that; tiles of products save nothing there, and twice as
# much as said with AVX-512. What calls save is at the lower end: with 1,000 rows a prediction takes
# 0.1 ms less, and a fit from 0.5 ms on. The seconds to compile are of the same machine.
LOW_D = _group(
    "low_d",
    "low_d.hamerly",
    "low_d.iteration",
    "low_d.nearest",
    "low_d.distances",
    "low_d.neighbours",
    saves=0.11,
    compile_seconds=22,
)
PROJECTION = _group(
    "projection", "high_d.projection", "high_d.changes", saves=0.04, compile_seconds=4.5
)
PRODUCT = _group("product", "high_d.product", "high_d.changes", saves=0.01, compile_seconds=1.2)
QUANTISED = _group(
    "quantised",
    "high_d.quantised",
    "high_d.quantised_rows",
    "high_d.changes",
    saves=0.01,
    compile_seconds=3,
)
LOW_D_SEEDING = _group("low_d seeding", "low_d.seeding", saves=0.2, compile_seconds=1.2)
QUANTISED_SEEDING = _group(
    "quantised seeding",
    "high_d.quantised_rows",
    "high_d.seeding",
    saves=0.15,
    compile_seconds=3,
)
TWO_MEANS = _group("two-means", "bisecting", saves=0.2, compile_seconds=1)
BATCHES = _group("mini-batches", "minibatch", saves=0.03, saves_calls=300, compile_seconds=2.6)
MEDOIDS = _group("medoids", "medoids", saves=0.4, compile_seconds=3.7)
NEIGHBORS = _group("neighbors", "neighbors", saves=0.01, compile_seconds=1.1)
SILHOUETTE = _group("silhouette", "silhouette", saves=0.2, compile_seconds=0.8)
ALL = (
    LOW_D,
    PROJECTION,
    PRODUCT,
    LOW_D_SEEDING,
    QUANTISED,
    QUANTISED_SEEDING,
    TWO_MEANS,
    BATCHES,
    MEDOIDS,
    NEIGHBORS,
    SILHOUETTE,
)
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
# What Numba imports when it first compiles or loads a function, which takes as long as itself.
_AT_START = "numba.np.arraymath"

# What tells Numba to keep compiled code elsewhere than beside the sources.
_PLACES, _SETTINGS = ("NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES"), ".numba_config.yaml"

# Whether functions that would be compiled run as the Python that they are written in, for a
# debugger: see kernels/README.md.
INTERPRETED = os.environ.get("KMEANS_XP_INTERPRETED", "0") not in ("", "0")
_INLINED: dict[str, Any] = {"nogil": True, "error_model": "numpy", "forceinline": True}

# What this process has loaded.
_ready: set[tuple[np.dtype[Any], Group]] = set()
# Why a group by its name, or "numba" itself, cannot be loaded; it is not tried again.
_errors: dict[str, Exception] = {}
# Whether the user was warned. One cause fails many groups, so one warning is enough.
_warned = False


def installed() -> bool:
    """Return whether Numba is there, without importing it."""
    return find_spec("numba") is not None


def imported() -> bool:
    """Return whether Numba is imported already."""
    return "numba" in sys.modules


def started() -> bool:
    """Return whether Numba has compiled or loaded anything, of ours or of others."""
    return bool(_ready) or _AT_START in sys.modules


def trouble() -> str:
    """Return why Numba is of no use, although it is there; nothing if that has not been seen."""
    error = next(iter(_errors.values()), None)
    # Of a compiler's message, the first line.
    return "" if error is None else f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")


def ready(dtype: Any, group: Group = LOW_D) -> bool:
    """Return whether this process has a group for rows of `dtype` loaded."""
    return (np.dtype(dtype), group) in _ready


def any_ready() -> bool:
    """Return whether this process has anything loaded."""
    return bool(_ready)


def usable(group: Group) -> bool:
    """Return whether Numba is there, and nothing is known that keeps a group from being loaded."""
    return installed() and "numba" not in _errors and group.name not in _errors


def surely_not_on_disk(group: Group) -> bool:
    """Return whether it can be told without Numba that nothing of a group is on disk.

    It is where Numba keeps compiled code if nobody has told it otherwise, and may write there.
    """
    specs = [find_spec(module) for module in group.modules]
    folders = {Path(spec.origin).parent / "__pycache__" for spec in specs if spec and spec.origin}
    told = INTERPRETED or any(n in os.environ for n in _PLACES) or Path(_SETTINGS).exists()
    if told or not folders or any(any(folder.glob("*.nbi")) for folder in folders):
        return False
    try:
        for folder in folders:
            TemporaryFile(dir=folder).close()  # As Numba finds out.
    except OSError:
        return False
    return True


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
    if not usable(group):
        return False
    try:
        return _load(np.dtype(dtype), group, compile=compile)
    except Exception as error:  # An import or a compiler that fails may raise anything.
        _errors[group.name if imported() else "numba"] = error
        return False


def compile_all(tell: Tell | None = None) -> bool:
    """Compile the kernels for every dtype, and keep them on disk; false without Numba.

    Parameters
    ----------
    tell : callable, optional
        (number, count, dtype, group) -> None, called before each group.
    """
    wanted = [(dtype, group) for dtype in DTYPES for group in ALL]
    for number, (dtype, group) in enumerate(wanted, 1):
        if tell is not None:
            tell(number, len(wanted), dtype, group)
        if not prepare(dtype, group):
            return False
    return True


def _load(dtype: np.dtype[Any], group: Group, *, compile: bool) -> bool:  # noqa: A002
    import numba

    if numba.config.DISABLE_JIT and not INTERPRETED:
        raise RuntimeError("NUMBA_DISABLE_JIT is set")
    for function, signature in group.functions(dtype):
        if INTERPRETED or signature in function.overloads:
            continue
        if not compile and not _is_on_disk(function, signature):
            return False
        function.compile(signature)
    _ready.add((dtype, group))
    return True


def _is_on_disk(function: Any, signature: Any) -> bool:
    # Numba has no public question for this; what it loads here it loads again when it is used.
    return function._cache.load_overload(signature, function.targetctx) is not None


def _warn_once(message: str) -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(message, RuntimeWarning, stacklevel=2)


def warn_of_trouble() -> None:
    """Warn, once, if Numba is there and is of no use."""
    if trouble():
        _warn_once(
            f"Numba is installed, but cannot be used ({trouble()}). NumPy takes its place, which "
            "is slower. Mend that, or uninstall numba."
        )


def widest_vectors() -> bool:
    """Return whether there are the registers that tiles of products are made for."""
    return _targets("avx512f")


def byte_products() -> bool:
    """Return whether products of four bytes are added up at once, in each lane."""
    return _targets("avx512vnni")


@cache
def _targets(feature: str) -> bool:
    """Return whether Numba compiles for processors that have a feature, by LLVM's name of it."""
    try:
        from numba.core.registry import cpu_target
    except Exception:  # `trouble` tells those who ask for compiled kernels.
        return False
    return f"+{feature}" in cpu_target.target_context.codegen().magic_tuple()[2].split(",")


def entry(function: F) -> F:
    """Compile `function`, which runs without the interpreter's lock and is kept on disk."""
    if INTERPRETED:
        # As in compiled code, a division by 0 and an overflow warn of nothing.
        return np.errstate(all="ignore")(function)
    from kmeans_xp.kernels.numba import cache

    compiled: Any = shared(function)
    # As Numba's own `cache=True` has it.
    compiled._cache = cache.cache_of(function, _warn_once)
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


@cache
def entry_point(function: Any, dtype: np.dtype[Any]) -> Any:
    """Return what an `entry` was compiled to for rows of `dtype`.

    To call it takes 0.8 µs. Where arguments are tuples of arrays, to look at their types first, as
    Numba does, takes longer than all that a small iteration does beside its rows.
    """
    if INTERPRETED:
        return function
    signatures = sys.modules[function.__module__].signatures(dtype)
    return function.compile(signatures[function.__name__])


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


def real(dtype: Any) -> Any:
    """Return Numba's type of one number of `dtype`."""
    from numba import types

    return types.float32 if np.dtype(dtype) == np.float32 else types.float64


def sealed_type(number: Any, ndim: int) -> Any:
    """Return Numba's type of what `ready_rows` and `sealed` return."""
    from numba import types

    return types.Array(number, ndim, "C", readonly=True)


def tuple_type(named_tuple: Any, *fields: Any) -> Any:
    """Return Numba's type of a NamedTuple, from the types of its fields."""
    from numba import types

    return types.BaseTuple.from_types(fields, named_tuple)
