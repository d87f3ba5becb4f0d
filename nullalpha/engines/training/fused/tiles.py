"""Products of matrices with blocks of rows, tile by tile: a tile's sums stay in registers from the first product to the last.

Networks spend nearly all their time here, and loops that the compiler turns into vectors by itself load and store a sum for every four
products, often in vectors half as long as the host's; here the vectors are written out. All arrays are flat; a column is `ROWS` numbers
side by side, one for each row of a block. Nothing depends on the host but the order of sums over rows.
Source: Goto & van de Geijn (2008), Anatomy of high-performance matrix multiplication, ACM TOMS 34(3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from nullalpha.engines.training.fused.blocks import ROWS, Float32Array

LANES = 16 if binding.get_host_cpu_features().get("avx512f") else 8
"""Numbers of a vector. Any host can do with either: where its own are shorter, the compiler takes several for one."""
_TILE, _ABREAST = 4, 4 if LANES == 16 else 2
"""Columns of a tile, and vectors of each, or columns on the other side: their sums fill half of the registers."""
_TILE_ROWS = _ABREAST * LANES
_BYTES = 4
_INDEX = ir.IntType(64)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_NOTHING = ir.Constant(_VECTOR, ir.Undefined)
_FUSED, _ANY_ORDER = ("contract",), ("reassoc", "contract")
Generator = Callable[[Any, Sequence["_Flat"], Sequence[Any]], None]


class _Flat:
    """A flat float32 array as generated code sees it."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        self._builder = builder
        self._data = context.make_array(kind)(context, builder, value).data

    def number(self, at: Any) -> Any:
        """Return the address of one number."""
        return self._builder.gep(self._data, [at])

    def vector(self, at: Any) -> Any:
        """Return the address of `LANES` numbers."""
        return self._builder.bitcast(self.number(at), _VECTOR.as_pointer())


