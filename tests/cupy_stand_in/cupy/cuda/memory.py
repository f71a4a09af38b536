"""Bytes on a device: who holds them, and how many are left."""

from cupy.counts import add_allocated, lock
from cupy.cuda import runtime


class OutOfMemoryError(MemoryError):
    pass


class Memory:
    """Bytes on the current device, which an array and its views give back with the last of them."""

    __slots__ = ("device_id", "size")

    def __init__(self, size: int) -> None:
        self.device_id, self.size = runtime.getDevice(), 0
        if size > runtime.memGetInfo()[0]:
            raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes")
        self.size = size
        self._hold(size)

    def __del__(self) -> None:
        self._hold(-self.size)

    def _hold(self, size: int) -> None:
        with lock:
            runtime.used[self.device_id] += size
        add_allocated(size)


class MemoryPool:
    """That of the current device. It keeps nothing that was given back."""

    def used_bytes(self) -> int:
        return runtime.used[runtime.getDevice()]

    def total_bytes(self) -> int:
        return self.used_bytes()

    def free_all_blocks(self) -> None:
        """Give back what is not used: that has been done already."""
