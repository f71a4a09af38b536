"""Counters that several threads use at once, without the interpreter's lock.

Imported only where Numba is.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.simd.vector import INT64, primitive

# How often a thread that finds no piece left asks whether the others are done.
SPINS = 1 << 14


@primitive
def count_up(context: Any, counters: Any, which: Any) -> Any:
    """Add 1 to a counter; return what it was."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = _counter_at(context, builder, signature, args)
        return builder.atomic_rmw("add", at, INT64(1), "seq_cst")

    return types.int64(counters, types.intp), build


@primitive
def counted(context: Any, counters: Any, which: Any) -> Any:
    """Return a counter."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = _counter_at(context, builder, signature, args)
        return builder.load_atomic(at, "seq_cst", 8)

    return types.int64(counters, types.intp), build


@primitive
def put(context: Any, counters: Any, which: Any, number: Any) -> Any:
    """Set a counter, and let others see all that was written before."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = _counter_at(context, builder, signature, args)
        builder.store_atomic(args[2], at, "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(counters, types.intp, types.int64), build


@primitive
def pause(context: Any) -> Any:
    """Leave the core's other thread more of it, for an instant."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if builder.module.triple.startswith(("x86_64", "i686")):
            kind = ir.FunctionType(ir.VoidType(), [])
            name = "llvm.x86.sse2.pause"
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
        return context.get_dummy_value()

    return types.void(), build


@compiling.part
def all_done(turns: Any, pieces: Any) -> Any:
    """Return whether all pieces are done that were taken, after a while of waiting for them."""
    for _ in range(SPINS):
        if counted(turns, 1) >= pieces:
            return True
        pause()
    return False


def _counter_at(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    counters = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(counters.data, [args[1]])
