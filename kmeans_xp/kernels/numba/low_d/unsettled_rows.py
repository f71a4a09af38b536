"""Which rows the low-dimensional path looks at, sixteen at a time, and rows of one label together.

Imported only where Numba is.
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
    data_of,
    primitive,
    vector_of,
)

# How many rows ahead of those that are searched others are fetched.
AHEAD = 2 * LANES
# The place of a vector's label for all its rows, and how many vectors tell whether that will do.
AMID, SAMPLED = LANES // 2, 32
FLOATS, INTS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(INT32, LANES)
# Parts of the rows whose labels are counted side by side: a count that was written just now is
# slow to read, and neighbours often share their label.
PARTS = 4


@compiling.part
def unsettled(labels: Any, gaps: Any, limits: Any, found: Any) -> Any:
    """Write which rows may change their label; return how many.

    `limits` begin with that of label -1. The last row fills up a whole vector, and AHEAD more.
    """
    count, whole = 0, len(labels) // LANES * LANES
    for i in range(0, whole, LANES):
        count = pack(found, count, i, used_up(gaps, labels, limits, i))
    for i in range(whole, len(labels)):
        found[count] = i
        count += 0 if gaps[i] > limits[labels[i] + 1] else 1
    if count:
        found[count : count + LANES + AHEAD] = found[count - 1]
    return count


@compiling.part
def mixed(labels: Any, rows: Any, count: Any) -> Any:
    """Return which part of some rows have another label than the one amid their vector."""
    step = max(1, count // (LANES * SAMPLED)) * LANES
    seen, others = 0, 0
    for a in range(0, count, step):
        for b in range(a, a + LANES):
            others += labels[rows[b]] != labels[rows[a + AMID]]
        seen += LANES
    return others / seen if seen else 0.0


@primitive
def used_up(context: Any, gaps: Any, labels: Any, limits: Any, start: Any) -> Any:
    """Return an integer with a bit for each row from `start` on, 0 where its gap is enough."""

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


@primitive
def pack(context: Any, rows: Any, count: Any, first: Any, bits: Any) -> Any:
    """Write first + i for each bit i, from `count` on; return the count then.

    What comes next is overwritten.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = builder.gep(data_of(context, builder, signature, args, 0), [args[1]])
        numbers = _from(builder, builder.trunc(args[2], INT32))
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


@primitive
def labels_at(context: Any, labels: Any, rows: Any, start: Any, real: Any) -> Any:
    """Return the labels of the rows whose indices are those from `start` on, as floats."""
    signature = Lanes(real)(labels, rows, types.intp, real)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data, found = data_of(context, builder, signature, args, 0), ir.Constant(INTS, ir.Undefined)
        for lane, row in enumerate(indices_of(context, builder, signature, args)):
            label = builder.load(builder.gep(data, [row]))
            found = builder.insert_element(found, label, INT32(lane))
        return builder.sitofp(found, vector_of(signature.return_type))

    return signature, build


@primitive
def limits_at(context: Any, limits: Any, labels: Any) -> Any:
    """Return the limits of sixteen labels; `limits` begin with that of label -1."""

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


def _from(builder: Any, first: Any) -> Any:
    """Return sixteen numbers from `first` on."""
    none = ir.Constant(INTS, ir.Undefined)
    one = builder.insert_element(none, first, INT32(0))
    spread = builder.shuffle_vector(one, none, ir.Constant(INTS, [0] * LANES))
    return builder.add(spread, ir.Constant(INTS, list(range(LANES))))


@compiling.making
def group(labels: Any, found: Any, count: Any, k: Any) -> Any:
    """Return rows by label, and how many they are.

    Each label's rows fill up whole vectors, the last row as often as it takes.
    """
    size = count // PARTS
    # Of each part, and of the rows that are left over: how many of each label, then where.
    places = np.zeros((PARTS + 1, k), np.int64)
    for a in range(size):
        for p in range(PARTS):
            places[p, labels[found[p * size + a]]] += 1
    for a in range(PARTS * size, count):
        places[PARTS, labels[found[a]]] += 1
    starts = np.zeros(k + 1, np.int64)
    for j in range(k):
        end = starts[j]
        for p in range(PARTS + 1):
            places[p, j], end = end, end + places[p, j]
        starts[j + 1] = starts[j] + (end - starts[j] + LANES - 1) // LANES * LANES
    rows = np.empty(starts[k] + LANES + AHEAD, np.int32)
    for a in range(size):
        for p in range(PARTS):
            _put(rows, places[p], found[p * size + a], labels)
    for a in range(PARTS * size, count):
        _put(rows, places[PARTS], found[a], labels)
    for j in range(k):
        end = places[PARTS, j]
        for a in range(end, starts[j + 1]):
            rows[a] = rows[end - 1]
    rows[starts[k] :] = 0
    return rows, starts[k]


@compiling.part
def _put(rows: Any, places: Any, i: Any, labels: Any) -> None:
    """Write a row to the next place of its label."""
    rows[places[labels[i]]] = i
    places[labels[i]] += 1
