"""What the scaling benchmark measures: sizes, and the backends and devices that are here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_ACCELERATORS = ("cuda", "gpu", "hip", "mps", "rocm", "tpu", "xpu")


@dataclass(frozen=True)
class Target:
    """A backend on one of its devices."""

    backend: str
    device: str

    @property
    def is_gpu(self) -> bool:
        """Whether the device is an accelerator; Dask's own kind of device, say, is none."""
        return self.device.lower().startswith(_ACCELERATORS)

    @property
    def kind(self) -> str:
        """The device in a word for people."""
        return "GPU" if self.is_gpu else "CPU"

    @property
    def name(self) -> str:
        """Backend and kind of device, as tables and plots say it."""
        return f"{self.backend} {self.kind}"


@dataclass(frozen=True)
class Grid:
    """Numbers of rows for every pair of features and clusters."""

    rows: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]
    iterations: int
    # A target leaves out the sizes whose iteration would take longer than this.
    max_seconds: float
    # Targets on the processor take these numbers of rows alone; by default all.
    cpu_rows: tuple[int, ...] | None = None
    # No matrix of rows larger than this is made.
    max_bytes: int = 4 * 2**30

    def takes(self, target: Target, n: int) -> bool:
        """Whether a target is measured on so many rows."""
        return target.is_gpu or self.cpu_rows is None or n in self.cpu_rows


@dataclass(frozen=True)
class Point:
    """One target at one size."""

    backend: str
    device: str
    kind: str
    n: int
    d: int
    k: int
    seconds_per_iteration: float
    seconds_fit: float
    iterations: int
    inertia: float
    kernel: str
    # Of copying the rows from the host to a GPU.
    seconds_transfer: float | None = None

    @property
    def name(self) -> str:
        """The line of a table or plot that the point belongs to."""
        return f"{self.backend} {self.kind}"

    @property
    def name_with_transfer(self) -> str:
        """The line of `seconds_with_transfer`."""
        return f"{self.name}, with transfer"

    @property
    def seconds_with_transfer(self) -> float | None:
        """Of an iteration of the fit, if every one bears its part of the rows' transfer."""
        if self.seconds_transfer is None:
            return None
        return self.seconds_per_iteration + self.seconds_transfer / self.iterations


_SIZES = ((3, 16), (16, 64), (64, 256), (256, 1024))

GRIDS = {
    "quick": Grid((1_000, 10_000), ((3, 16), (16, 64)), iterations=3, max_seconds=0.3),
    "cpu": Grid(
        (1_000, 4_000, 16_000, 64_000, 256_000, 1_024_000),
        _SIZES,
        iterations=6,
        max_seconds=0.6,
    ),
    # The processor's few sizes leave a GPU's time to the GPU.
    "gpu": Grid(
        (10_000, 100_000, 1_000_000, 10_000_000),
        _SIZES,
        iterations=8,
        max_seconds=1.0,
        cpu_rows=(10_000, 100_000, 1_000_000),
    ),
}

# It only checks that code keeps to the standard: nobody computes with it.
_NOT_FOR_SPEED = frozenset({"array-api-strict"})


def targets(names: Sequence[str] = ()) -> list[Target]:
    """The installed backends, each on its first processor device and on its first GPU."""
    from kmeans_xp.arrays.backends import NAMES, installed

    found = []
    for backend in installed(names or [name for name in NAMES if name not in _NOT_FOR_SPEED]):
        every = [Target(backend.name, device) for device in backend.devices]
        for kind in ("CPU", "GPU"):
            found.extend([target for target in every if target.kind == kind][:1])
    return found


def choose(name: str, found: Sequence[Target]) -> Grid:
    """The grid of that name; ``auto`` takes the larger one where there is a GPU."""
    if name == "auto":
        name = "gpu" if any(target.is_gpu for target in found) else "cpu"
    return GRIDS[name]
