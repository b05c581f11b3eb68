"""Lower the layers with weights: convolution, depthwise convolution, transposed convolution, fully connected."""

import numpy as np

from myo_export.graph import ConvOptions, FullyConnectedOptions, PoolOptions, Tensor
from myo_export.lowered import (
    Conv,
    DepthwiseConv,
    FullyConnected,
    Requantize,
    Shape3,
    Step,
    TransposeConv,
    Window,
)
from myo_export.op_view import OpView
from myo_export.quantized_math import Factor, activation_range, quantize_factor
from myo_export.unfold_transpose_conv import as_conv


def lower_conv(view: OpView) -> Step:
    """Lower CONV_2D, grouped or not."""
    view.expect_arity((2, 3))
    options = view.options(ConvOptions)
    source, target = view.activation(0), view.output()
    input_shape, output_shape = view.plane(source, "input"), view.plane(target, "output")
    weights = _weights(view, 0)
    n_outputs, height, width, weight_channels = view.kernel(weights)
    n_groups, rest = divmod(input_shape[2], weight_channels)
    if rest or n_groups == 0 or n_outputs % n_groups or n_outputs != output_shape[2]:
        view.fail(
            f"has weights of shape {list(weights.shape)} for {input_shape[2]} input and"
            f" {output_shape[2]} output channels",
            "the file is damaged, export again",
        )
    window = window_of(view, options, (height, width), input_shape, output_shape)
    offset = -source.quantization.zero_point
    bias = _bias(view, n_outputs)
    values = _values(weights)
    view.expect_sums_fit(bias, values.reshape(n_outputs, -1), offset)
    layer = Conv(
        input_shape,
        output_shape,
        window,
        offset,
        values,
        bias,
        _requantize(view, source, weights, target, n_outputs),
    )
    macs = target.size * height * width * weight_channels
    return Step(view.op, layer, (source.index,), target.index, macs)


def lower_depthwise_conv(view: OpView) -> Step:
    """Lower DEPTHWISE_CONV_2D with any depth multiplier."""
    view.expect_arity((2, 3))
    options = view.options(ConvOptions)
    source, target = view.activation(0), view.output()
    input_shape, output_shape = view.plane(source, "input"), view.plane(target, "output")
    weights = _weights(view, 3)
    height, width, n_outputs = view.plane(weights, "weights")
    multiplier, rest = divmod(n_outputs, input_shape[2])
    if (
        weights.shape[0] != 1
        or rest
        or n_outputs != output_shape[2]
        or options.depth_multiplier != multiplier
    ):
        view.fail(
            f"has weights of shape {list(weights.shape)} and depth multiplier {options.depth_multiplier} for"
            f" {input_shape[2]} input and {output_shape[2]} output channels",
            "the file is damaged, export again",
        )
    window = window_of(view, options, (height, width), input_shape, output_shape)
    offset = -source.quantization.zero_point
    bias = _bias(view, n_outputs)
    values = _values(weights)[0]
    view.expect_sums_fit(bias, values.reshape(-1, n_outputs).T, offset)
    layer = DepthwiseConv(
        input_shape,
        output_shape,
        window,
        multiplier,
        offset,
        values,
        bias,
        _requantize(view, source, weights, target, n_outputs),
    )
    return Step(view.op, layer, (source.index,), target.index, target.size * height * width)