def _tile(generate: Generator) -> Any:
    """Return an intrinsic of three flat arrays and a tuple of sizes and places, that does what `generate` builds."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = [_Flat(context, builder, *one) for one in zip(signature.args[:3], arguments[:3], strict=True)]
        generate(builder, arrays, cgutils.unpack_tuple(builder, arguments[3]))  # type: ignore[no-untyped-call]
        return context.get_dummy_value()

    def typed(typing: Any, a: Any, b: Any, c: Any, places: Any) -> Any:
        indices = types.UniTuple(types.int64, len(places))  # type: ignore[no-untyped-call]
        return types.void(a, b, c, indices), build

    return intrinsic(typed)


def _steps(builder: Any, start: Any, count: int, apart: Any) -> list[Any]:
    """Return `count` indices, `apart` from each other."""
    places = [start]
    for _ in range(count - 1):
        places.append(builder.add(places[-1], apart))
    return places


def _variable(builder: Any, value: Any) -> Any:
    """Return the address of a variable that begins with a value; the compiler keeps it in a register."""
    return cgutils.alloca_once_value(builder, value)  # type: ignore[no-untyped-call]


def _read(builder: Any, address: Any) -> Any:
    return builder.load(address, align=_BYTES)


def _add_product(builder: Any, total: Any, a: Any, b: Any) -> None:
    """Add a b to the vector at `total`, in one rounding where the host can."""
    product = builder.fmul(a, b, flags=_FUSED)
    builder.store(builder.fadd(builder.load(total), product, flags=_FUSED), total)


def _broadcast(builder: Any, number: Any) -> Any:
    first = builder.insert_element(_NOTHING, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, _NOTHING, ir.Constant(ir.VectorType(ir.IntType(32), LANES), None))


def _outputs_tile(n_columns: int) -> Any:
    """Return the tile of `add_outputs`: `n_columns` outputs from one on, `_TILE_ROWS` rows from one on."""

    def generate(builder: Any, arrays: Sequence[_Flat], places: Sequence[Any]) -> None:
        weights, inputs, outputs = arrays
        by_output, by_input, n_inputs, output, row = places
        column, vector = _INDEX(ROWS), _INDEX(LANES)
        first = builder.add(builder.mul(output, column), row)
        results = [
            outputs.vector(at) for start in _steps(builder, first, n_columns, column) for at in _steps(builder, start, _ABREAST, vector)
        ]
        totals = [_variable(builder, _read(builder, address)) for address in results]
        with cgutils.for_range(builder, n_inputs) as loop:
            its = builder.add(builder.mul(loop.index, column), row)
            rows = [_read(builder, inputs.vector(at)) for at in _steps(builder, its, _ABREAST, vector)]
            weight = builder.add(builder.mul(output, by_output), builder.mul(loop.index, by_input))
            for place, at in enumerate(_steps(builder, weight, n_columns, by_output)):
                factor = _broadcast(builder, _read(builder, weights.number(at)))
                for abreast, its_rows in enumerate(rows):
                    _add_product(builder, totals[place * _ABREAST + abreast], factor, its_rows)
        for total, address in zip(totals, results, strict=True):
            builder.store(builder.load(total), address, align=_BYTES)

    return _tile(generate)


def _weights_tile(n_inputs: int, n_outputs: int) -> Any:
    """Return the tile of `add_weight_slopes`: `n_inputs` inputs from one on, `n_outputs` outputs from one on, all steps and rows."""

    def generate(builder: Any, arrays: Sequence[_Flat], places: Sequence[Any]) -> None:
        inputs, by_outputs, by_weights = arrays
        n_steps, inputs_apart, outputs_apart, width, input_, output = places
        column = _INDEX(ROWS)
        totals = [_variable(builder, ir.Constant(_VECTOR, None)) for _ in range(n_inputs * n_outputs)]
        with cgutils.for_range(builder, n_steps) as loop:
            one = builder.add(builder.mul(loop.index, inputs_apart), builder.mul(input_, column))
            other = builder.add(builder.mul(loop.index, outputs_apart), builder.mul(output, column))
            for at in range(0, ROWS, LANES):
                left = [builder.add(start, _INDEX(at)) for start in _steps(builder, one, n_inputs, column)]
                right = [builder.add(start, _INDEX(at)) for start in _steps(builder, other, n_outputs, column)]
                slopes = [_read(builder, by_outputs.vector(place)) for place in right]
                for i, place in enumerate(left):
                    rows = _read(builder, inputs.vector(place))
                    for j, slope in enumerate(slopes):
                        _add_product(builder, totals[i * n_outputs + j], rows, slope)
        sum_of_lanes = ir.FunctionType(ir.FloatType(), [ir.FloatType(), _VECTOR])
        name = f"llvm.vector.reduce.fadd.v{LANES}f32"
        add_lanes = cgutils.get_or_insert_function(builder.module, sum_of_lanes, name)  # type: ignore[no-untyped-call]
        first = builder.add(builder.mul(input_, width), output)
        for i, start in enumerate(_steps(builder, first, n_inputs, width)):
            for j, at in enumerate(_steps(builder, start, n_outputs, _INDEX(1))):
                address = by_weights.number(at)
                total = builder.load(totals[i * n_outputs + j])
                builder.store(builder.call(add_lanes, [_read(builder, address), total], fastmath=_ANY_ORDER), address, align=_BYTES)

    return _tile(generate)


_four_outputs, _three_outputs, _two_outputs, _one_output = (_outputs_tile(count) for count in (4, 3, 2, 1))
_several_by_several, _several_by_one = _weights_tile(_TILE, _ABREAST), _weights_tile(_TILE, 1)
_one_by_several, _one_by_one = _weights_tile(1, _ABREAST), _weights_tile(1, 1)


@njit(nogil=True, cache=True, error_model="numpy")
def add_outputs_nb(
    weights: Float32Array, strides: tuple[int, int], shape: tuple[int, int], inputs: Float32Array, outputs: Float32Array
) -> None:
    """Add to each output's column the inputs' columns, each times its weight.

    Args:
        weights: from the first on.
        strides: from one output's weight to the next one's, from one input's to the next one's.
        shape: outputs, inputs.
        inputs: (inputs x ROWS) at least.
        outputs: (outputs x ROWS) at least, added to.
    """
    (by_output, by_input), (n_outputs, n_inputs) = strides, shape
    whole = n_outputs - n_outputs % _TILE
    for row in range(0, ROWS, _TILE_ROWS):
        for output in range(0, whole, _TILE):
            _four_outputs(weights, inputs, outputs, (by_output, by_input, n_inputs, output, row))
        rest = (by_output, by_input, n_inputs, whole, row)
        if n_outputs - whole == 3:
            _three_outputs(weights, inputs, outputs, rest)
        elif n_outputs - whole == 2:
            _two_outputs(weights, inputs, outputs, rest)
        elif n_outputs - whole == 1:
            _one_output(weights, inputs, outputs, rest)


@njit(nogil=True, cache=True, error_model="numpy")
def add_weight_slopes_nb(
    inputs: Float32Array,
    by_outputs: Float32Array,
    steps: tuple[int, int, int],
    shape: tuple[int, int],
    width: int,
    by_weights: Float32Array,
) -> None:
    """Add to each weight's slope the products of its input's and its output's columns, over all rows of all steps.

    Args:
        inputs, by_outputs: columns of the first step's inputs and of the slopes of its outputs.
        steps: how many, from one's inputs to the next one's, from one's outputs to the next one's.
        shape: inputs, outputs.
        width: from one input's weights to the next one's.
        by_weights: from the first weight on, those of an input side by side; added to.
    """
    (n_steps, inputs_apart, outputs_apart), (n_inputs, n_outputs) = steps, shape
    inputs_whole, outputs_whole = n_inputs - n_inputs % _TILE, n_outputs - n_outputs % _ABREAST
    for j in range(0, outputs_whole, _ABREAST):
        for i in range(0, inputs_whole, _TILE):
            _several_by_several(inputs, by_outputs, by_weights, (n_steps, inputs_apart, outputs_apart, width, i, j))
        for i in range(inputs_whole, n_inputs):
            _one_by_several(inputs, by_outputs, by_weights, (n_steps, inputs_apart, outputs_apart, width, i, j))
    for j in range(outputs_whole, n_outputs):
        for i in range(0, inputs_whole, _TILE):
            _several_by_one(inputs, by_outputs, by_weights, (n_steps, inputs_apart, outputs_apart, width, i, j))
        for i in range(inputs_whole, n_inputs):
            _one_by_one(inputs, by_outputs, by_weights, (n_steps, inputs_apart, outputs_apart, width, i, j))
