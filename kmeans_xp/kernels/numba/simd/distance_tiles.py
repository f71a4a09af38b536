"""Squared distances of eight rows to sixteen centres, kept in registers.

By direct differences, which processors of two adders and two multipliers take no longer for than
for products. Imported only where Numba is. Each operation is written in NumPy and for LLVM, as in
`vector`.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.simd.vector import (
    INT64,
    LANES,
    everywhere,
    lowered_by,
    product_plus,
    vector_of,
)

# Rows that are looked at together.
ROWS = 8


def _lower_distance_tile(context: Any, rows: Any, columns: Any, part: Any, out: Any) -> Any:
    signature = types.void(rows, columns, types.intp, out)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, c, y = (
            context.make_array(signature.args[n])(context, builder, args[n]) for n in (0, 1, 3)
        )
        d = builder.extract_value(x.shape, 1)
        first = builder.gep(c.data, [builder.mul(builder.mul(args[2], d), INT64(LANES))])
        target = builder.gep(y.data, [builder.mul(args[2], INT64(ROWS * LANES))])
        several = _together(signature.args[0].dtype)
        for start in range(0, ROWS, several):
            places = [INT64(row) for row in range(start, start + several)]
            lines = [builder.gep(x.data, [builder.mul(d, row)]) for row in places]
            at = [builder.gep(target, [builder.mul(row, INT64(LANES))]) for row in places]
            _squares(builder, lines, first, d, at)
        return context.get_dummy_value()

    return signature, build


@lowered_by(_lower_distance_tile)
def distance_tile(rows: np.ndarray, columns: np.ndarray, part: int, out: np.ndarray) -> None:
    """Write the squared distances of eight rows to a part of the centres, sixteen of them.

    Parameters
    ----------
    rows : array of shape (8, d)
    columns : array of shape (p, d, 16)
        Centres, sixteen to a part, feature by feature.
    part : int
        Which part.
    out : array of 128p numbers
        For each part and row sixteen squared distances.
    """
    squares = np.zeros((ROWS, LANES), out.dtype)
    for f in range(rows.shape[1]):
        difference = columns[part, f] - rows[:, f, None]
        squares = product_plus(difference, difference, squares)
    out.reshape(-1, ROWS, LANES)[part] = squares


def _together(number: Any) -> int:
    """Return how many rows have sums that together fill half of the registers."""
    if compiling.widest_vectors():
        return ROWS
    return ROWS // (2 if number == types.float32 else 4)


def _squares(builder: Any, rows: list[Any], first: Any, d: Any, out: list[Any]) -> None:
    vector = ir.VectorType(first.type.pointee, LANES)
    pointer = vector.as_pointer()
    sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * LANES)) for _ in rows]
    bits = 32 if isinstance(vector.element, ir.FloatType) else 64
    kind = ir.FunctionType(vector, [vector] * 3)
    fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f{bits}")
    with cgutils.for_range(builder, d) as loop:
        at = builder.gep(first, [builder.mul(loop.index, INT64(LANES))])
        centers = builder.load(builder.bitcast(at, pointer), align=4)
        for row, total in zip(rows, sums, strict=True):
            value = everywhere(builder, builder.load(builder.gep(row, [loop.index])), vector)
            way = builder.fsub(centers, value)
            builder.store(builder.call(fma, [way, way, builder.load(total)]), total)
    for place, total in zip(out, sums, strict=True):
        builder.store(builder.load(total), builder.bitcast(place, pointer), align=4)


def _lower_smallest(context: Any, a: Any) -> Any:
    def build(_context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number = vector_of(signature.args[0]).element
        size = 32 if isinstance(number, ir.FloatType) else 64
        whole = ir.VectorType(ir.IntType(size), LANES)
        kind = ir.FunctionType(ir.IntType(size), [whole])
        name = f"llvm.vector.reduce.umin.v{LANES}i{size}"
        reduce = cgutils.get_or_insert_function(builder.module, kind, name)
        bits = builder.call(reduce, [builder.bitcast(args[0], whole)])
        return builder.bitcast(bits, number)

    return a.dtype(a), build


@lowered_by(_lower_smallest)
def smallest(a: np.ndarray) -> Any:
    """Return the least of the numbers, none of which is below 0; NaN only if all are."""
    # Of numbers that are not below 0, the bits are in the same order, and those of NaN are last.
    return a.view(f"u{a.itemsize}").min(keepdims=True).view(a.dtype)[0]
