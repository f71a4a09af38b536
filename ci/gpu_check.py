"""Say what a GPU box has, and end with 1 where it lacks what ``ci/gpu`` needs."""

# ruff: noqa: D103, T201  (a script: it prints)
import os
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

NEEDED = (
    "numpy",
    "cupy",
    "sklearn",
    "array_api_compat",
    "array_api_extra",
    "pytest",
    "hypothesis",
    "matplotlib",
)
# Distributions. They are not imported: that takes long.
WELCOME = ("numba", "torch", "triton", "flash-kmeans", "jax", "pytest-xdist")
# What the environment may say about products and threads.
SWITCHES = ("CUPY_", "CUBLAS_", "CUDA_VISIBLE", "NVIDIA_TF32", "OMP_", "TORCH_ALLOW_TF32")


def main() -> int:
    print(f"Python {sys.version.split()[0]}, {len(os.sched_getaffinity(0))} processors")
    lacking = [name for name in NEEDED if not _show(name)]
    for name in WELCOME:
        try:
            print(name, version(name))
        except PackageNotFoundError:
            print(f"{name}: not installed")
    for name in sorted(os.environ):
        if name.startswith(SWITCHES):
            print(f"{name}={os.environ[name]}")
    if lacking:
        print(f"ci/gpu cannot run without: {', '.join(lacking)}", file=sys.stderr)
        return 1
    return _gpus()


def _show(name: str) -> bool:
    try:
        module = import_module(name)
    except ImportError as error:
        print(f"{name}: cannot be imported ({error})")
        return False
    print(f"{name} {getattr(module, '__version__', '')}")
    return True


def _gpus() -> int:
    import cupy

    runtime = cupy.cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        print(f"CuPy finds no usable GPU: {error}", file=sys.stderr)
        return 1
    print(f"CUDA runtime {runtime.runtimeGetVersion()}, driver {runtime.driverGetVersion()}")
    for number in range(count):
        name = runtime.getDeviceProperties(number)["name"].decode()
        with cupy.cuda.Device(number):
            free, total = (size / 2**30 for size in runtime.memGetInfo())
        print(f"GPU {number}: {name}, {free:.1f} of {total:.1f} GiB free")
    # Compiling a kernel finds a toolkit that does not match the driver, which counting does not.
    total = int((cupy.arange(10) ** 2).sum())
    if total != 285:
        print(f"CuPy computes 285 as {total}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
