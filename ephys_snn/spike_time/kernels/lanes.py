"""Lanes: an LLVM vector of numbers as a value that Numba-compiled kernels compute with.

A kernel that carries the state of many neurons through a loop wants that state in registers, and
one test for all of them. Numba's loops over arrays keep it in memory. `LanesType` is the vector
type that Numba lacks, which LLVM maps onto the vector registers of the processor it compiles for.
Its lanes are a block of neurons (32 in float32, 16 in float64), or a group of 8 inputs, for which
the names end in ``_group``.

=====================  ===========================================================
``load(a, i)``         a[i : i + lanes] of a flat array
``store(a, i, x)``     a[i : i + lanes] = x
``spread(s)``          the number s in every lane
``spread_from(a, i)``  the number a[i] in every lane
``item(a, i)``         the number a[i]; ``put(a, i, s)`` sets it
``x + y``, -, *        lane by lane
``fused(x, y, z)``     x * y + z, with one rounding where the processor offers it
``fused_difference``   ``(x, y, z)``: x * y - z, likewise
``at_least(x, y)``     an integer whose bit k is 1 where x[k] >= y[k]
``where_positive``     ``(x, y)``: y[k] where x[k] > 0, else 0
``where_nonzero``      ``(x, y, z)``: y[k] where x[k] is not 0, else z[k]
``larger(x, y)``       the larger of x[k] and y[k]
``total(x)``           the sum over the lanes, by halves; ``largest(x)`` the largest of them
``folded_product``     ``(x, y)``: a group with the products, added up in pieces
``gather_group``       ``(a, j, i, o)``: a[j[i] + o], …, a[j[i + 7] + o]
``running_total(x)``   the sums over the lanes up to each one
``lowest_bit(bits)``   the index of the lowest 1 in an integer other than 0
=====================  ===========================================================
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES_FLOAT32, LANES_FLOAT64 = 32, 16
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
    return LanesType(dtype, LANES_FLOAT32 if dtype == types.float32 else LANES_FLOAT64)


def _group(dtype):
    return LanesType(dtype, GROUP)


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, fe_type.vector)


def _pointer(context, builder, array_type, array, index):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


def _address(context, builder, array_type, array, index, lanes):
    pointer = _pointer(context, builder, array_type, array, index)
    return builder.bitcast(pointer, lanes.vector.as_pointer())


def _broadcast(builder, lanes, number):
    undefined = ir.Constant(lanes.vector, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), lanes.count), None)
    return builder.shuffle_vector(first, undefined, everywhere)


def _define_load(lanes_of):
    @intrinsic
    def load(typingctx, array, index):
        lanes = lanes_of(array.dtype)

        def generate(context, builder, signature, arguments):
            address = _address(context, builder, signature.args[0], *arguments, lanes)
            return builder.load(address, align=array.dtype.bitwidth // 8)

        return lanes(array, types.intp), generate

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
    """Write `lanes` to `array` from `index` on."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments[:2], lanes)
        builder.store(arguments[2], address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@intrinsic
def spread_from(typingctx, array, index):
    """The number array[index] in every lane; `array` is flat and `index` not negative."""

    def generate(context, builder, signature, arguments):
        number = builder.load(_pointer(context, builder, signature.args[0], *arguments))
        return _broadcast(builder, _block(array.dtype), number)

    return _block(array.dtype)(array, types.intp), generate


@intrinsic
def gather_group(typingctx, array, offsets, index, shift):
    """array[offsets[index + k] + shift] for the k of a group; all arrays flat."""
    lanes = _group(array.dtype)

    def generate(context, builder, signature, arguments):
        values, places, first, shift = arguments
        values_type, places_type = signature.args[:2]
        gathered = ir.Constant(lanes.vector, ir.Undefined)
        for k in range(lanes.count):
            at = builder.add(first, ir.Constant(first.type, k))
            place = builder.load(_pointer(context, builder, places_type, places, at))
            place = builder.add(place, shift)
            number = builder.load(_pointer(context, builder, values_type, values, place))
            gathered = builder.insert_element(gathered, number, ir.Constant(ir.IntType(32), k))
        return gathered

    return lanes(array, offsets, types.intp, types.intp), generate


@intrinsic
def running_total(typingctx, x):
    """The sums over the lanes up to each one."""

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


@intrinsic
def item(typingctx, array, index):
    """array[index] of a flat array, without the detour for negative indices."""

    def generate(context, builder, signature, arguments):
        return builder.load(_pointer(context, builder, signature.args[0], *arguments))

    return array.dtype(array, types.intp), generate


@intrinsic
def put(typingctx, array, index, number):
    """array[index] = number in a flat array, without the detour for negative indices."""

    def generate(context, builder, signature, arguments):
        address = _pointer(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], address)
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), generate


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
    width = 8 if x.dtype == types.float32 else 4

    def generate(context, builder, signature, arguments):
        # By pieces of a register: compilers pack the bits of longer vectors in a roundabout way.
        bits = ir.Constant(ir.IntType(64), 0)
        for start in range(0, x.count, width):
            piece = ir.Constant(
                ir.VectorType(ir.IntType(32), width), [*range(start, start + width)]
            )
            left, right = (builder.shuffle_vector(v, v, piece) for v in arguments)
            comparison = builder.fcmp_ordered(">=", left, right)
            piece_bits = builder.zext(
                builder.bitcast(comparison, ir.IntType(width)), ir.IntType(64)
            )
            bits = builder.or_(bits, builder.shl(piece_bits, ir.Constant(ir.IntType(64), start)))
        return bits

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
def where_nonzero(typingctx, x, y, z):
    """y[k] where x[k] is not 0, else z[k]."""

    def generate(context, builder, signature, arguments):
        x_lanes, *choices = arguments
        nonzero = builder.fcmp_unordered("!=", x_lanes, ir.Constant(x.vector, None))
        return builder.select(nonzero, *choices)

    return x(x, y, z), generate


