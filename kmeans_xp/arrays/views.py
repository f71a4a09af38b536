"""Arrays of one library as those of another that is faster on their device, without a copy.

Engines follow the device: a PyTorch tensor or a JAX array is seen as a NumPy array where it lives
on a CPU, and as a CuPy array where it lives on a CUDA device and CuPy is installed. What is what is
said here alone. `kmeans_xp.rows.open.beside_x` is the door at which X and what goes with it become
views and results become what X is, so that nothing behind it knows of either.
"""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache, cached_property
from importlib.util import find_spec
from typing import Any, cast

import array_api_compat
import numpy as np

from kmeans_xp.arrays.namespace import Array, Namespace, device_of, namespace_of
from kmeans_xp.arrays.sparse import SparseMatrix

# What DLPack calls NVIDIA's GPUs.
CUDA = 2
# Bytes of which the address of what JAX takes over without a copy is a multiple.
ALIGNMENT = 64
# Dtypes that all these libraries have. bfloat16 and other floats that NumPy lacks are copied as
# float32, and integers of four bits as int8.
COMMON = frozenset(
    f"{kind}{bits}"
    for kind, sizes in {
        "float": (16, 32, 64),
        "int": (8, 16, 32, 64),
        "uint": (8, 16, 32, 64),
        "complex": (64, 128),
    }.items()
    for bits in sizes
) | {"bool"}

_allowed: ContextVar[bool] = ContextVar("views_are_allowed", default=True)


class OnHost:
    """Base of the dataclasses whose arrays are NumPy's wherever X lives, and stay so."""


@contextmanager
def without_views() -> Iterator[None]:
    """Let every array be computed on in its own library, in this context."""
    token = _allowed.set(False)
    try:
        yield
    finally:
        _allowed.reset(token)


def view_beside(X: Array) -> "View | None":
    """Return how `X`, and arrays that live where it does, are seen; None where they stay.

    Parameters
    ----------
    X : array
        As `as_array` returns it.
    """
    if not _allowed.get():
        return None
    if array_api_compat.is_torch_array(X):
        return _view_of_torch(X)
    if array_api_compat.is_jax_array(X):
        return _view_of_jax(X)
    return None


def empty_for_jax(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return a NumPy array, not filled, that JAX can take over without a copy."""
    count = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(count + ALIGNMENT, np.uint8)
    first = -room.ctypes.data % ALIGNMENT
    return room[first : first + count].view(dtype).reshape(shape)


class View(ABC):
    """How the arrays of a library on one device are seen as another library's.

    Parameters
    ----------
    like : array
        The user's X, which results become like.
    """

    def __init__(self, like: Array) -> None:
        self.like, self.xp = like, namespace_of(like)

    @cached_property
    def device(self) -> Any:
        """Return the device of X."""
        return device_of(self.like)

    @abstractmethod
    def seen(self, array: Array) -> Array:
        """Return an array of X's library and device as the other library's.

        Only what the other library has no dtype for is copied, to one that it has.
        """

    @abstractmethod
    def back(self, array: Array) -> Array:
        """Return an array of the other library, which nobody else writes to, as one of X's."""

    @abstractmethod
    def is_seen(self, value: object) -> bool:
        """Return whether a value is an array of the other library."""

    def context(self) -> AbstractContextManager[Any]:
        """Return the context in which views are made and computed on."""
        return nullcontext()

    def back_sparse(self, matrix: Any) -> Any:
        """Return a sparse matrix as one of X's library; None where that has none."""
        arrays = (matrix.indptr, matrix.indices, matrix.data)
        return SparseMatrix(*(self.back(array) for array in arrays)).native


class _OnCpu(View):
    """As NumPy arrays."""

    def is_seen(self, value: object) -> bool:
        """Return whether a value is a NumPy array."""
        return isinstance(value, np.ndarray)


class _TorchOnCpu(_OnCpu):
    def seen(self, array: Array) -> np.ndarray:
        """Return a tensor as a NumPy array."""
        found: np.ndarray = _tensor(array, self.xp).numpy()
        return found

    def back(self, array: np.ndarray) -> Array:
        """Return a NumPy array as a tensor."""
        # Tensors have no negative strides, and none that may not be written to.
        if not array.flags.writeable or min(array.strides, default=0) < 0:
            array = array.copy()
        return self.xp.from_numpy(array)


class _JaxOnCpu(_OnCpu):
    def seen(self, array: Array) -> np.ndarray:
        """Return a JAX array as a NumPy array, which cannot be written to."""
        return np.asarray(_jax_array(array, self.xp))

    def back(self, array: np.ndarray) -> Array:
        """Return a NumPy array as a JAX array, without 64 bits in JAX of as many as it has.

        JAX copies what does not come from `empty_for_jax`.
        """
        import jax

        narrowed = array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False)
        return jax.device_put(narrowed, self.device)


