"""Lower what takes two tensors word by word: sums, differences, products, extremes, slopes."""

from dataclasses import dataclass

import numpy as np

from myo_export import quantized_math as q
from myo_export.binary_words import ADD_HEADROOM_BITS, SQUARED_DIFFERENCE_HEADROOM_BITS, word_function
from myo_export.graph import ActivationOptions, Tensor
from myo_export.lower_weights import clamp_of
from myo_export.lowered import (
    Add,
    Binary,
    Broadcast,
    Extremum,
    Layer,
    Mul,
    Operand,
    Prelu,
    SquaredDifference,
    Step,
    Table,
)
from myo_export.op_view import OpView

Shape4 = tuple[int, int, int, int]


@dataclass(frozen=True)
class _Pair:
    """Both operands of a binary operator, how they meet, and the output."""

    a: Tensor
    b: Tensor
    target: Tensor
    broadcast: Broadcast
    operand_a: Operand
    operand_b: Operand

    @property
    def offsets(self) -> tuple[int, int]:
        return -self.a.quantization.zero_point, -self.b.quantization.zero_point

    @property
    def scales(self) -> tuple[float, float, float]:
        """Of a, b and the output."""
        return self.a.quantization.scale, self.b.quantization.scale, self.target.quantization.scale


def _read_pair(view: OpView) -> _Pair:
    view.expect_arity((2, 2))
    tensors, operands = [], []
    for position in range(2):
        index = view.op.inputs[position]
        if index >= 0 and view.graph.tensors[index].data is not None:
            constant = view.constant(position, "int8", "operand")
            if len(constant.scales) != 1 or constant.data is None:
                view.fail(
                    f"has a constant operand with {len(constant.scales)} scales, expected 1", "quantize again"
                )
            tensors.append(constant)
            operands.append(Operand(index, constant.data.reshape(-1)))
        else:
            tensors.append(view.activation(position))
            operands.append(Operand(index, None))
    if all(operand.values is not None for operand in operands):
        view.fail("joins two constants", "fold the constants before export")
    target = view.output()
    return _Pair(
        tensors[0],
        tensors[1],
        target,
        _broadcast(view, tensors[0], tensors[1], target),
        operands[0],
        operands[1],
    )


def _broadcast(view: OpView, a: Tensor, b: Tensor, target: Tensor) -> Broadcast:
    """Strides of both operands over the output's axes, as few as possible."""
    try:
        together = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        together = None
    if together != target.shape or len(target.shape) > 4:
        view.fail(
            f"joins shapes {list(a.shape)} and {list(b.shape)} to {list(target.shape)}",
            "use shapes of at most 4 axes that fit",
        )
    rank = len(target.shape)
    axes: list[tuple[int, int, int]] = []  # size, and the strides of a and b, innermost first
    strides_a, strides_b = _strides(a.shape, rank), _strides(b.shape, rank)
    for n, stride_a, stride_b in zip(target.shape[::-1], strides_a[::-1], strides_b[::-1], strict=True):
        if n == 1:
            continue
        if axes and (stride_a, stride_b) == (axes[-1][0] * axes[-1][1], axes[-1][0] * axes[-1][2]):
            axes[-1] = (n * axes[-1][0], *axes[-1][1:])
        else:
            axes.append((n, stride_a, stride_b))
    axes += [(1, 0, 0)] * (4 - len(axes))

    def four(place: int) -> Shape4:
        return axes[3][place], axes[2][place], axes[1][place], axes[0][place]

    return Broadcast(four(0), four(1), four(2))


def _strides(shape: tuple[int, ...], rank: int) -> list[int]:
    """Words from one index to the next along every axis of a dense tensor; 0 where it is repeated."""
    full = (1,) * (rank - len(shape)) + shape
    strides, step = [], 1
    for n in full[::-1]:
        strides.append(0 if n == 1 else step)
        step *= n
    return strides[::-1]


