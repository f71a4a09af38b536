"""Devices, and the current one."""

from typing import Self

from cupy.counts import add_synchronization
from cupy.cuda import runtime


class Device:
    """A device by its number; without one, the current device."""

    compute_capability = "90"

    def __init__(self, device: "Device | int | None" = None) -> None:
        self.id = runtime.getDevice() if device is None else int(device)
        self._before: list[int] = []

    def __enter__(self) -> Self:
        before = runtime.getDevice()
        self.use()
        self._before.append(before)
        return self

    def __exit__(self, *_: object) -> None:
        runtime.setDevice(self._before.pop())

    def use(self) -> None:
        runtime.setDevice(self.id)

    def synchronize(self) -> None:
        add_synchronization("Device.synchronize")

    @property
    def mem_info(self) -> tuple[int, int]:
        with self:
            return runtime.memGetInfo()

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"
