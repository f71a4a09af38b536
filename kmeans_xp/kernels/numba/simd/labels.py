"""What is read and written for the labels of sixteen rows at a time.

Imported only where Numba is. Each operation is written in NumPy and for LLVM, as in `vector`.
Limits of labels begin with that of label -1, which rows have that have no label yet.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.simd.gather import indices_of
from kmeans_xp.kernels.numba.simd.vector import (
    INT32,
    INT64,
    LANES,
    Lanes,
    bits_of,
    data_of,
    everywhere,
    lowered_by,
    sixteen_at,
    vector_of,
)

FLOATS, INTS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(INT32, LANES)


def _lower_used_up(context: Any, gaps: Any, labels: Any, limits: Any, start: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        gaps, labels, limits = (data_of(context, builder, signature, args, i) for i in range(3))
        first = builder.bitcast(builder.gep(gaps, [args[3]]), FLOATS.as_pointer())
        labels, limits = builder.gep(labels, [args[3]]), builder.gep(limits, [INT64(1)])
        found = ir.Constant(FLOATS, ir.Undefined)
        for lane in range(LANES):
            label = builder.sext(builder.load(builder.gep(labels, [INT64(lane)])), INT64)
            limit = builder.load(builder.gep(limits, [label]))
            found = builder.insert_element(found, limit, INT32(lane))
        enough = builder.fcmp_ordered(">", builder.load(first, align=4), found)
        return builder.zext(builder.bitcast(builder.not_(enough), ir.IntType(LANES)), INT64)

    return types.int64(gaps, labels, limits, types.intp), build


@lowered_by(_lower_used_up)
def used_up(gaps: np.ndarray, labels: np.ndarray, limits: np.ndarray, start: int) -> int:
    """Return an integer with a bit for each of sixteen rows, 0 where its gap is above its limit."""
    enough = sixteen_at(gaps, start) > limits[sixteen_at(labels, start) + 1]
    return bits_of(~enough)


def _lower_pack(context: Any, rows: Any, count: Any, first: Any, bits: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = builder.gep(data_of(context, builder, signature, args, 0), [args[1]])
        numbers = _numbers_from(builder, builder.trunc(args[2], INT32))
        bits = builder.trunc(args[3], ir.IntType(LANES))
        if compiling.widest_vectors():
            mask = builder.bitcast(bits, ir.VectorType(ir.IntType(1), LANES))
            kind = ir.FunctionType(INTS, [INTS, INTS, mask.type])
            name = f"llvm.x86.avx512.mask.compress.v{LANES}i32"
            compress = cgutils.get_or_insert_function(builder.module, kind, name)
            packed = builder.call(compress, [numbers, numbers, mask])
            builder.store(packed, builder.bitcast(start, INTS.as_pointer()), align=4)
        else:
            place = INT64(0)
            for lane in range(LANES):
                number = builder.extract_element(numbers, INT32(lane))
                builder.store(number, builder.gep(start, [place]))
                bit = builder.and_(builder.lshr(args[3], INT64(lane)), INT64(1))
                place = builder.add(place, bit)
        return builder.add(args[1], builder.ctpop(args[3]))

    return types.int64(rows, types.intp, types.intp, types.int64), build


@lowered_by(_lower_pack)
def pack(rows: np.ndarray, count: int, first: int, bits: int) -> int:
    """Write first + i for each bit i that is 1, from the place `count` on.

    Sixteen places are written to; those that are left over hold anything.

    Returns
    -------
    int
        The place after the last number.
    """
    (places,) = np.nonzero(int(bits) >> np.arange(LANES) & 1)
    sixteen_at(rows, count)[: len(places)] = first + places
    return count + len(places)


def _lower_labels_at(context: Any, labels: Any, rows: Any, start: Any, real: Any) -> Any:
    signature = Lanes(real)(labels, rows, types.intp, real)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data, found = data_of(context, builder, signature, args, 0), ir.Constant(INTS, ir.Undefined)
        for lane, row in enumerate(indices_of(context, builder, signature, args)):
            label = builder.load(builder.gep(data, [row]))
            found = builder.insert_element(found, label, INT32(lane))
        return builder.sitofp(found, vector_of(signature.return_type))

    return signature, build


@lowered_by(_lower_labels_at)
def labels_at(labels: np.ndarray, rows: np.ndarray, start: int, real: Any) -> np.ndarray:
    """Return the labels of the rows whose indices are the sixteen of `rows` from `start` on.

    They are floats, of the type of the number `real`.
    """
    return labels[sixteen_at(rows, start)].astype(type(real))


def _lower_limits_at(context: Any, limits: Any, labels: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = builder.gep(data_of(context, builder, signature, args, 0), [INT64(1)])
        places = builder.fptosi(args[1], INTS)
        found = ir.Constant(args[1].type, ir.Undefined)
        for lane in range(LANES):
            place = builder.sext(builder.extract_element(places, INT32(lane)), INT64)
            limit = builder.load(builder.gep(data, [place]))
            found = builder.insert_element(found, limit, INT32(lane))
        return found

    return labels(limits, labels), build


@lowered_by(_lower_limits_at)
def limits_at(limits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the limits of sixteen labels."""
    return limits[labels.astype(np.int32) + 1]


def _numbers_from(builder: Any, first: Any) -> Any:
    """Return sixteen numbers from `first` on."""
    return builder.add(everywhere(builder, first, INTS), ir.Constant(INTS, list(range(LANES))))
