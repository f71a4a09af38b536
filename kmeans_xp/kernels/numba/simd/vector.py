"""Sixteen floats at a time: a SIMD vector as a type of Numba's, and what is done with it.

Numba leaves it to LLVM to find vectors in loops; in loops as short as these it does not. What is
written with this type stays in registers, whatever their width: LLVM splits what is too wide.

Imported only where Numba is. Indices into arrays count elements and are not checked.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

LANES = 16
INT8, INT32, INT64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)


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


def primitive(typer: Callable[..., Any]) -> Any:
    """Make a function of Numba's from one that writes LLVM's instructions."""
    return intrinsic(typer)


def _binary(build: Callable[[Any, Any, Any], Any]) -> Any:
    def typer(context: Any, a: Any, b: Any) -> Any:
        return a(a, b), lambda _context, builder, _signature, args: build(builder, *args)

    return intrinsic(typer)


plus = _binary(lambda builder, a, b: builder.fadd(a, b))
minus = _binary(lambda builder, a, b: builder.fsub(a, b))
times = _binary(lambda builder, a, b: builder.fmul(a, b))
# Of a NaN and a number, the second.
lesser = _binary(lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b))
greater = _binary(lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))


@primitive
def times_plus(context: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once."""
    return a(a, b, c), lambda _c, builder, _s, args: _standard(builder, "fma", args)


@primitive
def root(context: Any, a: Any) -> Any:
    """Return square roots."""
    return a(a), lambda _c, builder, _s, args: _standard(builder, "sqrt", args)


@primitive
def rounded(context: Any, a: Any, like: Any) -> Any:
    """Return doubles in the dtype of an array."""

    def build(_context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = vector_of(signature.return_type)
        return args[0] if args[0].type == kind else builder.fptrunc(args[0], kind)

    return Lanes(like.dtype)(a, like), build


@primitive
def where_less(context: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    """Return x where a < b, else y."""

    def build(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *args[:2]), *args[2:])

    return x(a, b, x, y), build


@primitive
def all_greater(context: Any, a: Any, b: Any) -> Any:
    """Return whether a > b everywhere; a NaN is not."""

    def build(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        bits = builder.bitcast(builder.fcmp_ordered(">", *args), ir.IntType(LANES))
        return builder.icmp_signed("==", bits, ir.Constant(bits.type, -1))

    return types.boolean(a, b), build


@primitive
def largest(context: Any, a: Any) -> Any:
    """Return the largest of the numbers, none of which is NaN."""

    def build(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        numbers = [builder.extract_element(args[0], INT32(lane)) for lane in range(LANES)]
        while len(numbers) > 1:
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            numbers = [builder.select(builder.fcmp_ordered(">", x, y), x, y) for x, y in pairs]
        return numbers[0]

    return a.dtype(a), build


@primitive
def exceptions(context: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    """Return an integer with a bit for each lane, 0 where a > b and x == y."""

    def build(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        more, same = builder.fcmp_ordered(">", *args[:2]), builder.fcmp_ordered("==", *args[2:])
        bits = builder.bitcast(builder.not_(builder.and_(more, same)), ir.IntType(LANES))
        return builder.zext(bits, INT64)

    return types.int64(a, b, x, y), build


@primitive
def lowest(context: Any, bits: Any) -> Any:
    """Return the place of the lowest bit of an integer that has one."""

    def build(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), build


@primitive
def spread(context: Any, number: Any) -> Any:
    """Return a number in all lanes."""

    def build(_context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return everywhere(builder, args[0], vector_of(signature.return_type))

    return Lanes(number)(number), build


@primitive
def spread_at(context: Any, array: Any, place: Any) -> Any:
    """Return the number at a place, counted through all rows, in all lanes."""
    signature = Lanes(array.dtype)(array, types.intp)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = builder.gep(data_of(context, builder, signature, args, 0), [args[1]])
        return everywhere(builder, builder.load(at), vector_of(signature.return_type))

    return signature, build


@primitive
def load(context: Any, array: Any, start: Any) -> Any:
    """Return the numbers from `start` on."""
    signature = Lanes(array.dtype)(array, types.intp)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = _vector_at(context, builder, signature, args, vector_of(signature.return_type))
        return builder.load(at, align=4)

    return signature, build


@primitive
def store(context: Any, array: Any, start: Any, lanes: Any) -> Any:
    """Write a vector from `start` on."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _vector_at(context, builder, signature, args, args[2].type), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), build


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