def _step(view: OpView, layer: Binary, pair: _Pair) -> Step:
    """Finish a step; with a constant of one word, the layer is a function of the other operand's words."""
    operands = (layer.a, layer.b)
    inputs = tuple(operand.tensor for operand in operands if operand.values is None)
    one_a, one_b = (None if o.values is None or o.values.size != 1 else int(o.values[0]) for o in operands)
    word = word_function(layer)
    made: Layer = layer
    if one_a is not None:
        made = Table(q.table_of(lambda b: word(one_a, b)), pair.target.size)
    if one_b is not None:
        made = Table(q.table_of(lambda a: word(a, one_b)), pair.target.size)
    return Step(view.op, made, inputs, pair.target.index, 0)


def lower_add(view: OpView) -> Step:
    """Lower ADD and SUB, with broadcasting and constant operands."""
    options = view.options(ActivationOptions)
    pair = _read_pair(view)
    low, high = clamp_of(view, options.activation, pair.target)
    scale_a, scale_b, scale_output = pair.scales
    twice_largest = 2.0 * max(scale_a, scale_b)
    factors = [
        q.quantize_factor(scale_a / twice_largest),
        q.quantize_factor(scale_b / twice_largest),
        q.quantize_factor(twice_largest / (float(1 << ADD_HEADROOM_BITS) * scale_output)),
    ]
    if factors[2].shift >= 0:
        view.fail(
            "has an output scale far finer than its inputs'",
            "quantize the model again with representative data",
        )
    layer = Add(
        pair.broadcast,
        pair.operand_a,
        pair.operand_b,
        *pair.offsets,
        factors[0],
        factors[1],
        factors[2],
        pair.target.quantization.zero_point,
        low,
        high,
        -1 if view.op.name == "SUB" else 1,
    )
    return _step(view, layer, pair)


def lower_mul(view: OpView) -> Step:
    """Lower MUL, with broadcasting and constant operands."""
    options = view.options(ActivationOptions)
    pair = _read_pair(view)
    low, high = clamp_of(view, options.activation, pair.target)
    scale_a, scale_b, scale_output = pair.scales
    layer = Mul(
        pair.broadcast,
        pair.operand_a,
        pair.operand_b,
        *pair.offsets,
        view.expect_factor(q.quantize_factor(scale_a * scale_b / scale_output)),
        pair.target.quantization.zero_point,
        low,
        high,
    )
    return _step(view, layer, pair)


def lower_squared_difference(view: OpView) -> Step:
    """Lower SQUARED_DIFFERENCE, with broadcasting and constant operands."""
    pair = _read_pair(view)
    scale_a, scale_b, scale_output = pair.scales
    twice_largest = 2.0 * max(scale_a, scale_b)
    raised = float(1 << (2 * SQUARED_DIFFERENCE_HEADROOM_BITS))
    layer = SquaredDifference(
        pair.broadcast,
        pair.operand_a,
        pair.operand_b,
        *pair.offsets,
        q.quantize_factor(scale_a / twice_largest),
        q.quantize_factor(scale_b / twice_largest),
        view.expect_factor(q.quantize_factor(twice_largest * twice_largest / (raised * scale_output))),
        pair.target.quantization.zero_point,
    )
    return _step(view, layer, pair)


def lower_prelu(view: OpView) -> Step:
    """Lower PRELU, whose slopes are the second operand."""
    pair = _read_pair(view)
    scale_a, scale_b, scale_output = pair.scales
    layer = Prelu(
        pair.broadcast,
        pair.operand_a,
        pair.operand_b,
        *pair.offsets,
        view.expect_factor(q.quantize_factor(scale_a / scale_output)),
        view.expect_factor(q.quantize_factor(scale_a * scale_b / scale_output)),
        pair.target.quantization.zero_point,
    )
    return _step(view, layer, pair)


def lower_extremum(view: OpView) -> Step:
    """Lower MAXIMUM and MINIMUM, with broadcasting and constant operands."""
    pair = _read_pair(view)
    # The kernel compares words: with other scales it would compare wrong numbers.
    for tensor in (pair.a, pair.b):
        view.expect_same_quantization(tensor.quantization, pair.target.quantization)
    layer = Extremum(view.op.name.lower(), pair.broadcast, pair.operand_a, pair.operand_b)
    return _step(view, layer, pair)
