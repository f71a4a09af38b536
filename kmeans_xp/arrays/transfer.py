"""The only place where arrays cross between host and device, or between namespaces."""

from typing import Any

import array_api_compat
import numpy as np

from kmeans_xp.arrays.namespace import Array, Namespace, device_of, namespace_of


def to_host(array: Array) -> np.ndarray:
    """Copy a (small) array to the host, whatever its namespace and device.

    Parameters
    ----------
    array : array
        Any shape.

    Returns
    -------
    numpy.ndarray
        The same values; `array` itself where it is a NumPy array already.
    """
    if isinstance(array, (np.ndarray, np.generic)):
        return np.asarray(array)
    if array_api_compat.is_cupy_array(array):
        return array.get()
    if array_api_compat.is_torch_array(array):
        return array.detach().cpu().numpy()
    if array_api_compat.is_dask_array(array):
        return to_host(array.compute())
    if array_api_compat.is_array_api_strict_namespace(namespace_of(array)):
        xp = namespace_of(array)
        return np.from_dlpack(array.to_device(xp.Device("CPU_DEVICE")))
    return np.asarray(array)


def to_like(
    values: Any, like: Array, dtype: Any = None, *, xp: Namespace = None, device: Any = None
) -> Array:
    """Copy a (small) host array or list into `like`'s namespace and onto its device."""
    xp = namespace_of(like) if xp is None else xp
    device = device_of(like) if device is None else device
    return xp.asarray(values, dtype=dtype, device=device)
