"""Say how precise matrix products are, and end with 1 where the library's lack bits of their dtype.

TF32 in the place of float32 shows as an error near 3e-4. The library shuts out what it can; the
environment may leave bare products less precise, which is said and no failure.
"""

# ruff: noqa: D103, T201  (a script: it prints)
import sys

import numpy as np

from benchmarks.grid import Target, targets
from benchmarks.scaling import place
from kmeans_xp.arrays import namespace_of, to_host
from kmeans_xp.arrays.precision import full_precision

# Relative errors, by the norm: several times what products of these sides show.
LIMITS = {"float32": 3e-6, "float64": 1e-14}
SIDES = (1_024, 512, 1_024)
# Rows that are compared: their reference takes extended precision, which is slow.
COMPARED = 16


def main() -> int:
    rng, places, failed = np.random.default_rng(), targets(("cupy", "torch")), False
    for dtype, limit in LIMITS.items():
        m, inner, n = SIDES
        a, b = rng.standard_normal((m, inner)), rng.standard_normal((inner, n))
        a, b = a.astype(dtype), b.astype(dtype)
        exact = a[:COMPARED].astype(np.longdouble) @ b.astype(np.longdouble)
        for target in places:
            bare, kept = _errors(target, a, b, exact)
            outcome = "ok" if kept <= limit else f"FAILED: above {limit:g}"
            print(f"{dtype} on {target.name}: {kept:.1e}, bare {bare:.1e}: {outcome}")
            failed |= not kept <= limit
    return int(failed)


def _errors(target: Target, a: np.ndarray, b: np.ndarray, exact: np.ndarray) -> tuple[float, float]:
    """The relative errors of a bare product, and of one in full precision."""
    left, right = place(a, target), place(b, target)
    bare = to_host(left @ right)
    with full_precision(namespace_of(left)):
        kept = to_host(left @ right)
    return _error(bare, exact), _error(kept, exact)


def _error(found: np.ndarray, exact: np.ndarray) -> float:
    difference = (found[:COMPARED] - exact).astype(np.float64)
    return float(np.linalg.norm(difference) / np.linalg.norm(exact.astype(np.float64)))


if __name__ == "__main__":
    sys.exit(main())
