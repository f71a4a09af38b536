"""Bytes on a device: who holds them, and how many are left."""

from cupy.counts import add_allocated
from cupy.cuda import runtime


class OutOfMemoryError(MemoryError):
    pass


class Memory:
    """Bytes on the current device, which an array and its views give back with the last of them."""

    __slots__ = ("device_id", "size")

    def __init__(self, size: int) -> None:
        self.size, self.device_id = 0, runtime.getDevice()
        used = runtime.used[self.device_id]
        if used + size > runtime.TOTAL:
            raise OutOfMemoryError(
                f"Out of memory allocating {size:,} bytes (allocated so far: {used:,} bytes)."
            )
        self.size = size
        self._hold(size)

    def __del__(self) -> None:
        self._hold(-self.size)

    def _hold(self, size: int) -> None:
        runtime.used[self.device_id] += size
        add_allocated(size)


class MemoryPool:
    """The memory pool of the current device. It keeps nothing that was given back."""

    def used_bytes(self) -> int:
        return runtime.used[runtime.getDevice()]

    def total_bytes(self) -> int:
        return self.used_bytes()

    def free_bytes(self) -> int:
        return 0

    def free_all_blocks(self) -> None:
        """Give back what is not used: it has been given back already."""
