"""Lanes: an LLVM vector of numbers as a value that Numba-compiled kernels compute with.

A kernel that carries the state of many neurons through a loop wants that state in registers, and
one test for all of them. Numba's loops over arrays keep it in memory. `LanesType` is the vector
type that Numba lacks, which LLVM maps onto the vector registers of the processor it compiles for.
Its lanes are a block of neurons (32 in float32, 16 in float64), or a group of 8 inputs, for which
the names end in ``_group``. An array's index is an integer or a tuple, and never negative.

========================  ========================================================
``load(a, i)``            the lanes that begin at a[i] and go on along the last axis
``store(a, i, x)``        write them
``load_scalar(a, i)``     the number a[i]; ``store_scalar(a, i, s)`` writes it
``spread(s)``             the number s in every lane
``spread_from(a, i)``     the number a[i] in every lane
``gather_group``          ``(a, i, j, k)``: the numbers j[k], …, j[k + 7] places after a[i]
``x + y``, ``x * y``      lane by lane
``fma(x, y, z)``          x * y + z, with one rounding where the processor offers it
``fms(x, y, z)``          x * y - z, likewise
``at_least(x, y)``        an integer whose bit k is 1 where x[k] >= y[k]
``where_positive(x, y)``  y[k] where x[k] > 0, else 0
``cumulative_sum(x)``     the sums over the lanes up to each one
``ctz(bits)``             the index of the lowest 1 in an integer other than 0
========================  ========================================================
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES = {"float32": 32, "float64": 16}
"""Neurons per block: their two states take half of the registers of a common processor."""

GROUP = 8
"""Inputs per group."""


class LanesType(types.Type):
    """Numba type of `count` lanes of a floating point dtype."""

    def __init__(self, dtype, count):
        self.dtype, self.count = dtype, count
        super().__init__(name=f"Lanes({dtype} x {count})")

    @property
    def vector(self):
        """The LLVM type."""
        element = ir.FloatType() if self.dtype == types.float32 else ir.DoubleType()
        return ir.VectorType(element, self.count)


def _block(dtype):
    return LanesType(dtype, LANES[dtype.name])


def _group(dtype):
    return LanesType(dtype, GROUP)


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, fe_type.vector)


def _index(index):
    """Type to which the type of an index, an integer or a tuple, is converted."""
    if isinstance(index, types.BaseTuple):
        return types.UniTuple(types.intp, len(index))
    return types.intp


def _element(context, builder, signature, arguments, position=0):
    """Where an element is, of the array and index that are the arguments at a position."""
    array_type, index_type = signature.args[position : position + 2]
    array, index = arguments[position : position + 2]
    is_tuple = isinstance(index_type, types.BaseTuple)
    indices = cgutils.unpack_tuple(builder, index) if is_tuple else [index]
    array = context.make_array(array_type)(context, builder, array)
    # Without wrapping around: a negative index would take a comparison every time.
    return cgutils.get_item_pointer(context, builder, array_type, array, indices)


def _address(context, builder, signature, arguments, lanes):
    """Where the lanes are that begin at an element."""
    pointer = _element(context, builder, signature, arguments)
    return builder.bitcast(pointer, lanes.vector.as_pointer())


def _broadcast(builder, lanes, number):
    undefined = ir.Constant(lanes.vector, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), lanes.count), None)
    return builder.shuffle_vector(first, undefined, everywhere)


def _pick(builder, lanes, chosen):
    """Some of the lanes."""
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(chosen)), [*chosen])
    return builder.shuffle_vector(lanes, lanes, mask)


def _define_load(lanes_of):
    @intrinsic
    def load(typingctx, array, index):
        lanes = lanes_of(array.dtype)

        def generate(context, builder, signature, arguments):
            address = _address(context, builder, signature, arguments, lanes)
            return builder.load(address, align=array.dtype.bitwidth // 8)

        return lanes(array, _index(index)), generate

    return load


def _define_spread(lanes_of):
    @intrinsic
    def spread(typingctx, number):
        lanes = lanes_of(number)

        def generate(context, builder, signature, arguments):
            return _broadcast(builder, lanes, arguments[0])

        return lanes(number), generate

    return spread


load, load_group = _define_load(_block), _define_load(_group)
spread, spread_group = _define_spread(_block), _define_spread(_group)


@intrinsic
def store(typingctx, array, index, lanes):
    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature, arguments, lanes)
        builder.store(arguments[2], address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, _index(index), lanes), generate


@intrinsic
def load_scalar(typingctx, array, index):
    def generate(context, builder, signature, arguments):
        return builder.load(_element(context, builder, signature, arguments))

    return array.dtype(array, _index(index)), generate


@intrinsic
def store_scalar(typingctx, array, index, number):
    def generate(context, builder, signature, arguments):
        builder.store(arguments[2], _element(context, builder, signature, arguments))
        return context.get_dummy_value()

    return types.void(array, _index(index), array.dtype), generate


@intrinsic
def spread_from(typingctx, array, index):
    def generate(context, builder, signature, arguments):
        number = builder.load(_element(context, builder, signature, arguments))
        return _broadcast(builder, _block(array.dtype), number)

    return _block(array.dtype)(array, _index(index)), generate


@intrinsic
def gather_group(typingctx, array, index, offsets, first):
    lanes = _group(array.dtype)

    def generate(context, builder, signature, arguments):
        start = _element(context, builder, signature, arguments)
        place = _element(context, builder, signature, arguments, 2)
        gathered = ir.Constant(lanes.vector, ir.Undefined)
        for k in range(lanes.count):
            offset = builder.load(builder.gep(place, [ir.Constant(ir.IntType(64), k)]))
            number = builder.load(builder.gep(start, [offset]))
            gathered = builder.insert_element(gathered, number, ir.Constant(ir.IntType(32), k))
        return gathered

    return lanes(array, _index(index), offsets, _index(first)), generate


@intrinsic
def cumulative_sum(typingctx, x):
    def generate(context, builder, signature, arguments):
        lanes, zero = arguments[0], ir.Constant(x.vector, None)
        shift = 1
        while shift < x.count:
            # Lane k of the shifted vector is lane k - shift; below that, lanes of zeros.
            chosen = [x.count + k if k < shift else k - shift for k in range(x.count)]
            mask = ir.Constant(ir.VectorType(ir.IntType(32), x.count), chosen)
            lanes = builder.fadd(lanes, builder.shuffle_vector(lanes, zero, mask))
            shift *= 2
        return lanes

    return x(x), generate


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
_define_operator(operator.mul, "fmul")


def _multiply_add(builder, lanes, x, y, z):
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(lanes.vector, [lanes.vector] * 3),
        f"llvm.fmuladd.v{lanes.count}f{lanes.dtype.bitwidth}",
    )
    return builder.call(function, (x, y, z))


@intrinsic
def fma(typingctx, x, y, z):
    def generate(context, builder, signature, arguments):
        return _multiply_add(builder, x, *arguments)

    return x(x, y, z), generate


@intrinsic
def fms(typingctx, x, y, z):
    def generate(context, builder, signature, arguments):
        *factors, subtrahend = arguments
        return _multiply_add(builder, x, *factors, builder.fneg(subtrahend))

    return x(x, y, z), generate


@intrinsic
def at_least(typingctx, x, y):
    width = 8 if x.dtype == types.float32 else 4

    def generate(context, builder, signature, arguments):
        # By pieces of a register: compilers pack the bits of longer vectors in a roundabout way.
        bits = ir.Constant(ir.IntType(64), 0)
        for start in range(0, x.count, width):
            piece = range(start, start + width)
            left, right = (_pick(builder, v, piece) for v in arguments)
            comparison = builder.fcmp_ordered(">=", left, right)
            piece_bits = builder.zext(
                builder.bitcast(comparison, ir.IntType(width)), ir.IntType(64)
            )
            bits = builder.or_(bits, builder.shl(piece_bits, ir.Constant(ir.IntType(64), start)))
        return bits

    return types.int64(x, y), generate


@intrinsic
def where_positive(typingctx, x, y):
    def generate(context, builder, signature, arguments):
        zero = ir.Constant(x.vector, None)
        positive = builder.fcmp_ordered(">", arguments[0], zero)
        return builder.select(positive, arguments[1], zero)

    return x(x, y), generate


@intrinsic
def ctz(typingctx, bits):
    def generate(context, builder, signature, arguments):
        never_zero = ir.Constant(ir.IntType(1), 1)
        return builder.cttz(arguments[0], never_zero)

    return types.int64(types.int64), generate
