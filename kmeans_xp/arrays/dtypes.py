"""The floating dtype that an array is computed in, and the one that its sums are kept in."""

from typing import Any

import array_api_compat
import numpy as np

from kmeans_xp.arrays.namespace import Array, Namespace, device_of, namespace_of


def working_dtype(array: Array, name: str) -> Any:
    """Return the dtype in which `array` is clustered.

    float32 and float64 stay; half precision becomes float32; integers and bool become the
    namespace's default float.

    Raises
    ------
    TypeError, ValueError
        If `array` is complex, or holds no numbers.
    """
    xp = namespace_of(array)
    dtype = array.dtype
    if isinstance(array, np.ndarray):
        return _numpy_dtype(dtype, name)
    if dtype in (xp.float32, xp.float64):
        return dtype
    if xp.isdtype(dtype, "complex floating"):
        raise _complex_error(name, dtype)
    if xp.isdtype(dtype, "real floating"):
        return xp.float32
    if xp.isdtype(dtype, ("integral", "bool")):
        info = xp.__array_namespace_info__()
        return info.default_dtypes(device=_info_device(array))["real floating"]
    # Half precisions that the standard does not list, such as bfloat16.
    if "float" in str(dtype):
        return xp.float32
    raise TypeError(f"{name} must hold real numbers, got dtype {dtype}. Convert it to float64.")


def widest_float(xp: Namespace, device: Any) -> Any:
    """Return float64 where `device` has it, else float32: the dtype that sums are kept in."""
    if array_api_compat.is_numpy_namespace(xp):
        return xp.float64
    names = xp.__array_namespace_info__().dtypes(device=device, kind="real floating")
    return xp.float64 if "float64" in names else xp.float32


def _info_device(array: Array) -> Any:
    """Return the device by a name that the namespace's inspection functions take."""
    xp = namespace_of(array)
    device = device_of(array)
    return device if device in xp.__array_namespace_info__().devices() else None


def _numpy_dtype(dtype: np.dtype[Any], name: str) -> Any:
    native = dtype.newbyteorder("=")
    if native in (np.float32, np.float64):
        return native
    if native == np.float16:
        return np.dtype(np.float32)
    if native.kind in "biu":
        return np.dtype(np.float64)
    if native.kind == "c":
        raise _complex_error(name, dtype)
    if native.kind in "US":
        raise ValueError(
            f"{name} must hold numbers, got strings (dtype {dtype}). Convert them first, "
            f"for instance with {name}.astype(float)."
        )
    raise TypeError(f"{name} must hold real numbers, got dtype {dtype}. Convert it to float64.")


def _complex_error(name: str, dtype: Any) -> ValueError:
    return ValueError(
        f"Complex data not supported: {name} must hold real numbers, got dtype {dtype}. "
        f"Pass its real and imaginary parts as separate features."
    )