def lower_transpose_conv(view: OpView) -> Step:
    """Lower TRANSPOSE_CONV: to a convolution where one gives the same words, else to a kernel of its own."""
    view.expect_arity((3, 4))
    options = view.options(ConvOptions)
    shape = view.constant(0, "int32", "output shape")
    source, target = view.activation(2), view.output()
    input_shape, output_shape = view.plane(source, "input"), view.plane(target, "output")
    stated = () if shape.data is None else tuple(int(n) for n in shape.data.reshape(-1))
    view.expect_shape(stated, target.shape, "its constant output shape")
    weights = _weights(view, 0)
    n_outputs, height, width, channels = view.kernel(weights)
    if (n_outputs, channels) != (output_shape[2], input_shape[2]):
        view.fail(
            f"has weights of shape {list(weights.shape)} for {input_shape[2]} input and"
            f" {output_shape[2]} output channels",
            "the file is damaged, export again",
        )
    strides, pads = (options.stride_height, options.stride_width), []
    if not all(0 < n <= 65535 for n in strides):
        view.fail(f"has strides {strides}", "each must be 1 to 65535")
    for axis, size in enumerate((height, width)):
        # The forward convolution, from this layer's output to its input, fixes the padding.
        n_input, n_output, stride = input_shape[axis], output_shape[axis], strides[axis]
        expected = (
            -(-n_output // stride) if options.padding == "SAME" else -(-(n_output - size + 1) // stride)
        )
        if n_input != expected:
            view.fail(
                f"makes {list(output_shape)} from {list(input_shape)}, its window and padding {options.padding}"
                f" ask for {expected} along axis {axis + 1} of the input",
                "the file is damaged, export again",
            )
        pads.append(max(0, (n_input - 1) * stride + size - n_output) // 2)
    offset = -source.quantization.zero_point
    bias = _bias(view, n_outputs, 3)
    values = _values(weights)
    view.expect_sums_fit(bias, values.reshape(n_outputs, -1), offset)
    plain = TransposeConv(
        input_shape,
        output_shape,
        Window(height, width, *strides, 1, 1, pads[0], pads[1]),
        offset,
        values,
        bias,
        _requantize(view, source, weights, target, n_outputs),
    )
    layer = as_conv(plain)
    macs = layer.weights.size * source.size // channels
    if isinstance(layer, Conv):
        macs = layer.weights.size * layer.output_shape[0] * layer.output_shape[1]
    return Step(view.op, layer, (source.index,), target.index, macs)


def lower_fully_connected(view: OpView) -> Step:
    """Lower FULLY_CONNECTED over the last axis of any number of rows."""
    view.expect_arity((2, 3))
    options = view.options(FullyConnectedOptions)
    if options.weights_format != 0:
        view.fail(
            f"has weights in format {options.weights_format}, expected 0 (plain)",
            "export without shuffled weights",
        )
    source, target = view.activation(0, any_batch=True), view.output(any_batch=True)
    weights = _weights(view, 0)
    if len(weights.shape) != 2:
        view.fail(
            f"has weights of shape {list(weights.shape)}, expected 2 sizes",
            "the file is damaged, export again",
        )
    n_outputs, n_inputs = weights.shape
    n_rows, rest = divmod(source.size, n_inputs)
    if rest or target.size != n_rows * n_outputs or target.shape[-1:] != (n_outputs,):
        view.fail(
            f"has weights of shape {list(weights.shape)} between {list(source.shape)} and"
            f" {list(target.shape)}",
            "the file is damaged, export again",
        )
    offset = -source.quantization.zero_point
    bias = _bias(view, n_outputs)
    values = _values(weights)
    view.expect_sums_fit(bias, values, offset)
    factors = _channel_factors(view, source, weights, target, n_outputs)
    low, high = clamp_of(view, options.activation, target)
    layer = FullyConnected(
        n_rows, offset, values, bias, Requantize(factors, target.quantization.zero_point, low, high)
    )
    return Step(view.op, layer, (source.index,), target.index, n_rows * n_outputs * n_inputs)


def clamp_of(view: OpView, activation: str, target: Tensor) -> tuple[int, int]:
    """Range that a fused activation leaves to the output."""
    clamp = activation_range(activation, target.quantization)
    if clamp is None:
        view.fail(
            f"has the activation {activation} outside of its output's range", "quantize the model again"
        )
    return clamp


def window_of(
    view: OpView,
    options: ConvOptions | PoolOptions,
    size: tuple[int, int],
    input_shape: Shape3,
    output_shape: Shape3,
) -> Window:
    """Place the window from the padding scheme, and check that the output's shape follows from it."""
    strides = (options.stride_height, options.stride_width)
    dilations = (1, 1)
    if isinstance(options, ConvOptions):
        dilations = (options.dilation_height, options.dilation_width)
    if not all(0 < n <= 65535 for n in (*strides, *dilations, *size)):
        view.fail(
            f"has strides {strides}, dilations {dilations} and window {size}", "each must be 1 to 65535"
        )
    pads = []
    for axis in range(2):
        reach = (size[axis] - 1) * dilations[axis] + 1
        n_input, n_output, stride = input_shape[axis], output_shape[axis], strides[axis]
        expected = -(-n_input // stride) if options.padding == "SAME" else -(-(n_input - reach + 1) // stride)
        if n_output != expected:
            view.fail(
                f"has output shape {list(output_shape)}, its window and padding {options.padding}"
                f" ask for {expected} along axis {axis + 1}",
                "the file is damaged, export again",
            )
        pads.append(max(0, (n_output - 1) * stride + reach - n_input) // 2)
    if max(pads) > 65535:
        view.fail(
            f"has a padding of {max(pads)}", "at most 65535 is possible; use a smaller window or dilation"
        )
    return Window(size[0], size[1], *strides, *dilations, pads[0], pads[1])


def _weights(view: OpView, channel_axis: int) -> Tensor:
    weights = view.constant(1, "int8", "weights")
    if not weights.scales:
        view.fail("has weights without a scale", "quantize the whole model to int8")
    if any(weights.zero_points):
        view.fail("has weights with a zero point other than 0", "quantize the weights symmetrically")
    if len(weights.scales) > 1 and weights.channel_axis != channel_axis:
        view.fail(
            f"has scales along axis {weights.channel_axis} of its weights, expected {channel_axis}",
            "quantize the model again",
        )
    return weights


def _values(weights: Tensor) -> np.ndarray:
    return np.zeros(weights.shape, np.int8) if weights.data is None else weights.data


def _bias(view: OpView, n_outputs: int, position: int = 2) -> np.ndarray:
    if len(view.op.inputs) <= position or view.op.inputs[position] < 0:
        return np.zeros(n_outputs, np.int32)
    bias = view.constant(position, "int32", "biases")
    if bias.data is None or bias.size != n_outputs:
        view.fail(f"has {bias.size} biases for {n_outputs} outputs", "the file is damaged, export again")
    return bias.data.reshape(-1).astype(np.int32)


def _channel_factors(
    view: OpView, source: Tensor, weights: Tensor, target: Tensor, n_outputs: int
) -> tuple[Factor, ...]:
    scales = weights.scales if len(weights.scales) > 1 else weights.scales * n_outputs
    if len(scales) != n_outputs:
        view.fail(f"has {len(scales)} scales for {n_outputs} outputs", "the file is damaged, export again")
    s, t = source.quantization.scale, target.quantization.scale
    return tuple(view.expect_factor(quantize_factor(s * scale / t)) for scale in scales)


def _requantize(view: OpView, source: Tensor, weights: Tensor, target: Tensor, n_outputs: int) -> Requantize:
    options = view.options(ConvOptions)
    low, high = clamp_of(view, options.activation, target)
    factors = _channel_factors(view, source, weights, target, n_outputs)
    return Requantize(factors, target.quantization.zero_point, low, high)
