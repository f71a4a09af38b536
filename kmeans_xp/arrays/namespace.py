"""Which array a user passed: its namespace, its device, its dtype for arithmetic."""

import sys
from functools import cache
from typing import Any

import array_api_compat
import numpy as np

from kmeans_xp.arrays.frames import frame_array, is_frame

# Arrays of six libraries pass through here and the standard has no type for them.
Array = Any
Namespace = Any


def as_array(value: Any, name: str) -> Array:
    """Return `value` as an array: as it is where it is one, else as a NumPy array.

    Parameters
    ----------
    value : array, nested sequence, data frame or xarray.DataArray
        What the user passed.
    name : str
        The argument's name, for the error.

    Returns
    -------
    array
        Of `value`'s own namespace; NumPy for lists and data frames, Dask for those of Dask's.

    Raises
    ------
    TypeError
        If `value` is sparse, masked, a `numpy.matrix`, without values (a "meta" tensor, or inside a
        transformation of PyTorch's or JAX's), spread over several devices, a lazy frame that has
        not been collected, or no array at all.
    ValueError
        If it holds something else than numbers; of a frame, the columns are named.
    """
    # The usual kind first: to rule out all others takes longer than a small prediction.
    if type(value) is np.ndarray:
        return _from_numpy(value, name)
    if is_sparse(value) or _is_other_sparse(value):
        remedy = "toarray" if is_sparse(value) else "todense"
        raise TypeError(
            f"{name} must be dense, got the sparse {type(value).__name__}. "
            f"Pass {name}.{remedy}() if it fits in memory."
        )
    if isinstance(value, np.ma.MaskedArray | np.matrix):
        raise TypeError(
            f"{name} must be a plain array, got numpy {type(value).__name__}, which is not "
            "supported. Pass numpy.asarray of the values that you mean."
        )
    if array_api_compat.is_torch_array(value):
        return _from_torch(value, name)
    if array_api_compat.is_jax_array(value):
        return _from_jax(value, name)
    if is_frame(value):
        return as_array(frame_array(value, name), name)
    if array_api_compat.is_array_api_obj(value):
        return _from_numpy(value, name) if isinstance(value, np.ndarray) else value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"{name} must be an array with rows of one length, got {type(value).__name__}: {error}"
        ) from error
    return _from_numpy(array, name)


def is_array(value: object) -> bool:
    """Whether `value` is an array of some library, and not a list or a number."""
    return bool(array_api_compat.is_array_api_obj(value))


def namespace_of(array: Array) -> Namespace:
    """Return the array-API namespace of `array`, wrapped where it needs wrapping."""
    # Asked several times in each iteration, and a tenth of a small one if it took the long way.
    if isinstance(array, np.ndarray | np.generic):
        return _numpy()
    return array_api_compat.array_namespace(array)


@cache
def _numpy() -> Namespace:
    """Return NumPy itself where it follows the standard in all that this package uses.

    The wrapper of older versions copies every name of NumPy, which takes 0.1 s to import, and adds
    a call to most functions. `sort` and `argsort` are the exception: NumPy's know no `descending`.
    """
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        return np
    return array_api_compat.array_namespace(np.empty(0))


def device_of(array: Array) -> Any:
    """Return the device of `array`."""
    return "cpu" if isinstance(array, np.ndarray) else array_api_compat.device(array)


def is_sparse(value: object) -> bool:
    """Return whether `value` is a sparse matrix of SciPy's or CuPy's."""
    kinds = (sys.modules.get(name) for name in ("scipy.sparse", "cupyx.scipy.sparse"))
    return any(kind is not None and bool(kind.issparse(value)) for kind in kinds)


def _is_other_sparse(value: object) -> bool:
    jax_sparse = sys.modules.get("jax.experimental.sparse")
    if jax_sparse is not None and isinstance(value, jax_sparse.JAXSparse):
        return True
    return bool(array_api_compat.is_pydata_sparse_array(value))


def _from_torch(value: Any, name: str) -> Any:
    """Return a tensor without its history; refuse one that is not dense, or has no values."""
    torch = sys.modules["torch"]
    if value.layout is not torch.strided or value.is_nested:
        kind = "nested" if value.is_nested else str(value.layout).removeprefix("torch.")
        remedy = "torch.nested.to_padded_tensor" if value.is_nested else f"{name}.to_dense()"
        raise TypeError(f"{name} must be a dense tensor, got a {kind} one. Pass {remedy}.")
    if value.is_quantized:
        raise TypeError(
            f"{name} must hold plain numbers, got a quantized tensor. Pass {name}.dequantize()."
        )
    if value.device.type == "meta" or torch._C._functorch.is_functorch_wrapped_tensor(value):
        raise TypeError(
            f"{name} must hold values, got a tensor that has none, or none yet (of the device "
            "'meta', or inside torch.func.vmap or grad). Call kmeans_xp outside of these."
        )
    return value.detach()


def _from_jax(value: Any, name: str) -> Any:
    """Return a JAX array; refuse one that has no values yet, or is on several devices."""
    jax = sys.modules["jax"]
    if isinstance(value, jax.core.Tracer):
        raise TypeError(
            f"{name} must hold values, got a JAX tracer, which has none yet. Call kmeans_xp "
            "outside of jax.jit, jax.vmap and jax.grad."
        )
    count = len(value.sharding.device_set)
    if count > 1:
        raise TypeError(
            f"{name} must be on one device, got a JAX array on {count} of them. Pass "
            f"jax.device_put({name}, jax.devices()[0]) if it fits there."
        )
    return value


def _from_numpy(value: np.ndarray, name: str) -> np.ndarray:
    """Give object arrays a number type; leave every other array as it is."""
    if value.dtype.kind != "O":
        return value
    try:
        return value.astype(np.float64)
    except TypeError as error:
        raise TypeError(f"{name} must hold numbers only: {error}") from error
    except ValueError as error:
        raise ValueError(f"{name} must hold numbers only: {error}") from error
