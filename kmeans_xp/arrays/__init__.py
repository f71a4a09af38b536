"""Floor 0: what the array-API standard lacks.

Namespace and device of an array, checks of what a user passes, random draws made on the
host, and the only place where anything crosses between host and device.
"""

from kmeans_xp.arrays.namespace import Array, Namespace, as_array, device_of, namespace_of
from kmeans_xp.arrays.totals import Totals
from kmeans_xp.arrays.transfer import to_host, to_like

__all__ = [
    "Array",
    "Namespace",
    "Totals",
    "as_array",
    "device_of",
    "namespace_of",
    "to_host",
    "to_like",
]
