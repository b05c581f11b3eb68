"""Lower products of matrices of which both may be activations: BATCH_MATMUL, and dense layers without constant weights."""

from collections.abc import Sequence

import numpy as np

from myo_export.graph import BatchMatmulOptions, FullyConnectedOptions, Tensor
from myo_export.lower_weights import clamp_of, lower_fully_connected
from myo_export.lowered import BatchMatmul, Matrices, Operand, Step
from myo_export.op_view import OpView
from myo_export.quantized_math import INT32_MAX, quantize_factor
from myo_export.strided_copy import dense_strides

_MAX_RANK = 5


def _operand(view: OpView, position: int) -> tuple[Tensor, Operand]:
    index = view.op.inputs[position]
    tensor = view.graph.tensors[index]
    if index < 0 or tensor.data is None:
        return view.activation(position, any_batch=True), Operand(index, None)
    constant = view.constant(position, "int8", "operand")
    if len(constant.scales) != 1:
        view.fail(f"has a constant operand with {len(constant.scales)} scales, expected 1", "quantize again")
    return constant, Operand(index, tensor.data.reshape(-1))


def _matrices(tensor: Tensor, operand: Operand, batch: Sequence[int], is_transposed: bool) -> Matrices:
    """Strides of an operand over the output's batch axes, its rows and its columns."""
    strides = dense_strides(tensor.shape)
    own = [0 if n == 1 else s for n, s in zip(tensor.shape[:-2], strides[:-2], strict=True)]
    over = [0] * (3 - len(own)) + own
    row, column = strides[-2:][::-1] if is_transposed else strides[-2:]
    over = [0 if n == 1 else s for n, s in zip(batch, over, strict=True)]
    return Matrices(operand, -tensor.quantization.zero_point, (over[0], over[1], over[2]), row, column)


def _product(
    view: OpView,
    operands: tuple[tuple[Tensor, Operand], tuple[Tensor, Operand]],
    transposed: tuple[bool, bool],
    target: Tensor,
    activation: str,
    bias: np.ndarray | None,
) -> Step:
    (a, operand_a), (b, operand_b) = operands
    shapes = f"{list(a.shape)} and {list(b.shape)} to {list(target.shape)}"
    if not all(2 <= len(t.shape) <= _MAX_RANK for t in (a, b)):
        view.fail(f"multiplies {shapes}", f"use 2 to {_MAX_RANK} axes")
    n_rows, depth = a.shape[-2:][::-1] if transposed[0] else a.shape[-2:]
    depth_b, n_columns = b.shape[-2:][::-1] if transposed[1] else b.shape[-2:]
    try:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        batch = None
    if batch is None or depth != depth_b or target.shape != (*batch, n_rows, n_columns):
        view.fail(f"multiplies {shapes}", "the inner sizes and the batches must fit; export again")
    largest = [
        max(abs(-128 - t.quantization.zero_point), abs(127 - t.quantization.zero_point)) for t in (a, b)
    ]
    if (
        depth * largest[0] * largest[1] + (0 if bias is None else int(np.abs(bias.astype(np.int64)).max()))
        > INT32_MAX
    ):
        view.fail(f"multiplies {shapes}, sums that may leave int32", "use a smaller inner size")
    scale = a.quantization.scale * b.quantization.scale / target.quantization.scale
    low, high = clamp_of(view, activation, target)
    whole = [1] * (3 - len(batch)) + list(batch)
    layer = BatchMatmul(
        (whole[0], whole[1], whole[2]),
        n_rows,
        depth,
        n_columns,
        _matrices(a, operand_a, whole, transposed[0]),
        _matrices(b, operand_b, whole, transposed[1]),
        bias,
        view.expect_factor(quantize_factor(scale)),
        target.quantization.zero_point,
        low,
        high,
    )
    inputs = tuple(o.tensor for o in (operand_a, operand_b) if o.values is None)
    if not inputs:
        view.fail("multiplies two constants", "fold them before export")
    return Step(view.op, layer, inputs, target.index, target.size * depth)


def lower_batch_matmul(view: OpView) -> Step:
    """Lower BATCH_MATMUL of two activations, or of one and a constant, with batches that repeat where they are 1."""
    view.expect_arity((2, 2))
    options = view.options(BatchMatmulOptions)
    operands = (_operand(view, 0), _operand(view, 1))
    target = view.output(any_batch=True)
    return _product(view, operands, (options.adj_x, options.adj_y), target, "NONE", None)


def lower_fully_connected_any(view: OpView) -> Step:
    """Lower FULLY_CONNECTED; where its weights are an activation, as a product of matrices."""
    index = view.op.inputs[1] if len(view.op.inputs) > 1 else -1
    if index < 0 or view.graph.tensors[index].data is not None:
        return lower_fully_connected(view)
    view.expect_arity((2, 3))
    options = view.options(FullyConnectedOptions)
    source, weights, target = view.activation(0, True), view.activation(1, True), view.output(any_batch=True)
    rows = source.size // weights.shape[-1] if weights.shape else 0
    n_outputs = weights.shape[0] if weights.shape else 0
    if options.weights_format != 0 or len(weights.shape) != 2 or rows * weights.shape[1] != source.size:
        view.fail(
            f"has activations of shape {list(weights.shape)} as weights for {list(source.shape)}",
            "use (outputs, inputs) in the plain format",
        )
    if target.size != rows * n_outputs or target.shape[-1:] != (n_outputs,):
        view.fail(
            f"has activations of shape {list(weights.shape)} as weights to {list(target.shape)}",
            "export again",
        )
    bias = None
    if len(view.op.inputs) == 3 and view.op.inputs[2] >= 0:
        constant = view.constant(2, "int32", "biases")
        if constant.data is None or constant.size != n_outputs:
            view.fail(
                f"has {constant.size} biases for {n_outputs} outputs", "the file is damaged, export again"
            )
        bias = constant.data.reshape(-1)
    flat_source = _reshaped(source, (rows, weights.shape[1]))
    operands = ((flat_source, Operand(source.index, None)), (weights, Operand(weights.index, None)))
    flat_target = _reshaped(target, (rows, n_outputs))
    return _product(view, operands, (False, True), flat_target, options.activation, bias)


def _reshaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    return Tensor(tensor.index, tensor.name, shape, tensor.dtype, tensor.scales, tensor.zero_points)
