"""Where the work is done: which backend, which device, which dtype."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmeans_xp.arrays import device_of, namespace_of
from kmeans_xp.arrays.backends import NAMES, place
from kmeans_xp.cli.array_files import check_copy
from kmeans_xp.cli.errors import CliError
from kmeans_xp.cli.inputs import Array
from kmeans_xp.cli.scaling import Scaling

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Target:
    """Backend, device and dtype, as the user asked for them; None for the default."""

    backend: str = NAMES[0]
    device: str | None = None
    dtype: str | None = None

    def check(self) -> None:
        """Try the backend and the device on one number, before any file is read."""
        if self.dtype not in (None, *DTYPES):
            raise CliError(f"--dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        probe = self.place(np.zeros(1, dtype=self.dtype or np.float32))
        if self.dtype is not None and probe.dtype != getattr(namespace_of(probe), self.dtype):
            raise CliError(
                f"--dtype {self.dtype}: {self.backend} on {device_of(probe)} has no "
                f"{self.dtype} here (it gives {probe.dtype})"
            )

    def host_dtype(self, rows: Array) -> np.dtype:
        """Return the dtype in which `rows` will be clustered."""
        if self.dtype is not None:
            return np.dtype(self.dtype)
        kept = rows.dtype.newbyteorder("=")
        if kept == np.float16:
            return np.dtype(np.float32)
        return kept if kept in (np.float32, np.float64) else np.dtype(np.float64)

    def prepare(self, rows: Array, scaling: Scaling | None) -> Array:
        """Standardise and convert host rows; rows that need neither stay as they are."""
        dtype = self.host_dtype(rows)
        if scaling is not None:
            return scaling.apply(rows, dtype)
        if self.dtype is None or rows.dtype == dtype:
            return rows
        check_copy(rows, f"--dtype {dtype}")
        return rows.astype(dtype)

    def place(self, host: Array) -> Any:
        """Put host rows where the work is done; a mapped file for NumPy stays mapped."""
        if isinstance(host, np.memmap) and self.backend == NAMES[0] and self.device is None:
            return host
        with warnings.catch_warnings():
            # Libraries warn of read-only memory, which is only read here, and of what they
            # deprecate in their own lists of devices.
            warnings.simplefilter("ignore")
            return place(host, self.backend, self.device)


def device_name(array: Any) -> str:
    """Return the printed name of an array's device."""
    return str(device_of(array))
