"""Two devices of 16 GiB, and which of them each thread works on."""

import threading
from typing import Any

from cupy.counts import add_synchronization

is_hip = False
DEVICES = 2
TOTAL = 16 << 30  # bytes of each device
used = dict.fromkeys(range(DEVICES), 0)  # bytes, by device


class CUDARuntimeError(RuntimeError):
    pass


class _Current(threading.local):
    device = 0


_current = _Current()


def getDeviceCount() -> int:
    return DEVICES


def getDevice() -> int:
    return _current.device


def setDevice(device: int) -> None:
    if device not in used:
        raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
    _current.device = device


def getDeviceProperties(device: int) -> dict[str, Any]:
    if device not in used:
        raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
    return {
        "name": b"stand-in on NumPy",
        "totalGlobalMem": TOTAL,
        "multiProcessorCount": 1,
        "major": 9,
        "minor": 0,
    }


def memGetInfo() -> tuple[int, int]:
    return TOTAL - used[getDevice()], TOTAL


def deviceSynchronize() -> None:
    add_synchronization("deviceSynchronize")


def runtimeGetVersion() -> int:
    return 12090


def driverGetVersion() -> int:
    return 12090
