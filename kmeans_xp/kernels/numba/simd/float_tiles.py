"""Products of eight rows with thirty-two centres, all of them kept in registers.

OpenBLAS has no kernels for the widest vectors of some processors. LLVM knows them all.
Imported only where Numba is. The operation is written in NumPy and for LLVM, as in `vector`.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.simd.vector import INT64, LANES, everywhere, lowered_by, product_plus

# Rows and vectors of centres of a tile.
ROWS, VECTORS = 8, 2
PANEL = VECTORS * LANES


def panels_of(centers: np.ndarray) -> np.ndarray:
    """Return centres, (k, d), in panels, (p, d, 32), of which the last is filled up with zeros."""
    k, d = centers.shape
    whole = np.zeros((-(-k // PANEL) * PANEL, d), centers.dtype)
    whole[:k] = centers
    return np.ascontiguousarray(whole.reshape(-1, PANEL, d).transpose(0, 2, 1))


def _lower_product_tile(
    context: Any, rows: Any, panels: Any, panel: Any, out: Any, start: Any
) -> Any:
    signature = types.void(rows, panels, types.intp, out, types.intp)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, c, y = (
            context.make_array(signature.args[n])(context, builder, args[n]) for n in (0, 1, 3)
        )
        d, width = (builder.extract_value(array.shape, 1) for array in (x, y))
        first = builder.gep(c.data, [builder.mul(builder.mul(args[2], d), INT64(PANEL))])
        several = _together(signature.args[0].dtype)
        for start in range(0, ROWS, several):
            places = [INT64(row) for row in range(start, start + several)]
            lines = [builder.gep(x.data, [builder.mul(d, row)]) for row in places]
            at = [builder.add(args[4], builder.mul(width, row)) for row in places]
            _products(builder, lines, first, d, [builder.gep(y.data, [line]) for line in at])
        return context.get_dummy_value()

    return signature, build


@lowered_by(_lower_product_tile)
def product_tile(
    rows: np.ndarray, panels: np.ndarray, panel: int, out: np.ndarray, start: int
) -> None:
    """Write the products of eight rows with a panel of centres.

    Parameters
    ----------
    rows : array of shape (8, d)
    panels : array of shape (p, d, 32)
        Centres, thirty-two to a panel, feature by feature.
    panel : int
        Which panel.
    out : array of shape (8, m)
    start : int
        The first of the thirty-two columns of `out` that are written to.
    """
    products = np.zeros((ROWS, PANEL), out.dtype)
    for f in range(rows.shape[1]):
        products = product_plus(rows[:, f, None], panels[panel, f], products)
    out[:, start : start + PANEL] = products


def _together(number: Any) -> int:
    """Return how many rows have sums that together fill half of the registers.

    A vector in double precision takes two of the widest, and of others one takes two or four.
    """
    return (ROWS if compiling.widest_vectors() else ROWS // 4) // (
        1 if number == types.float32 else 2
    )


def _products(builder: Any, rows: list[Any], first: Any, d: Any, out: list[Any]) -> None:
    number = first.type.pointee
    vector = ir.VectorType(number, LANES)
    zero = ir.Constant(vector, [0.0] * LANES)
    sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(VECTORS)] for _ in rows]
    name = f"llvm.fma.v{LANES}f{32 if isinstance(number, ir.FloatType) else 64}"
    kind = ir.FunctionType(vector, [vector] * 3)
    fma = cgutils.get_or_insert_function(builder.module, kind, name)
    with cgutils.for_range(builder, d) as loop:
        at = builder.gep(first, [builder.mul(loop.index, INT64(PANEL))])
        centers = [builder.load(_place(builder, at, v, vector), align=4) for v in range(VECTORS)]
        for row, totals in zip(rows, sums, strict=True):
            value = builder.load(builder.gep(row, [loop.index]))
            value = everywhere(builder, value, vector)
            for total, center in zip(totals, centers, strict=True):
                builder.store(builder.call(fma, [value, center, builder.load(total)]), total)
    for line, totals in zip(out, sums, strict=True):
        for v, total in enumerate(totals):
            builder.store(builder.load(total), _place(builder, line, v, vector), align=4)


def _place(builder: Any, at: Any, v: int, vector: Any) -> Any:
    return builder.bitcast(builder.gep(at, [INT64(v * LANES)]), vector.as_pointer())
