"""Vectors of sixteen numbers: a type of Numba's, and the operations on it.

Numba leaves it to LLVM to find vectors in loops, and LLVM finds none in loops as short as ours.
What is written with this type stays in registers, whatever their width: LLVM splits what is too
wide for them.

Each operation of this package is written twice. Its function says in NumPy what it does, where a
vector is an array of sixteen numbers. The function above it, whose name begins with ``_lower``,
writes the instructions of LLVM's that compiled code is made of. Code that runs interpreted calls
the first (see README.md); tests compare the two.

Imported only where Numba is. Offsets into arrays count numbers, through all rows of an array.
Compiled code does not check them.
"""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

from kmeans_xp.kernels.numba import compiling

LANES = 16
INT8, INT32, INT64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)

F = TypeVar("F", bound=Callable[..., Any])


class Lanes(types.Type):
    """The type of a vector of floats of `dtype`."""

    def __init__(self, dtype: types.Type) -> None:
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, vector_of(lanes))


register_model(Lanes)(_Model)


def vector_of(lanes: Lanes) -> ir.Type:
    """Return LLVM's type of a vector."""
    return ir.VectorType(_float(lanes.dtype), LANES)


def _float(dtype: types.Type) -> ir.Type:
    return ir.FloatType() if dtype == types.float32 else ir.DoubleType()


def lowered_by(lower: Callable[..., Any]) -> Callable[[F], F]:
    """Compile calls of a function into the instructions that `lower` writes.

    Where code runs interpreted, the function itself is called. Elsewhere it is kept as the
    attribute ``__wrapped__`` of what Numba compiles.

    Parameters
    ----------
    lower : callable
        (context, types of the arguments) -> the types of a call, and a function that writes its
        instructions: what `numba.extending.intrinsic` takes.
    """

    def lowered(function: F) -> F:
        if compiling.INTERPRETED:
            return function
        compiled: Any = update_wrapper(intrinsic(lower), function)
        return compiled

    return lowered


def sixteen_at(array: np.ndarray, start: int) -> np.ndarray:
    """Return a view of the sixteen numbers of an array from `start` on.

    This checks what compiled code takes for granted: that they are all there, and that the array
    is contiguous.
    """
    if not array.flags.c_contiguous or not 0 <= start <= array.size - LANES:
        raise IndexError(
            f"There are no sixteen numbers from {start} on in an array of shape {array.shape} "
            f"and strides {array.strides}."
        )
    return array.reshape(-1)[start : start + LANES]


def bits_of(flags: np.ndarray) -> int:
    """Return an integer with a bit for each lane, the first one's lowest."""
    return int(flags.dot(1 << np.arange(LANES)))


