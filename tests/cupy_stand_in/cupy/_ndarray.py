"""Arrays, and what happens when one is computed."""

import operator
from collections.abc import Callable, Iterator
from typing import Any, Self

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
# Calls that count as another number of launches than one, by CuPy's sources.
LAUNCHES = {"empty": 0, "empty_like": 0, "sort": 2, "argsort": 2, "cumsum": 2, "cumprod": 2}
LAUNCHES |= {"nonzero": 3, "flatnonzero": 3, "argwhere": 3, "getitem_mask": 3, "setitem_mask": 3}
LAUNCHES |= {"var": 2, "std": 3, "unique": 8}
# Calls that read a number from the device, to know a shape.
READS_A_SHAPE = {"argwhere", "compress", "extract", "flatnonzero", "nonzero", "unique"}
READS_A_SHAPE |= {"unique_all", "unique_counts", "unique_inverse", "unique_values"}
READS_A_SHAPE |= {"getitem_mask", "setitem_mask"}


def launch(name: str, compute: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Let NumPy compute on the memory behind arrays, as a kernel on the current device would.

    What shares memory with an argument is a view, and nothing was launched for it.
    """
    used: list[ndarray] = []
    with np.errstate(all="ignore"):
        result = compute(
            *(_behind(value, used) for value in args),
            **{key: _behind(value, used) for key, value in kwargs.items()},
        )
    owners = {id(_root(array._host)): array._memory for array in used}
    many = isinstance(result, tuple | list)
    parts = [
        np.asarray(p) if isinstance(p, np.generic) else p for p in (result if many else [result])
    ]
    new = [p for p in parts if isinstance(p, np.ndarray) and id(_root(p)) not in owners]
    out = kwargs.get("out")
    changed = out if out is not None else args[0] if result is None else None
    if new or changed is not None:
        _check_devices(used)
    if name in READS_A_SHAPE:
        counts.add_synchronization(name, 8)
    written = sum(p.nbytes for p in new) + (0 if changed is None else changed.nbytes)
    if written:
        counts.add_launch(name, LAUNCHES.get(name, 1), written)
    if changed is not None:
        return out
    arrays = [_wrapped(p, owners) if isinstance(p, np.ndarray) else p for p in parts]
    if not many:
        return arrays[0]
    return type(result)(*arrays) if hasattr(result, "_fields") else type(result)(arrays)


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

    CuPy says this where the devices cannot read each other's memory. Where they can, it warns
    that it is slow (PerformanceWarning).
    """
    here = runtime.getDevice()
    for array in used:
        there = array._memory.device_id
        if there != here:
            raise ValueError(
                f"The device where the array resides ({there}) is different from the current "
                f"device ({here}). Peer access is unavailable between these devices."
            )


def _wrapped(host: np.ndarray, owners: dict[int, Memory]) -> "ndarray":
    """Return an array of the memory that `host` shares, or of its own."""
    if host.dtype.char not in DTYPES:
        raise ValueError(f"Unsupported dtype {host.dtype}")
    new = object.__new__(ndarray)
    new._host = host
    new._memory = owners.get(id(_root(host))) or Memory(host.nbytes)
    return new


class ndarray:
    """An array on a device. Only its own methods read or change its memory."""

    __slots__ = ("__weakref__", "_host", "_memory")
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]
    _host: np.ndarray
    _memory: Memory

    def __new__(cls, shape: Any, dtype: Any = float, *, order: str = "C") -> Self:
        return cupy.empty(shape, dtype, order)

    shape = property(lambda self: self._host.shape)
    strides = property(lambda self: self._host.strides)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    dtype = property(lambda self: self._host.dtype)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    flags = property(lambda self: self._host.flags)
    device = property(lambda self: Device(self._memory.device_id))
    T = property(lambda self: launch("T", np.transpose, self))
    mT = property(lambda self: launch("mT", np.matrix_transpose, self))
    real = property(lambda self: launch("real", np.real, self))
    imag = property(lambda self: launch("imag", np.imag, self))

    # To the host: all of it by `get`, which waits for the device, whichever is the current one.

    def get(
        self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True
    ) -> np.ndarray:
        # There is one stream, and nothing in it that has not been done.
        counts.add_synchronization("get", self.nbytes)
        if out is None:
            return self._host.copy(order)
        np.copyto(out, self._host)
        return out

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def tobytes(self, order: str = "C") -> bytes:
        return self.get().tobytes(order)

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __complex__(self) -> complex:
        return complex(self.get())

    def __repr__(self) -> str:
        return repr(self.get())

    def __str__(self) -> str:
        return str(self.get())

    def __format__(self, format_spec: str) -> str:
        return format(self.get(), format_spec)

    def __reduce__(self) -> Any:
        return array, (self.get(order="A"),)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    # Copies.

    def astype(
        self,
        dtype: Any,
        order: str = "K",
        casting: Any = None,
        subok: Any = None,
        copy: bool = True,
    ) -> "ndarray":
        if casting is not None or subok is not None:
            raise TypeError("casting and subok are not supported yet")
        return self._astype(dtype, order, copy=True if copy else None)

    def _astype(self, dtype: Any, order: str = "K", *, copy: bool | None) -> "ndarray":
        if np.dtype(dtype) == self.dtype and not copy:
            return self
        if copy is False:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
        return launch("astype", np.ndarray.astype, self, dtype, order)

    def copy(self, order: str = "C") -> "ndarray":
        """Return a copy on the current device, from whichever device."""
        if self.device == Device():
            return launch("copy", np.ndarray.copy, self, order)
        counts.add_launch("copy", 1, self.nbytes)
        return _wrapped(self._host.copy(order), {})

    def __copy__(self) -> "ndarray":
        return self.copy()

    def __deepcopy__(self, memo: Any) -> "ndarray":
        with self.device:
            return self.copy()

    # Indexing. An index out of bounds is an error here; CuPy wraps it around.

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator["ndarray"]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> "ndarray":
        name, indices = _indices("getitem", key)
        return launch(name, operator.getitem, self, indices)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, list | tuple | np.ndarray):
            if np.ndim(value):
                raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
            value = value[()]
        name, indices = _indices("setitem", key)
        launch(name, operator.setitem, self, indices, value)

    # What NumPy's functions do with an array of another library.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        ours = getattr(cupy, ufunc.__name__, None)
        if method != "__call__" or ours is None:
            return NotImplemented
        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        if ufunc.__name__ in COMPARISONS.values():
            inputs = tuple(
                x.item() if isinstance(x, np.ndarray) and not x.ndim else x for x in inputs
            )
        return ours(*inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        ours = getattr(cupy, func.__name__, func)
        if ours is func or not all(issubclass(kind, ndarray) for kind in types):
            return NotImplemented
        return ours(*args, **kwargs)


def _indices(name: str, key: Any) -> tuple[str, tuple[Any, ...]]:
    """Return an index whose arrays are on the device, and the name of the operation."""
    keys = key if isinstance(key, tuple) else (key,)
    arrays = (list, tuple, bool, np.bool_, np.ndarray)
    keys = tuple(_index_array(k) if isinstance(k, arrays) else k for k in keys)
    masked = any(isinstance(k, ndarray) and k.dtype == bool for k in keys)
    if not any(k is Ellipsis for k in keys):
        keys = (*keys, Ellipsis)  # so that one element is an array, not a number
    return f"{name}_mask" if masked else name, keys


def _index_array(values: Any) -> "ndarray":
    # A list without elements holds no indices; NumPy would make it one of floats.
    empty = isinstance(values, list | tuple) and not values
    return array(values, np.int32 if empty else None)


def array(
    obj: Any,
    dtype: Any = None,
    copy: bool | None = True,
    order: str | None = "K",
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
        copy = copy if here is obj else None
        found = here._astype(here.dtype if dtype is None else dtype, order, copy=copy)
        return found[(None,) * (ndmin - found.ndim)] if ndmin > found.ndim else found
    if _holds_array(obj):
        return launch("array", lambda o: np.array(o, dtype, order=order, ndmin=ndmin), obj)
    host = np.array(obj, dtype, order=order, ndmin=ndmin)
    host = host.astype(host.dtype.newbyteorder("="), copy=False)
    found = _wrapped(host, {})
    if host.ndim:
        counts.add_to_device(host.nbytes)
    else:  # it is an argument of a kernel
        counts.add_launch("fill", 1, host.nbytes)
    if blocking:
        counts.add_synchronization("array")
    return found


def _holds_array(obj: Any) -> bool:
    return isinstance(obj, ndarray) or (
        isinstance(obj, list | tuple) and any(map(_holds_array, obj))
    )


def _forward(ufunc: str) -> Callable[..., Any]:
    def method(self: ndarray, other: Any) -> Any:
        known = isinstance(other, (ndarray, np.ndarray, *SCALARS))
        return getattr(cupy, ufunc)(self, other) if known else NotImplemented

    return method


def _reflected(ufunc: str) -> Callable[..., Any]:
    return lambda self, other: getattr(cupy, ufunc)(other, self)


def _in_place(ufunc: str) -> Callable[..., Any]:
    return lambda self, other: getattr(cupy, ufunc)(self, other, out=self)


def _unary(ufunc: str) -> Callable[..., Any]:
    return lambda self: getattr(cupy, ufunc)(self)


def _method(name: str, signature: str) -> Callable[..., Any]:
    """Return a method that is NumPy's, for arguments that CuPy's takes."""
    accept = acceptor(name, signature)
    compute = ADAPTED.get(name, getattr(np.ndarray, name))

    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        accept(*args, **kwargs)
        return launch(name, compute, self, *args, **kwargs)

    return method


def check_kind(kind: str | None) -> None:
    if kind not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")


def _sort(host: np.ndarray, axis: int = -1, kind: str | None = None) -> None:
    check_kind(kind)
    host.sort(axis, "stable")


def argsort(host: np.ndarray, axis: int = -1, kind: str | None = None) -> np.ndarray:
    """Sort as CuPy does, which keeps the order of equals whatever is asked for."""
    check_kind(kind)
    return np.argsort(host, axis, "stable")


COMPARISONS = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal"}
COMPARISONS |= {"gt": "greater", "ge": "greater_equal"}
ARITHMETIC = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide"}
ARITHMETIC |= {"floordiv": "floor_divide", "mod": "remainder", "pow": "power", "matmul": "matmul"}
ARITHMETIC |= {"and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}
ARITHMETIC |= {"lshift": "left_shift", "rshift": "right_shift"}
UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}
ADAPTED = {"sort": _sort, "argsort": argsort}
# Those that would give away what NumPy has, and those of no use here.
OMITTED = {"dump", "dumps", "tofile", "set", "toDlpack"}

for _name, _ufunc in COMPARISONS.items() | ARITHMETIC.items():
    setattr(ndarray, f"__{_name}__", _forward(_ufunc))
for _name, _ufunc in ARITHMETIC.items():
    setattr(ndarray, f"__r{_name}__", _reflected(_ufunc))
    if _name != "matmul":
        setattr(ndarray, f"__i{_name}__", _in_place(_ufunc))
for _name, _ufunc in UNARY.items():
    setattr(ndarray, f"__{_name}__", _unary(_ufunc))
for _name, _signature in RECORD["methods"].items():
    if _name not in OMITTED and not hasattr(ndarray, _name) and hasattr(np.ndarray, _name):
        setattr(ndarray, _name, _method(_name, _signature))
