"""Lower what works word by word, or row by row: sums, products, activation functions, softmax."""

from dataclasses import replace

import numpy as np

from myo_export import quantized_math as q
from myo_export.graph import ActivationOptions, LeakyReluOptions, SoftmaxOptions, Tensor
from myo_export.lower_weights import clamp_of
from myo_export.lowered import Add, Broadcast, Mul, Operand, OpView, Softmax, Step, Table

_ADD_HEADROOM_BITS = 20
# From 512 equal words on, the division by their sum asks for a shift of more than 31 bits: the format's end.
_SOFTMAX_MAX_ROW = 511


def _operands(view: OpView) -> tuple[Tensor, Tensor, Operand, Operand, tuple[int, ...]]:
    """Give both operands of a binary operator, constant or not, and the activations among them."""
    view.expect_arity((2, 2))
    found: list[tuple[Tensor, Operand]] = []
    for position in range(2):
        index = view.op.inputs[position]
        tensor = view.graph.tensors[index]
        if index >= 0 and tensor.data is not None:
            constant = view.constant(position, "int8", "operand")
            if len(constant.scales) != 1:
                view.fail(
                    f"has a constant operand with {len(constant.scales)} scales, expected 1", "quantize again"
                )
            found.append((constant, Operand(index, tensor.data.reshape(-1))))
        else:
            found.append((view.activation(position), Operand(index, None)))
    (a, operand_a), (b, operand_b) = found
    return a, b, operand_a, operand_b, tuple(o.tensor for o in (operand_a, operand_b) if o.values is None)


def _broadcast(view: OpView, a: Tensor, b: Tensor, target: Tensor) -> Broadcast:
    """Strides of both operands over the output's axes; equal shapes become one long row."""
    if a.shape == b.shape == target.shape:
        return Broadcast((1, 1, 1, target.size), (0, 0, 0, 1), (0, 0, 0, 1))
    try:
        together = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        together = None
    if together != target.shape or len(target.shape) > 4:
        view.fail(
            f"joins shapes {list(a.shape)} and {list(b.shape)} to {list(target.shape)}",
            "use shapes of at most 4 axes that fit",
        )
    size = (1,) * (4 - len(target.shape)) + target.shape

    def strides(tensor: Tensor) -> tuple[int, int, int, int]:
        shape = (1,) * (4 - len(tensor.shape)) + tensor.shape
        dense = [shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1]
        s = [0 if n == 1 else step for n, step in zip(shape, dense, strict=True)]
        return s[0], s[1], s[2], s[3]

    return Broadcast((size[0], size[1], size[2], size[3]), strides(a), strides(b))


def lower_add(view: OpView) -> Step:
    """Lower ADD, with broadcasting and constant operands."""
    options = view.options(ActivationOptions)
    a, b, operand_a, operand_b, inputs = _operands(view)
    target = view.output()
    low, high = clamp_of(view, options.activation, target)
    twice_largest = 2.0 * max(a.quantization.scale, b.quantization.scale)
    factors = [
        q.quantize_factor(a.quantization.scale / twice_largest),
        q.quantize_factor(b.quantization.scale / twice_largest),
        q.quantize_factor(twice_largest / (float(1 << _ADD_HEADROOM_BITS) * target.quantization.scale)),
    ]
    if any(factor.shift > 0 for factor in factors):
        view.fail(
            "has an output scale far finer than its inputs'",
            "quantize the model again with representative data",
        )
    layer = Add(
        _broadcast(view, a, b, target),
        operand_a,
        operand_b,
        -a.quantization.zero_point,
        -b.quantization.zero_point,
        factors[0],
        factors[1],
        factors[2],
        target.quantization.zero_point,
        low,
        high,
    )
    return Step(view.op, layer, inputs, target.index, 0)


def lower_mul(view: OpView) -> Step:
    """Lower MUL, with broadcasting and constant operands."""
    options = view.options(ActivationOptions)
    a, b, operand_a, operand_b, inputs = _operands(view)
    target = view.output()
    low, high = clamp_of(view, options.activation, target)
    factor = q.quantize_factor(a.quantization.scale * b.quantization.scale / target.quantization.scale)
    layer = Mul(
        _broadcast(view, a, b, target),
        operand_a,
        operand_b,
        -a.quantization.zero_point,
        -b.quantization.zero_point,
        view.expect_factor(factor),
        target.quantization.zero_point,
        low,
        high,
    )
    return Step(view.op, layer, inputs, target.index, 0)


def lower_table(view: OpView) -> Step:
    """Lower an activation function of one word to a table that is computed here."""
    view.expect_arity((1, 1))
    source, target = view.activation(0), view.output()
    if source.size != target.size:
        view.expect_shape(target.shape, source.shape, "output")
    table = _function_table(view, source.quantization, target.quantization)
    if table is None:
        view.fail(
            "has scales that its integer format has no room for",
            "quantize the model again with representative data",
        )
    return Step(view.op, Table(table, target.size), (source.index,), target.index, 0)


def _function_table(view: OpView, source: q.Quantization, target: q.Quantization) -> np.ndarray | None:
    name = view.op.name
    if name == "LOGISTIC":
        _expect_output(view, target, 1.0 / 256.0, -128)
        return q.logistic_table(source)
    if name == "TANH":
        _expect_output(view, target, 1.0 / 128.0, 0)
        return q.tanh_table(source)
    if name == "HARD_SWISH":
        return q.hard_swish_table(source, target)
    if name == "RELU6":
        # The kernel clamps without a change of scale: two scales would give a wrong result.
        view.expect_same_quantization(source, target)
        return q.relu6_table(source)
    if name == "LEAKY_RELU":
        alpha = view.options(LeakyReluOptions).alpha
        if not abs(alpha) <= 1e6:
            view.fail(f"has slope {alpha}", "the file is damaged, export again")
        factors = (
            q.quantize_factor(source.scale / target.scale),
            q.quantize_factor(source.scale * alpha / target.scale),
        )
        for factor in factors:
            view.expect_factor(replace(factor, multiplier=abs(factor.multiplier)))
        return q.leaky_relu_table(source, target, alpha)
    view.expect_factor(q.quantize_factor(source.scale / target.scale))
    return q.relu_table(source, target) if name == "RELU" else q.requantize_table(source, target)


def _expect_output(view: OpView, target: q.Quantization, scale: float, zero_point: int) -> None:
    if target != q.Quantization(scale, zero_point):
        view.fail(
            f"has output scale {target.scale:g} and zero point {target.zero_point},"
            f" expected {scale:g} and {zero_point}",
            "quantize the model again with a current converter",
        )


def lower_softmax(view: OpView) -> Step:
    """Lower SOFTMAX over the last axis."""
    view.expect_arity((1, 1))
    beta = view.options(SoftmaxOptions).beta
    source, target = view.activation(0), view.output()
    view.expect_shape(target.shape, source.shape, "output")
    _expect_output(view, target.quantization, 1.0 / 256.0, -128)
    if not source.shape or source.shape[-1] > _SOFTMAX_MAX_ROW:
        view.fail(
            f"has shape {list(source.shape)}, at most {_SOFTMAX_MAX_ROW} words in a row are possible",
            "use fewer classes",
        )
    factors = q.softmax_factors(source.quantization, beta)
    if factors is None:
        view.fail(
            f"has input scale {source.quantization.scale:g} and beta {beta:g}",
            "the scale is too fine; quantize again",
        )
    row_size = source.shape[-1]
    return Step(
        view.op, Softmax(source.size // row_size, row_size, factors), (source.index,), target.index, 0
    )
