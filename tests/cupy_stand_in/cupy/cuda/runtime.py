"""Two devices of 16 GiB, and which of them each thread works on."""

import threading
from typing import Any

DEVICES = 2
TOTAL = 16 << 30  # bytes of each device
used = dict.fromkeys(range(DEVICES), 0)  # bytes, by device
is_hip = False


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
    getDeviceProperties(device)
    _current.device = device


def getDeviceProperties(device: int) -> dict[str, Any]:
    if device not in used:
        raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
    return {"name": b"stand-in on NumPy", "totalGlobalMem": TOTAL, "multiProcessorCount": 1}


def memGetInfo() -> tuple[int, int]:
    return TOTAL - used[getDevice()], TOTAL


def runtimeGetVersion() -> int:
    return 12090


def driverGetVersion() -> int:
    return 12090
