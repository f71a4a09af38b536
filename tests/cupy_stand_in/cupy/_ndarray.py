"""Arrays, and what happens when one is computed."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import cupy
from cupy import counts
from cupy._record import RECORD, acceptor
from cupy.cuda import runtime
from cupy.cuda.device import Device
from cupy.cuda.memory import Memory

# The dtypes that CuPy has: numbers, in the byte order of the machine.
DTYPES = frozenset("?bhilqBHILQefdFD")
SCALARS = (bool, int, float, complex, np.bool_, np.number)
# The calls that count as another number of launches than one, by CuPy's sources: a cumulative sum
# along an axis of up to 512³ entries; a sort as one, after a copy.
LAUNCHES = {"empty": 0, "empty_like": 0, "sort": 2, "argsort": 2, "cumsum": 6, "cumprod": 6}
LAUNCHES |= {"nonzero": 3, "flatnonzero": 3, "argwhere": 3, "getitem_mask": 3, "setitem_mask": 3}
LAUNCHES |= {"var": 2, "std": 3, "unique": 8, "take_along_axis": 5, "eye": 2}
# The calls that read a number from the device, to know a shape.
READS_A_SHAPE = {"argwhere", "bincount", "compress", "extract", "flatnonzero", "nonzero"}
READS_A_SHAPE |= {"unique", "unique_all", "unique_counts", "unique_inverse", "unique_values"}
READS_A_SHAPE |= {"getitem_mask", "setitem_mask", "repeat_by_array"}


def launch(name: str, compute: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Let NumPy compute on what is behind arrays, as a kernel on the current device would.

    A result that shares memory with an argument is a view, for which nothing was launched.
    """
    used: list[ndarray] = []
    with np.errstate(all="ignore"):
        result = compute(
            *(_behind(value, used) for value in args),
            **{key: _behind(value, used) for key, value in kwargs.items()},
        )
    several = isinstance(result, tuple | list)
    parts = list(result) if several else [result]
    parts = [np.asarray(part) if isinstance(part, np.generic) else part for part in parts]
    owners = {id(_root(array._host)): array._memory for array in used}
    new = [p for p in parts if isinstance(p, np.ndarray) and id(_root(p)) not in owners]
    changed = args[0] if result is None else kwargs.get("out")
    written = sum(p.nbytes for p in new) + (0 if changed is None else changed.nbytes)
    if new or changed is not None:
        _check_devices(used)
    if name in READS_A_SHAPE:
        counts.add_synchronization(name, 8)
    times = LAUNCHES.get(name, 1)
    if written and times:
        counts.add_launch(name, times, written)
    if changed is not None:
        return kwargs.get("out")
    parts = [
        _on_device(p, owners.get(id(_root(p)))) if isinstance(p, np.ndarray) else p for p in parts
    ]
    return parts[0] if not several else getattr(result, "_make", type(result))(parts)


def _behind(value: Any, used: list["ndarray"]) -> Any:
    """Return the NumPy array behind each array in `value`, which is added to `used`."""
    if isinstance(value, ndarray):
        used.append(value)
        return value._host
    if isinstance(value, tuple | list):
        return type(value)([_behind(part, used) for part in value])
    if hasattr(type(value), "__array__") and not isinstance(value, np.generic):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def _root(host: np.ndarray) -> np.ndarray:
    """Return the array that owns the memory."""
    while isinstance(host.base, np.ndarray):
        host = host.base
    return host


def _check_devices(used: list["ndarray"]) -> None:
    """Require arrays to be on the current device.

    CuPy says this where the devices cannot read each other's memory. Where they can, it only warns
    that it is slow (PerformanceWarning).
    """
    here = runtime.getDevice()
    for there in (array._memory.device_id for array in used):
        if there != here:
            raise ValueError(
                f"The device where the array resides ({there}) is different from the current "
                f"device ({here}). Peer access is unavailable between these devices."
            )


def _on_device(host: np.ndarray, memory: Memory | None = None) -> "ndarray":
    """Return an array of memory that it shares, or of its own on the current device."""
    if host.dtype.char not in DTYPES:
        raise ValueError(f"Unsupported dtype {host.dtype}")
    new = object.__new__(ndarray)
    new._host, new._memory = host, memory or Memory(host.nbytes)
    return new


