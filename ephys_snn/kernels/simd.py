"""Lanes: a block of neurons as one LLVM vector, a value that Numba-compiled kernels compute with.

A kernel that carries the state of many neurons through a loop wants that state in registers, and
one test for the whole block. Numba's loops over arrays keep it in memory. `LanesType` is the vector
type that Numba lacks: 32 float32 or 16 float64 numbers, which LLVM maps onto the vector registers
of the processor it compiles for.

=====================  ===========================================================
``load(a, i)``         a[i : i + lanes] of a flat array
``store(a, i, x)``     a[i : i + lanes] = x
``spread(s)``          the number s in every lane
``x + y``, -, *        lane by lane
``fused(x, y, z)``     x * y + z, with one rounding where the processor offers it
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


@intrinsic
def spread(typingctx, number):
    """The same number in every lane."""
    lanes = LanesType(number)

    def generate(context, builder, signature, arguments):
        undefined = ir.Constant(lanes.vector, ir.Undefined)
        first = builder.insert_element(undefined, arguments[0], ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), lanes.count), None)
        return builder.shuffle_vector(first, undefined, everywhere)

    return lanes(number), generate


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


@intrinsic
def fused(typingctx, x, y, z):
    """x * y + z, with one rounding where the processor offers it."""

    def generate(context, builder, signature, arguments):
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(x.vector, [x.vector] * 3),
            f"llvm.fmuladd.v{x.count}f{x.dtype.bitwidth}",
        )
        return builder.call(function, arguments)

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
