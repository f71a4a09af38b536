"""Say what a GPU box has, and end with 1 where it lacks what ``ci/gpu`` needs."""

# ruff: noqa: D103, T201  (a script: it prints)
import sys
from importlib import import_module

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
WELCOME = ("torch", "jax", "pandas", "PIL")


def main() -> int:
    print(f"Python {sys.version.split()[0]}")
    lacking = [name for name in NEEDED if not _show(name)]
    for name in WELCOME:
        _show(name)
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

    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        print(f"CuPy finds no usable GPU: {error}", file=sys.stderr)
        return 1
    for number in range(count):
        properties = cupy.cuda.runtime.getDeviceProperties(number)
        memory = properties["totalGlobalMem"] / 2**30
        print(f"GPU {number}: {properties['name'].decode()}, {memory:.0f} GiB")
    # Compiling a kernel finds a toolkit that does not match the driver, which counting does not.
    total = int((cupy.arange(10) ** 2).sum())
    if total != 285:
        print(f"CuPy computes 285 as {total}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
