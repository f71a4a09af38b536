"""Products of eight rows with thirty-two centres, all of them kept in registers.

OpenBLAS has no kernels for the widest vectors of some processors. LLVM knows them all.
Imported only where Numba is.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from kmeans_xp.kernels.fast_vector import INT32, INT64, LANES

# Rows and vectors of centres of a tile: their sums fill half of thirty-two registers.
ROWS, VECTORS = 8, 2
PANEL = VECTORS * LANES


def _primitive(typer: Callable[..., Any]) -> Any:
    return intrinsic(typer)


@_primitive
def tile(context: Any, rows: Any, panels: Any, panel: Any, out: Any) -> Any:
    """Write the products of rows, (d, 8), with a panel of centres, (d, 32), to `out`, (8, 32).

    Arrays are contiguous, `panels` of shape (p, d, 32).
    """
    signature = types.void(rows, panels, types.intp, out)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, c, y = (
            context.make_array(signature.args[n])(context, builder, args[n]) for n in (0, 1, 3)
        )
        d = builder.extract_value(x.shape, 0)
        first = builder.gep(c.data, [builder.mul(builder.mul(args[2], d), INT64(PANEL))])
        # In double precision a vector takes two registers, and half of the rows fill them.
        several = ROWS if signature.args[0].dtype == types.float32 else ROWS // 2
        for start in range(0, ROWS, several):
            _products(builder, x.data, first, y.data, d, range(start, start + several))
        return context.get_dummy_value()

    return signature, build


def _products(builder: Any, x: Any, first: Any, y: Any, d: Any, places: range) -> None:
    number = x.type.pointee
    vector = ir.VectorType(number, LANES)
    zero = ir.Constant(vector, [0.0] * LANES)
    sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(VECTORS)] for _ in places]
    name = f"llvm.fma.v{LANES}f{32 if isinstance(number, ir.FloatType) else 64}"
    kind = ir.FunctionType(vector, [vector] * 3)
    fma = cgutils.get_or_insert_function(builder.module, kind, name)
    with cgutils.for_range(builder, d) as loop:
        at = builder.gep(first, [builder.mul(loop.index, INT64(PANEL))])
        here = builder.gep(x, [builder.mul(loop.index, INT64(ROWS))])
        centers = [_load(builder, at, v, vector) for v in range(VECTORS)]
        for row, totals in zip(places, sums, strict=True):
            value = builder.load(builder.gep(here, [INT64(row)]))
            value = _everywhere(builder, value, vector)
            for total, center in zip(totals, centers, strict=True):
                builder.store(builder.call(fma, [value, center, builder.load(total)]), total)
    for row, totals in zip(places, sums, strict=True):
        for v, total in enumerate(totals):
            at = builder.gep(y, [INT64(row * PANEL + v * LANES)])
            builder.store(builder.load(total), builder.bitcast(at, vector.as_pointer()), align=4)


def _load(builder: Any, at: Any, v: int, vector: Any) -> Any:
    place = builder.gep(at, [INT64(v * LANES)])
    return builder.load(builder.bitcast(place, vector.as_pointer()), align=4)


def _everywhere(builder: Any, number: Any, vector: Any) -> Any:
    none = ir.Constant(vector, ir.Undefined)
    zeros = ir.Constant(ir.VectorType(INT32, LANES), [0] * LANES)
    first = builder.insert_element(none, number, INT32(0))
    return builder.shuffle_vector(first, none, zeros)
