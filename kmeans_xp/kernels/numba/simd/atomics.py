"""Counters that several threads use at once, without the interpreter's lock.

Imported only where Numba is. Each operation is written in NumPy and for LLVM, as in `vector`.
"""

import time
from threading import Lock
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from kmeans_xp.kernels.numba.simd.vector import INT64, lowered_by

# Python adds 1 in several steps, between which another thread may run.
_counting = Lock()


def _lower_count_up(context: Any, counters: Any, which: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = _counter_at(context, builder, signature, args)
        return builder.atomic_rmw("add", at, INT64(1), "seq_cst")

    return types.int64(counters, types.intp), build


@lowered_by(_lower_count_up)
def count_up(counters: np.ndarray, which: int) -> int:
    """Add 1 to a counter, and return what it was."""
    with _counting:
        before = int(counters[which])
        counters[which] = before + 1
    return before


def _lower_read_counter(context: Any, counters: Any, which: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = _counter_at(context, builder, signature, args)
        return builder.load_atomic(at, "seq_cst", 8)

    return types.int64(counters, types.intp), build


@lowered_by(_lower_read_counter)
def read_counter(counters: np.ndarray, which: int) -> int:
    """Return a counter."""
    return int(counters[which])


def _lower_set_counter(context: Any, counters: Any, which: Any, number: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = _counter_at(context, builder, signature, args)
        builder.store_atomic(args[2], at, "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(counters, types.intp, types.int64), build


@lowered_by(_lower_set_counter)
def set_counter(counters: np.ndarray, which: int, number: int) -> None:
    """Set a counter. Whoever then reads it sees all that was written before."""
    counters[which] = number


def _lower_pause(context: Any) -> Any:
    # To the core's other thread.
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if builder.module.triple.startswith(("x86_64", "i686")):
            kind = ir.FunctionType(ir.VoidType(), [])
            name = "llvm.x86.sse2.pause"
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
        return context.get_dummy_value()

    return types.void(), build


@lowered_by(_lower_pause)
def pause() -> None:
    """Let others have the processor for an instant."""
    time.sleep(0)


def _counter_at(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    counters = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(counters.data, [args[1]])
