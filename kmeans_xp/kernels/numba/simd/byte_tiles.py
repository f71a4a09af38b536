"""Products of thirty-two rows with four centres, all of bytes, added up in registers.

Imported only where Numba is. The operation is written in NumPy and for LLVM, as in `vector`.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.simd.vector import INT32, INT64, LANES, everywhere, lowered_by

# Rows and centres of a tile.
ROWS, CENTERS = 2 * LANES, 4
VECTOR, PRODUCTS = ir.VectorType(INT32, LANES), ir.VectorType(INT32, 2 * LANES)
PAIRS = ir.VectorType(ir.IntType(16), 2 * LANES)


def _lower_byte_tile(
    context: Any, rows: Any, first: Any, centers: Any, at: Any, starts: Any, out: Any
) -> Any:
    signature = types.void(rows, types.intp, centers, types.intp, starts, out)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, c, s, y = (
            context.make_array(signature.args[n])(context, builder, args[n]) for n in (0, 2, 4, 5)
        )
        width = builder.extract_value(c.shape, 1)
        half = builder.gep(x.data, [builder.add(args[1], builder.mul(width, INT64(LANES)))])
        halves = [builder.gep(x.data, [args[1]]), half]
        places = [builder.add(args[3], INT64(n)) for n in range(CENTERS)]
        lines = [builder.gep(c.data, [builder.mul(place, width)]) for place in places]
        starts = [builder.load(builder.gep(s.data, [n])) for n in places]
        begin = [everywhere(builder, start, VECTOR) for start in starts]
        sums = [[cgutils.alloca_once_value(builder, b) for _ in halves] for b in begin]
        with cgutils.for_range(builder, width) as loop:
            _add(builder, halves, lines, loop.index, sums, compiling.byte_products())
        for place, pair in zip(places, sums, strict=True):
            for n, total in enumerate(pair):
                start = builder.add(builder.mul(place, INT64(ROWS)), INT64(n * LANES))
                vector = ir.VectorType(y.data.type.pointee, LANES)
                target = builder.bitcast(builder.gep(y.data, [start]), vector.as_pointer())
                builder.store(builder.sitofp(builder.load(total), vector), target, align=4)
        return context.get_dummy_value()

    return signature, build


@lowered_by(_lower_byte_tile)
def byte_tile(
    rows: np.ndarray, first: int, centers: np.ndarray, at: int, starts: np.ndarray, out: np.ndarray
) -> None:
    """Write the products of thirty-two rows with four centres to as many rows of `out`, (m, 32).

    Parameters
    ----------
    rows : array of int32
        Four features each, as unsigned bytes: by sixteen rows, and for these by features.
    first : int
        Where the rows begin.
    centers : array of shape (m, w), int32
        Four features each, as signed bytes.
    at : int
        The first of the centres.
    starts : array of shape (m,), int32
        What each product begins with.
    """
    words, width = rows.reshape(-1)[first:], centers.shape[1]
    halves = words[: ROWS * width].reshape(2, width, LANES, 1).view(np.uint8)
    fours = centers[at : at + CENTERS, None, :, None, None].view(np.int8)
    products = (halves * fours.astype(np.int32)).sum(axis=(2, 4), dtype=np.int32)
    sums = starts[at : at + CENTERS, None] + products.reshape(CENTERS, ROWS)
    out[at : at + CENTERS] = sums


def _add(
    builder: Any, halves: list[Any], lines: list[Any], quad: Any, sums: Any, instruction: bool
) -> None:
    """Add the products of four features to the sums."""
    places = [builder.gep(half, [builder.mul(quad, INT64(LANES))]) for half in halves]
    rows = [builder.load(builder.bitcast(at, VECTOR.as_pointer()), align=4) for at in places]
    for line, pair in zip(lines, sums, strict=True):
        center = everywhere(builder, builder.load(builder.gep(line, [quad])), VECTOR)
        for row, total in zip(rows, pair, strict=True):
            new = _products(builder, builder.load(total), row, center, instruction)
            builder.store(new, total)


def _products(builder: Any, total: Any, rows: Any, center: Any, instruction: bool) -> Any:
    """Return the total and the products of four unsigned bytes with four signed ones."""
    if instruction:
        kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
        name = "llvm.x86.avx512.vpdpbusd.512"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, [total, rows, center])
    for a, b in zip(_pairs(builder, rows, False), _pairs(builder, center, True), strict=True):
        # LLVM knows this pattern: products of 16 bits, two neighbours added up.
        product = builder.mul(builder.sext(a, PRODUCTS), builder.sext(b, PRODUCTS))
        none = ir.Constant(PRODUCTS, ir.Undefined)
        for first in (0, 1):
            places = ir.Constant(VECTOR, list(range(first, 2 * LANES, 2)))
            total = builder.add(total, builder.shuffle_vector(product, none, places))
    return total


def _pairs(builder: Any, words: Any, signed: bool) -> tuple[Any, Any]:
    """Return the first and the second byte of each two, as numbers of 16 bits."""
    pairs, eight = builder.bitcast(words, PAIRS), ir.Constant(PAIRS, [8] * 2 * LANES)
    down = builder.ashr if signed else builder.lshr
    return down(builder.shl(pairs, eight), eight), down(pairs, eight)