@intrinsic
def folded_product(typingctx, x, y):
    """x * y as a group, to which pieces of the block of that length have been added up."""
    group = _group(x.dtype)

    def generate(context, builder, signature, arguments):
        folded = None
        for start in range(0, x.count, group.count):
            lanes = [*range(start, start + group.count)]
            piece = ir.Constant(ir.VectorType(ir.IntType(32), group.count), lanes)
            left, right = (builder.shuffle_vector(v, v, piece) for v in arguments)
            if folded is None:
                folded = builder.fmul(left, right)
            else:
                folded = _multiply_add(builder, group, left, right, folded)
        return folded

    return group(x, y), generate


def _define_reduction(combine):
    @intrinsic
    def reduction(typingctx, x):
        def generate(context, builder, signature, arguments):
            lanes = arguments[0]
            count = x.count
            while count > 1:
                count //= 2
                halves = [
                    ir.Constant(
                        ir.VectorType(ir.IntType(32), count), list(range(start, start + count))
                    )
                    for start in (0, count)
                ]
                lower, upper = (builder.shuffle_vector(lanes, lanes, half) for half in halves)
                lanes = combine(builder, lower, upper)
            return builder.extract_element(lanes, ir.Constant(ir.IntType(32), 0))

        return x.dtype(x), generate

    return reduction


def _larger(builder, x, y):
    return builder.select(builder.fcmp_ordered(">", x, y), x, y)


@intrinsic
def larger(typingctx, x, y):
    """The larger of x[k] and y[k]."""

    def generate(context, builder, signature, arguments):
        return _larger(builder, *arguments)

    return x(x, y), generate


total = _define_reduction(lambda builder, x, y: builder.fadd(x, y))
largest = _define_reduction(_larger)


@intrinsic
def lowest_bit(typingctx, bits):
    """Index of the lowest 1 in an integer other than 0."""

    def generate(context, builder, signature, arguments):
        never_zero = ir.Constant(ir.IntType(1), 1)
        return builder.cttz(arguments[0], never_zero)

    return types.int64(types.int64), generate
