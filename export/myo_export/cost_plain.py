"""What the plain kernels of layers with weights run, counted from their loops, for the cost model; see `cost_events`."""

from collections import Counter

from myo_export.cost_copies import Events
from myo_export.lowered import BatchMatmul, Conv, DepthwiseConv, FullyConnected, TransposeConv, Window


def count_inside(n_outputs: int, stride: int, pad: int, dilation: int, size: int, n_inputs: int) -> list[int]:
    """Count the window's elements inside of the input, for each output position along an axis."""
    found = []
    for position in range(n_outputs):
        origin = position * stride - pad
        begin = -(origin // dilation) if origin < 0 else 0
        end = min(size, max(0, -(-(n_inputs - origin) // dilation)))
        found.append(max(0, end - begin))
    return found


def window_axes(
    window: Window, input_shape: tuple[int, ...], output_shape: tuple[int, ...]
) -> tuple[list[int], list[int]]:
    """Count the window's elements inside of the input, for each row and each column of the output."""
    rows = count_inside(
        output_shape[0], window.stride_height, window.pad_top, window.dilation_height, window.height, input_shape[0]
    )  # fmt: skip
    columns = count_inside(
        output_shape[1], window.stride_width, window.pad_left, window.dilation_width, window.width, input_shape[1]
    )  # fmt: skip
    return rows, columns


def conv_events(layer: Conv) -> Events:
    """Count `myo_conv_run`."""
    rows, columns = window_axes(layer.window, layer.input_shape, layer.output_shape)
    height, width, n_outputs = layer.output_shape
    n = height * width * n_outputs
    n_columns = sum(rows) * sum(columns) * n_outputs
    return Counter(
        {
            "conv_plain.call": 1,
            "conv_plain.line": height,
            "conv_plain.position": height * width,
            "conv_plain.output": n,
            "conv_plain.row": sum(rows) * width * n_outputs,
            "conv_plain.column": n_columns,
            "conv_plain.mac": n_columns * layer.weights.shape[3],
        }
    )


def depthwise_events(layer: DepthwiseConv) -> Events:
    """Count `myo_depthwise_conv_run`."""
    rows, columns = window_axes(layer.window, layer.input_shape, layer.output_shape)
    height, width, n_outputs = layer.output_shape
    n = height * width * n_outputs
    return Counter(
        {
            "depthwise_plain.call": 1,
            "depthwise_plain.line": height,
            "depthwise_plain.position": height * width,
            "depthwise_plain.channel": height * width * layer.input_shape[2],
            "depthwise_plain.output": n,
            "depthwise_plain.row": sum(rows) * width * n_outputs,
            "depthwise_plain.mac": sum(rows) * sum(columns) * n_outputs,
        }
    )


def dense_events(layer: FullyConnected) -> Events:
    """Count `myo_fully_connected_run`."""
    n_outputs, n_inputs = layer.weights.shape
    n = layer.n_rows * n_outputs
    return Counter(
        {
            "dense_plain.call": 1,
            "dense_plain.row": layer.n_rows,
            "dense_plain.output": n,
            "dense_plain.mac": n * n_inputs,
        }
    )


def _count_reached(n_outputs: int, stride: int, pad: int, size: int, n_inputs: int) -> int:
    """Sum, over an axis of a transposed convolution's output, the window's elements that reach a position."""
    found = 0
    for position in range(n_outputs):
        origin, first = divmod(position + pad, stride)
        begin = max(0, origin - (n_inputs - 1))
        end = min(origin + 1, -(-(size - first) // stride) if first < size else 0)
        found += max(0, end - begin)
    return found


def transpose_conv_events(layer: TransposeConv) -> Events:
    """Count `myo_transpose_conv_run`."""
    window, (height, width, n_outputs) = layer.window, layer.output_shape
    rows = _count_reached(height, window.stride_height, window.pad_top, window.height, layer.input_shape[0])
    columns = _count_reached(width, window.stride_width, window.pad_left, window.width, layer.input_shape[1])
    return Counter(
        {
            "transpose_conv.call": 1,
            "transpose_conv.line": height,
            "transpose_conv.position": height * width,
            "transpose_conv.output": height * width * n_outputs,
            "transpose_conv.row": rows * width * n_outputs,
            "transpose_conv.column": rows * columns * n_outputs,
            "transpose_conv.mac": rows * columns * n_outputs * layer.input_shape[2],
        }
    )


def batch_matmul_events(layer: BatchMatmul) -> Events:
    """Count `myo_batch_matmul_run`."""
    n = layer.batch[0] * layer.batch[1] * layer.batch[2]
    # GCC has a loop of its own for neighbours at -O3.
    mac = "near_mac" if (layer.a.column_stride, layer.b.row_stride) == (1, 1) else "mac"
    return Counter(
        {
            "batch_matmul.call": 1,
            "batch_matmul.outer": layer.batch[0] * layer.batch[1],
            "batch_matmul.product": n,
            "batch_matmul.row": n * layer.n_rows,
            "batch_matmul.output": n * layer.n_rows * layer.n_columns,
            f"batch_matmul.{mac}": n * layer.n_rows * layer.n_columns * layer.depth,
        }
    )