class _OnCuda(View):
    """As CuPy arrays."""

    def __init__(self, like: Array) -> None:
        super().__init__(like)
        self.cupy = _cupy()
        self.number = like.__dlpack_device__()[1]

    def is_seen(self, value: object) -> bool:
        """Return whether a value is a CuPy array."""
        return isinstance(value, self.cupy.ndarray)


class _TorchOnCuda(_OnCuda):
    def seen(self, array: Array) -> Array:
        """Return a tensor as a CuPy array."""
        return self.cupy.from_dlpack(_tensor(array, self.xp))

    def back(self, array: Array) -> Array:
        """Return a CuPy array as a tensor."""
        return self.xp.from_dlpack(array)

    @contextmanager
    def context(self) -> Iterator[None]:
        """Compute on PyTorch's current stream, in whose order its memory is used again."""
        # PyTorch shows others nothing but what is on its current device.
        with self.xp.cuda.device(self.device), self.cupy.cuda.Device(self.number), self._stream():
            yield

    def _stream(self) -> AbstractContextManager[Any]:
        cuda, pointer = self.cupy.cuda, self.xp.cuda.current_stream(self.device).cuda_stream
        if pointer == 0:
            return cast(AbstractContextManager[Any], cuda.Stream.null)
        with warnings.catch_warnings():
            # What CuPy 14 recommends instead would destroy the stream, which is PyTorch's.
            warnings.simplefilter("ignore", DeprecationWarning)
            return cast(AbstractContextManager[Any], cuda.ExternalStream(pointer, self.number))


class _JaxOnCuda(_OnCuda):
    def seen(self, array: Array) -> Array:
        """Return a JAX array as a CuPy array."""
        return self.cupy.from_dlpack(_jax_array(array, self.xp))

    def back(self, array: Array) -> Array:
        """Return a CuPy array as a JAX array, without 64 bits in JAX of as many as it has."""
        import jax

        dtype = jax.dtypes.canonicalize_dtype(array.dtype)
        return jax.dlpack.from_dlpack(self.cupy.ascontiguousarray(array.astype(dtype, copy=False)))

    @contextmanager
    def context(self) -> Iterator[None]:
        """Wait at the end for what reads X: JAX may use its memory again in an order of its own."""
        with self.cupy.cuda.Device(self.number):
            try:
                yield
            finally:
                self.cupy.cuda.get_current_stream().synchronize()


def _view_of_torch(X: Array) -> View | None:
    if X.device.type == "cpu":
        return _TorchOnCpu(X)
    # On a GPU of AMD's too the device is called "cuda".
    return _TorchOnCuda(X) if X.device.type == "cuda" and _is_cupys(X) else None


def _view_of_jax(X: Array) -> View | None:
    if not isinstance(X.dtype, np.dtype):  # Keys of random draws.
        return None
    if X.device.platform == "cpu":
        return _JaxOnCpu(X)
    return _JaxOnCuda(X) if X.device.platform == "gpu" and _is_cupys(X) else None


def _is_cupys(array: Array) -> bool:
    """Return whether an array on a GPU can be one of CuPy's."""
    return array.__dlpack_device__()[0] == CUDA and _cupy() is not None


def numpy_dtype(dtype: Any) -> np.dtype[Any]:
    """Return NumPy's dtype, which is CuPy's, for one of PyTorch's or JAX's."""
    name = str(dtype)
    return np.dtype(name.removeprefix("torch.") if name.startswith("torch.") else dtype)


def _tensor(array: Array, xp: Namespace) -> Array:
    """Return a tensor as it is in memory, in a dtype that NumPy has too."""
    plain = array.detach().resolve_conj().resolve_neg()
    return plain if _is_common(plain.dtype) else plain.to(xp.float32)


def _jax_array(array: Array, xp: Namespace) -> Array:
    """Return a JAX array in a dtype that NumPy has too."""
    if _is_common(array.dtype):
        return array
    return array.astype(xp.float32 if xp.issubdtype(array.dtype, xp.floating) else xp.int8)


def _is_common(dtype: Any) -> bool:
    return str(dtype).rpartition(".")[2] in COMMON


@cache
def _cupy() -> Any:
    """Return CuPy where it is installed and finds a GPU, else None."""
    if find_spec("cupy") is None:
        return None
    import cupy

    return cupy if cupy.cuda.is_available() else None