def product_plus(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return a * b + c, which NumPy can round once only from a wider type.

    From float64, float32 is hardly ever another number than if it were rounded once. From
    `numpy.longdouble` of 64 bits, about one float64 number in 2000 differs in the last bit. Where
    that is no wider than float64, the product is rounded before the sum.
    """
    wide = np.float64 if a.dtype == np.float32 else np.longdouble
    return (a.astype(wide) * b + c).astype(a.dtype)


def _lower_binary(build: Callable[[Any, Any, Any], Any]) -> Any:
    def typer(context: Any, a: Any, b: Any) -> Any:
        return a(a, b), lambda _context, builder, _signature, args: build(builder, *args)

    return typer


@lowered_by(_lower_binary(lambda builder, a, b: builder.fadd(a, b)))
def plus(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a + b."""
    return a + b


@lowered_by(_lower_binary(lambda builder, a, b: builder.fsub(a, b)))
def minus(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a - b."""
    return a - b


@lowered_by(_lower_binary(lambda builder, a, b: builder.fmul(a, b)))
def times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a * b."""
    return a * b


@lowered_by(_lower_binary(lambda builder, a, b: _where(builder, "<", a, b, a, b)))
def lesser(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a where a < b, else b, also where either is NaN."""
    return np.where(a < b, a, b)


@lowered_by(_lower_binary(lambda builder, a, b: _where(builder, ">", a, b, a, b)))
def greater(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a where a > b, else b, also where either is NaN."""
    return np.where(a > b, a, b)


def _lower_times_plus(context: Any, a: Any, b: Any, c: Any) -> Any:
    return a(a, b, c), lambda _c, builder, _s, args: _standard(builder, "fma", args)


@lowered_by(_lower_times_plus)
def times_plus(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return a * b + c, rounded once."""
    return product_plus(a, b, c)


def _lower_root(context: Any, a: Any) -> Any:
    return a(a), lambda _c, builder, _s, args: _standard(builder, "sqrt", args)


@lowered_by(_lower_root)
def root(a: np.ndarray) -> np.ndarray:
    """Return square roots."""
    return np.sqrt(a)


def _lower_rounded(context: Any, a: Any, like: Any) -> Any:
    def build(_context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = vector_of(signature.return_type)
        return args[0] if args[0].type == kind else builder.fptrunc(args[0], kind)

    return Lanes(like.dtype)(a, like), build


@lowered_by(_lower_rounded)
def rounded(a: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return float64 numbers rounded to the dtype of the array `like`."""
    return a.astype(like.dtype)


def _lower_widened(context: Any, a: Any) -> Any:
    def build(_context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = vector_of(signature.return_type)
        return args[0] if args[0].type == kind else builder.fpext(args[0], kind)

    return Lanes(types.float64)(a), build


@lowered_by(_lower_widened)
def widened(a: np.ndarray) -> np.ndarray:
    """Return numbers as float64."""
    return a.astype(np.float64)


def _lower_where_less(context: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    return x(a, b, x, y), lambda _c, builder, _s, args: _where(builder, "<", *args)


@lowered_by(_lower_where_less)
def where_less(a: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return x where a < b, else y."""
    return np.where(a < b, x, y)


def _lower_all_greater(context: Any, a: Any, b: Any) -> Any:
    def build(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        bits = builder.bitcast(builder.fcmp_ordered(">", *args), ir.IntType(LANES))
        return builder.icmp_signed("==", bits, ir.Constant(bits.type, -1))

    return types.boolean(a, b), build


@lowered_by(_lower_all_greater)
def all_greater(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether a > b in all lanes, which it is not where either is NaN."""
    return bool(np.all(a > b))


def _lower_largest(context: Any, a: Any) -> Any:
    def build(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        numbers = [builder.extract_element(args[0], INT32(lane)) for lane in range(LANES)]
        while len(numbers) > 1:
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            numbers = [_where(builder, ">", x, y, x, y) for x, y in pairs]
        return numbers[0]

    return a.dtype(a), build


@lowered_by(_lower_largest)
def largest(a: np.ndarray) -> Any:
    """Return the largest of the numbers, none of which is NaN."""
    return a.max()


def _lower_halved_sum(context: Any, a: Any) -> Any:
    def build(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        lanes, half = args[0], LANES
        while half > 1:
            half //= 2
            front, back = (
                builder.shuffle_vector(lanes, lanes, ir.Constant(ir.VectorType(INT32, half), part))
                for part in (list(range(half)), list(range(half, 2 * half)))
            )
            lanes = builder.fadd(front, back)
        return builder.extract_element(lanes, INT32(0))

    return a.dtype(a), build


@lowered_by(_lower_halved_sum)
def halved_sum(a: np.ndarray) -> Any:
    """Return the sum of the numbers, the last half added to the first again and again."""
    while len(a) > 1:
        a = a[: len(a) // 2] + a[len(a) // 2 :]
    return a[0]


def _lower_failing_lanes(context: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    def build(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        more, same = builder.fcmp_ordered(">", *args[:2]), builder.fcmp_ordered("==", *args[2:])
        bits = builder.bitcast(builder.not_(builder.and_(more, same)), ir.IntType(LANES))
        return builder.zext(bits, INT64)

    return types.int64(a, b, x, y), build


@lowered_by(_lower_failing_lanes)
def failing_lanes(a: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray) -> int:
    """Return an integer with a bit for each lane, which is 0 where a > b and x == y."""
    return bits_of(~((a > b) & (x == y)))


def _lower_lowest_bit(context: Any, bits: Any) -> Any:
    def build(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), build


@lowered_by(_lower_lowest_bit)
def lowest_bit(bits: int) -> int:
    """Return the place of the lowest bit that is 1 of an integer that is not 0."""
    return (int(bits) & -int(bits)).bit_length() - 1


def _lower_spread(context: Any, number: Any) -> Any:
    def build(_context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return everywhere(builder, args[0], vector_of(signature.return_type))

    return Lanes(number)(number), build


@lowered_by(_lower_spread)
def spread(number: Any) -> np.ndarray:
    """Return a vector that holds one number in all lanes."""
    return np.full(LANES, number)


def _lower_spread_at(context: Any, array: Any, place: Any) -> Any:
    signature = Lanes(array.dtype)(array, types.intp)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = builder.gep(data_of(context, builder, signature, args, 0), [args[1]])
        return everywhere(builder, builder.load(at), vector_of(signature.return_type))

    return signature, build


@lowered_by(_lower_spread_at)
def spread_at(array: np.ndarray, place: int) -> np.ndarray:
    """Return a vector that holds the number at a place, counted through all rows, in all lanes."""
    return np.full(LANES, array.flat[place])


def _lower_load(context: Any, array: Any, start: Any) -> Any:
    signature = Lanes(array.dtype)(array, types.intp)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = _vector_at(context, builder, signature, args, vector_of(signature.return_type))
        return builder.load(at, align=4)

    return signature, build


@lowered_by(_lower_load)
def load(array: np.ndarray, start: int) -> np.ndarray:
    """Return the sixteen numbers from `start` on."""
    return sixteen_at(array, start).copy()


def _lower_store(context: Any, array: Any, start: Any, lanes: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _vector_at(context, builder, signature, args, args[2].type), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), build


@lowered_by(_lower_store)
def store(array: np.ndarray, start: int, lanes: np.ndarray) -> None:
    """Write a vector to the sixteen places from `start` on."""
    sixteen_at(array, start)[:] = lanes


def _where(builder: Any, comparison: str, a: Any, b: Any, x: Any, y: Any) -> Any:
    """Return x where two numbers compare so, else y, also where either is NaN."""
    return builder.select(builder.fcmp_ordered(comparison, a, b), x, y)


def _standard(builder: Any, name: str, args: Any) -> Any:
    """Call a function of LLVM's own on vectors."""
    vector = args[0].type
    bits = 32 if isinstance(vector.element, ir.FloatType) else 64
    kind = ir.FunctionType(vector, [vector] * len(args))
    full = f"llvm.{name}.v{LANES}f{bits}"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, full), args)


def everywhere(builder: Any, number: Any, vector: Any) -> Any:
    """Return a vector of one number."""
    none = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(none, number, INT32(0))
    return builder.shuffle_vector(
        first, none, ir.Constant(ir.VectorType(INT32, LANES), [0] * LANES)
    )


def data_of(context: Any, builder: Any, signature: Any, args: Any, number: int) -> Any:
    """Return where the numbers of an argument begin."""
    return context.make_array(signature.args[number])(context, builder, args[number]).data


def _vector_at(context: Any, builder: Any, signature: Any, args: Any, vector: Any) -> Any:
    first = builder.gep(data_of(context, builder, signature, args, 0), [args[1]])
    return builder.bitcast(first, vector.as_pointer())
