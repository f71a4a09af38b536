"""Features of sixteen rows, wherever these are in memory.

Imported only where Numba is. Each operation is written in NumPy and for LLVM, as in `vector`.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from kmeans_xp.kernels.numba.simd.vector import (
    INT8,
    INT32,
    INT64,
    LANES,
    Lanes,
    data_of,
    lowered_by,
    sixteen_at,
    vector_of,
)


def _lower_column(context: Any, block: Any, first: Any, feature: Any) -> Any:
    signature = Lanes(block.dtype)(block, types.intp, types.intp)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width = _width(context, builder, signature, args)
        place = builder.add(builder.mul(args[1], width), args[2])
        at = builder.gep(data_of(context, builder, signature, args, 0), [place])
        found = ir.Constant(vector_of(signature.return_type), ir.Undefined)
        for lane in range(LANES):
            found = builder.insert_element(found, builder.load(at), INT32(lane))
            at = builder.gep(at, [width])
        return found

    return signature, build


@lowered_by(_lower_column)
def column(block: np.ndarray, first: int, feature: int) -> np.ndarray:
    """Return one feature of the sixteen rows from `first` on."""
    return block[first : first + LANES, feature].copy()


def _lower_gather(context: Any, rows: Any, which: Any, start: Any, feature: Any) -> Any:
    signature = Lanes(rows.dtype)(rows, which, types.intp, types.intp)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = ir.Constant(vector_of(signature.return_type), ir.Undefined)
        for lane, row in enumerate(_rows_at(context, builder, signature, args)):
            number = builder.load(builder.gep(row, [args[3]]))
            found = builder.insert_element(found, number, INT32(lane))
        return found

    return signature, build


@lowered_by(_lower_gather)
def gather(rows: np.ndarray, which: np.ndarray, start: int, feature: int) -> np.ndarray:
    """Return one feature of the rows whose indices are the sixteen of `which` from `start` on."""
    return rows[sixteen_at(which, start), feature]


def _lower_transpose(context: Any, rows: Any, which: Any, start: Any, feature: Any, x: Any) -> Any:
    signature = types.void(rows, which, types.intp, types.intp, x)

    # In four rounds vectors exchange every other number, pair, and so on. To load number by number
    # takes four times as long.
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = vector_of(Lanes(signature.args[0].dtype))
        ends = [builder.gep(row, [args[3]]) for row in _rows_at(context, builder, signature, args)]
        lanes = [builder.load(builder.bitcast(at, kind.as_pointer()), align=4) for at in ends]
        for step in (1, 2, 4, 8):
            lanes = [_exchanged(builder, lanes, step, place) for place in range(LANES)]
        first = builder.gep(
            data_of(context, builder, signature, args, 4), [builder.mul(args[3], INT64(LANES))]
        )
        for place, numbers in enumerate(lanes):
            at = builder.gep(first, [INT64(place * LANES)])
            builder.store(numbers, builder.bitcast(at, kind.as_pointer()), align=4)
        return context.get_dummy_value()

    return signature, build


@lowered_by(_lower_transpose)
def transpose(rows: np.ndarray, which: np.ndarray, start: int, feature: int, x: np.ndarray) -> None:
    """Write sixteen features, from `feature` on, of the rows that `gather` takes.

    Each feature is a vector, and feature f is written to the places of `x` from 16f on.
    """
    features = rows[sixteen_at(which, start), feature : feature + LANES]
    for place in range(LANES):
        sixteen_at(x, (feature + place) * LANES)[:] = features[:, place]


def _exchanged(builder: Any, lanes: list[Any], step: int, place: int) -> Any:
    """Return a vector with every other run of `step` lanes exchanged with its partner's."""
    low, back = place & ~step, bool(place & step)
    mask = [(lane & ~step) + back * step + ((lane & step) > 0) * LANES for lane in range(LANES)]
    mask = ir.Constant(ir.VectorType(INT32, LANES), mask)
    return builder.shuffle_vector(lanes[low], lanes[low + step], mask)


def _lower_prefetch(context: Any, rows: Any, which: Any, start: Any) -> Any:
    signature = types.void(rows, which, types.intp)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = INT8.as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, INT32, INT32, INT32])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        last = builder.sub(_width(context, builder, signature, args), INT64(1))
        for row in _rows_at(context, builder, signature, args):
            for end in (INT64(0), last):
                byte = builder.bitcast(builder.gep(row, [end]), pointer)
                builder.call(fetch, [byte, INT32(0), INT32(3), INT32(1)])
        return context.get_dummy_value()

    return signature, build


@lowered_by(_lower_prefetch)
def prefetch(rows: np.ndarray, which: np.ndarray, start: int) -> None:
    """Bring the rows near whose indices are the sixteen of `which` from `start` on.

    Any index will do. NumPy has nothing to do for it.
    """


def _lower_scatter(context: Any, numbers: Any, which: Any, start: Any, lanes: Any) -> Any:
    signature = types.void(numbers, which, types.intp, lanes)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = data_of(context, builder, signature, args, 0)
        for lane, i in enumerate(indices_of(context, builder, signature, args)):
            number = builder.extract_element(args[3], INT32(lane))
            if signature.args[3].dtype != types.float32:
                number = builder.fptrunc(number, ir.FloatType())
            builder.store(number, builder.gep(target, [i]))
        return context.get_dummy_value()

    return signature, build


@lowered_by(_lower_scatter)
def scatter(numbers: np.ndarray, which: np.ndarray, start: int, lanes: np.ndarray) -> None:
    """Write a vector as float32 to the sixteen places that `which` holds from `start` on."""
    numbers[sixteen_at(which, start)] = lanes


def indices_of(context: Any, builder: Any, signature: Any, args: Any) -> list[Any]:
    """Return sixteen of the second argument's numbers, from the third on."""
    first = builder.gep(data_of(context, builder, signature, args, 1), [args[2]])
    places = [builder.gep(first, [INT64(lane)]) for lane in range(LANES)]
    return [builder.sext(builder.load(place), INT64) for place in places]


def _rows_at(context: Any, builder: Any, signature: Any, args: Any) -> list[Any]:
    rows = data_of(context, builder, signature, args, 0)
    width = _width(context, builder, signature, args)
    indices = indices_of(context, builder, signature, args)
    return [builder.gep(rows, [builder.mul(i, width)]) for i in indices]


def _width(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    rows = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.extract_value(rows.shape, 1)


def _lower_prefetch_row(context: Any, rows: Any, row: Any) -> Any:
    signature = types.void(rows, types.intp)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        width = builder.extract_value(array.shape, 1)
        pointer = INT8.as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, INT32, INT32, INT32])
        bring = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        first = builder.gep(array.data, [builder.mul(args[1], width)])
        lines = builder.udiv(builder.add(width, INT64(LANES - 1)), INT64(LANES))
        with cgutils.for_range(builder, lines) as loop:
            at = builder.gep(first, [builder.mul(loop.index, INT64(LANES))])
            builder.call(bring, [builder.bitcast(at, pointer), INT32(0), INT32(3), INT32(1)])
        return context.get_dummy_value()

    return signature, build


@lowered_by(_lower_prefetch_row)
def prefetch_row(rows: np.ndarray, row: int) -> None:
    """Bring a row near. NumPy has nothing to do for it."""