class ndarray:
    """An array on a device. Methods that are NumPy's too, and operators, are added below."""

    __slots__ = ("__weakref__", "_host", "_memory")
    _host: np.ndarray
    _memory: Memory
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    device = property(lambda self: Device(self._memory.device_id))
    T = property(lambda self: launch("T", np.transpose, self))
    mT = property(lambda self: launch("mT", np.matrix_transpose, self))
    real = property(lambda self: launch("real", np.real, self))
    imag = property(lambda self: launch("imag", np.imag, self))

    # To the host, from whichever device.

    def get(
        self, stream: Any = None, order: Any = "C", out: Any = None, blocking: bool = True
    ) -> np.ndarray:
        counts.add_synchronization("get", self._host.nbytes)
        if out is None:
            return self._host.copy(order)
        np.copyto(out, self._host)
        return out

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def tobytes(self, order: Any = "C") -> bytes:
        return self.get().tobytes(order)

    def __format__(self, format_spec: str) -> str:
        return format(self.get(), format_spec)

    def __reduce__(self) -> Any:
        return array, (self.get(order="A"),)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    # To another library. That finds the memory where it is: on the host.

    def __dlpack__(self, **_: Any) -> Any:
        return self._host.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._host.__dlpack_device__()

    # To the current device.

    def copy(self, order: Any = "C") -> "ndarray":
        if self.device == Device():
            return launch("copy", np.ndarray.copy, self, order)
        counts.add_launch("copy", 1, self._host.nbytes)
        return _on_device(self._host.copy(order))

    def __copy__(self) -> "ndarray":
        return self.copy()

    def __deepcopy__(self, memo: Any) -> "ndarray":
        with self.device:
            return self.copy()

    def astype(
        self,
        dtype: Any,
        order: Any = "K",
        casting: Any = None,
        subok: Any = None,
        copy: bool = True,
    ) -> "ndarray":
        if casting is not None or subok is not None:
            raise TypeError("casting and subok are not supported yet")
        if not copy and np.dtype(dtype) == self._host.dtype:
            return self
        return launch("astype", np.ndarray.astype, self, dtype, order)

    # An index out of bounds is an error here; CuPy wraps it around.

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator["ndarray"]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> "ndarray":
        suffix, indices = _indices(key)
        return launch(f"getitem{suffix}", operator.getitem, self, indices)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, list | tuple | np.ndarray):
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        suffix, indices = _indices(key)
        launch(f"setitem{suffix}", operator.setitem, self, indices, value)

    # What NumPy's functions do with an array that is not theirs.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        ours = getattr(cupy, ufunc.__name__, None)
        if method != "__call__" or ours is None:
            return NotImplemented
        return ours(*inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        ours = getattr(cupy, func.__name__, func)
        if ours is func or not all(issubclass(kind, ndarray) for kind in types):
            return NotImplemented
        return ours(*args, **kwargs)


def _indices(key: Any) -> tuple[str, tuple[Any, ...]]:
    """Return an index whose arrays are on the device; "_mask" if its shape depends on values."""
    keys = key if isinstance(key, tuple) else (key,)
    keys = tuple(_index(k) for k in keys)
    masked = any(isinstance(k, ndarray) and k._host.dtype == bool for k in keys)
    if not any(k is Ellipsis for k in keys):
        keys = (*keys, Ellipsis)  # so that one element is an array, not a number
    return "_mask" if masked else "", keys


def _index(key: Any) -> Any:
    if isinstance(key, list | tuple):
        return array(key, None if len(key) else np.int32)  # no elements: indices, not floats
    return array(key) if isinstance(key, bool | np.bool_ | np.ndarray) else key


def array(
    obj: Any,
    dtype: Any = None,
    copy: bool | None = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    *,
    blocking: bool = False,
) -> ndarray:
    """Return an array on the current device, of host values or of arrays on whichever device."""
    order = order or "K"
    if subok:
        raise NotImplementedError
    if isinstance(obj, ndarray):
        here = obj if obj.device == Device() else obj.copy()
        found = here.astype(dtype or here._host.dtype, order, copy=bool(copy) and here is obj)
        if copy is False and found is not obj:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
        missing = ndmin - found._host.ndim
        return found[(None,) * missing] if missing > 0 else found
    if holds_array(obj):
        return launch("array", lambda o: np.array(o, dtype, order=order, ndmin=ndmin), obj)
    host = np.array(obj, dtype, order=order, ndmin=ndmin)
    found = _on_device(host.astype(host.dtype.newbyteorder("="), copy=False))
    if host.ndim:
        counts.add_to_device(host.nbytes)
    else:  # a kernel fills it with its argument
        counts.add_launch("fill", 1, host.nbytes)
    if blocking:
        counts.add_synchronization("array")
    return found


def from_dlpack(array: Any, *, device: Any = None, copy: bool | None = None) -> ndarray:
    """Return an array on the current device that shares the memory of another library's."""
    if device is not None:
        raise NotImplementedError("from_dlpack() does not support device yet.")
    return _on_device(np.from_dlpack(array), Memory(0))


def holds_array(value: Any) -> bool:
    """Whether it is an array, or a list that holds one."""
    nested = isinstance(value, list | tuple)
    return any(map(holds_array, value)) if nested else isinstance(value, ndarray)


def _read(convert: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda self: convert(self.get())


def _operator(ufunc: str, *, reflected: bool = False, in_place: bool = False) -> Callable[..., Any]:
    def method(self: ndarray, *other: Any) -> Any:
        known = all(isinstance(o, (ndarray, np.ndarray, *SCALARS)) for o in other)
        if not known and ufunc not in COMPARISONS.values():  # which would be a mere False
            return NotImplemented
        operands = (*other, self) if reflected else (self, *other)
        return getattr(cupy, ufunc)(*operands, **({"out": self} if in_place else {}))

    return method


def _method(name: str, signature: str) -> Callable[..., Any]:
    """Return NumPy's method, which takes what CuPy's takes, and arrays only where that does."""
    accept = acceptor(name, signature)
    compute = {"sort": _sort, "argsort": argsort}.get(name) or getattr(np.ndarray, name)

    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        accept(*args, **kwargs)
        if name not in OF_ARRAYS and any(map(holds_array, args)):
            raise TypeError("'ndarray' object cannot be interpreted as an integer")
        return launch(name, compute, self, *args, **kwargs)

    return method


def check_kind(kind: str | None) -> None:
    if kind not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")


def _sort(host: np.ndarray, axis: int = -1, kind: str | None = None) -> None:
    check_kind(kind)
    host.sort(axis, "stable")


def argsort(host: np.ndarray, axis: int = -1, kind: str | None = None) -> np.ndarray:
    """Sort, as CuPy always does, without changing the order of equals."""
    check_kind(kind)
    return np.argsort(host, axis, "stable")


def _pairs(names: str, of: str) -> dict[str, str]:
    return dict(zip(names.split(), of.split(), strict=True))


COMPARISONS = _pairs("eq ne lt le gt ge", "equal not_equal less less_equal greater greater_equal")
UNARY = _pairs("neg pos abs invert", "negative positive absolute invert")
ARITHMETIC = _pairs(
    "add sub mul truediv floordiv mod pow and or xor lshift rshift matmul",
    "add subtract multiply true_divide floor_divide remainder power "
    "bitwise_and bitwise_or bitwise_xor left_shift right_shift matmul",
)
OF_ARRAYS = {"choose", "clip", "compress", "dot", "fill", "put", "repeat", "searchsorted", "take"}
# Not for an array on a device, or of no use here.
OMITTED = {"dump", "dumps", "toDlpack", "tofile"}

for _name in ["shape", "strides", "ndim", "size", "dtype", "itemsize", "nbytes", "flags"]:
    setattr(ndarray, _name, property(operator.attrgetter(f"_host.{_name}")))
for _convert in (bool, int, float, complex, repr, str):
    setattr(ndarray, f"__{_convert.__name__}__", _read(_convert))
for _name, _ufunc in (COMPARISONS | UNARY | ARITHMETIC).items():
    setattr(ndarray, f"__{_name}__", _operator(_ufunc))
for _name, _ufunc in ARITHMETIC.items():
    setattr(ndarray, f"__r{_name}__", _operator(_ufunc, reflected=True))
    if _name != "matmul":
        setattr(ndarray, f"__i{_name}__", _operator(_ufunc, in_place=True))
for _name, _signature in RECORD["methods"].items():
    if _name not in OMITTED and not hasattr(ndarray, _name) and hasattr(np.ndarray, _name):
        setattr(ndarray, _name, _method(_name, _signature))
