"""Lanes: a block of neurons as one LLVM vector, a value that Numba-compiled kernels compute with.

A kernel that carries the state of many neurons through a loop wants that state in registers, and
one test for the whole block. Numba's loops over arrays keep it in memory. `LanesType` is the vector
type that Numba lacks: 32 float32 or 16 float64 numbers, which LLVM maps onto the vector registers
of the processor it compiles for.

=====================  ===========================================================
``load(a, i)``         a[i : i + lanes] of a flat array
``store(a, i, x)``     a[i : i + lanes] = x
``spread(s)``          the number s in every lane
``spread_from(a, i)``  the number a[i] in every lane
``item(a, i)``         the number a[i]
``x + y``, -, *        lane by lane
``fused(x, y, z)``     x * y + z, with one rounding where the processor offers it
``fused_difference``   ``(x, y, z)``: x * y - z, likewise
``at_least(x, y)``     an integer whose bit k is 1 where x[k] >= y[k]
``where_positive``     ``(x, y)``: y[k] where x[k] > 0, else 0
``total(x)``           the sum over the lanes, in a fixed order
``lowest_bit(bits)``   the index of the lowest 1 in an integer other than 0
=====================  ===========================================================
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES_FLOAT32, LANES_FLOAT64 = 32, 16
"""Lanes per block: two states of a block take half of the registers of a common processor."""


class LanesType(types.Type):
    """Numba type of a block of lanes of a floating point dtype."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.count = LANES_FLOAT32 if dtype == types.float32 else LANES_FLOAT64
        super().__init__(name=f"Lanes({dtype} x {self.count})")

    @property
    def vector(self):
        """The LLVM type."""
        element = ir.FloatType() if self.dtype == types.float32 else ir.DoubleType()
        return ir.VectorType(element, self.count)


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, fe_type.vector)


def _address(context, builder, array_type, array, index):
    data = context.make_array(array_type)(context, builder, array).data
    vector = LanesType(array_type.dtype).vector
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _alignment(array_type):
    return array_type.dtype.bitwidth // 8


@intrinsic
def load(typingctx, array, index):
    """The lanes of `array` from `index` on."""

    def generate(context, builder, signature, arguments):
        array_type = signature.args[0]
        address = _address(context, builder, array_type, *arguments)
        return builder.load(address, align=_alignment(array_type))

    return LanesType(array.dtype)(array, types.intp), generate


@intrinsic
def store(typingctx, array, index, lanes):
    """Write `lanes` to `array` from `index` on."""

    def generate(context, builder, signature, arguments):
        array_type = signature.args[0]
        address = _address(context, builder, array_type, *arguments[:2])
        builder.store(arguments[2], address, align=_alignment(array_type))
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


def _broadcast(builder, lanes, number):
    undefined = ir.Constant(lanes.vector, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), lanes.count), None)
    return builder.shuffle_vector(first, undefined, everywhere)


@intrinsic
def spread(typingctx, number):
    """The same number in every lane."""

    def generate(context, builder, signature, arguments):
        return _broadcast(builder, LanesType(number), arguments[0])

    return LanesType(number)(number), generate


@intrinsic
def spread_from(typingctx, array, index):
    """The number array[index] in every lane; `array` is flat and `index` not negative."""

    def generate(context, builder, signature, arguments):
        array_type = signature.args[0]
        data = context.make_array(array_type)(context, builder, arguments[0]).data
        number = builder.load(builder.gep(data, [arguments[1]]))
        return _broadcast(builder, LanesType(array_type.dtype), number)

    return LanesType(array.dtype)(array, types.intp), generate


@intrinsic
def item(typingctx, array, index):
    """array[index] of a flat array, without the detour for negative indices."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load(builder.gep(data, [arguments[1]]))

    return array.dtype(array, types.intp), generate


def _define_operator(python_operator, instruction):
    @intrinsic
    def lanewise(typingctx, x, y):
        def generate(context, builder, signature, arguments):
            return getattr(builder, instruction)(*arguments)

        return x(x, y), generate

    @overload(python_operator)
    def operate(x, y):
        if isinstance(x, LanesType) and x == y:
            return lambda x, y: lanewise(x, y)


_define_operator(operator.add, "fadd")
_define_operator(operator.sub, "fsub")
_define_operator(operator.mul, "fmul")


def _multiply_add(builder, lanes, x, y, z):
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(lanes.vector, [lanes.vector] * 3),
        f"llvm.fmuladd.v{lanes.count}f{lanes.dtype.bitwidth}",
    )
    return builder.call(function, (x, y, z))


@intrinsic
def fused(typingctx, x, y, z):
    """x * y + z, with one rounding where the processor offers it."""

    def generate(context, builder, signature, arguments):
        return _multiply_add(builder, x, *arguments)

    return x(x, y, z), generate


@intrinsic
def fused_difference(typingctx, x, y, z):
    """x * y - z, with one rounding where the processor offers it."""

    def generate(context, builder, signature, arguments):
        *factors, subtrahend = arguments
        return _multiply_add(builder, x, *factors, builder.fneg(subtrahend))

    return x(x, y, z), generate


@intrinsic
def at_least(typingctx, x, y):
    """An integer whose bit k is 1 where x[k] >= y[k]."""

    def generate(context, builder, signature, arguments):
        comparison = builder.fcmp_ordered(">=", *arguments)
        bits = builder.bitcast(comparison, ir.IntType(x.count))
        return builder.zext(bits, ir.IntType(64))

    return types.int64(x, y), generate


@intrinsic
def where_positive(typingctx, x, y):
    """y[k] where x[k] > 0, else 0."""

    def generate(context, builder, signature, arguments):
        zero = ir.Constant(x.vector, None)
        positive = builder.fcmp_ordered(">", arguments[0], zero)
        return builder.select(positive, arguments[1], zero)

    return x(x, y), generate


@intrinsic
def where_at_least(typingctx, x, y, a, b):
    """a[k] where x[k] >= y[k], else b[k]."""

    def generate(context, builder, signature, arguments):
        x, y, a, b = arguments
        return builder.select(builder.fcmp_ordered(">=", x, y), a, b)

    return x(x, y, a, b), generate


@intrinsic
def total(typingctx, x):
    """Sum over the lanes, by halves."""

    def generate(context, builder, signature, arguments):
        lanes = arguments[0]
        count = x.count
        while count > 1:
            count //= 2
            halves = [
                ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(start, start + count)))
                for start in (0, count)
            ]
            lower, upper = (builder.shuffle_vector(lanes, lanes, half) for half in halves)
            lanes = builder.fadd(lower, upper)
        return builder.extract_element(lanes, ir.Constant(ir.IntType(32), 0))

    return x.dtype(x), generate


@intrinsic
def lowest_bit(typingctx, bits):
    """Index of the lowest 1 in an integer other than 0."""

    def generate(context, builder, signature, arguments):
        never_zero = ir.Constant(ir.IntType(1), 1)
        return builder.cttz(arguments[0], never_zero)

    return types.int64(types.int64), generate
