"""Law 2 in the network: a layer's int8 output lies within one step of the float operation on the same words.

The requantization adds at most 1/2 + 1/4 step (two roundings, the inner one halved at least once by the outer shift, or
exact where there is none), the 31-bit multiplier at most 2^-31 of the accumulator: less than one step together. Softmax,
logistic and tanh use fixed-point functions whose error is below 1/4 step of their fixed output scales.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from myo_export.graph import ConvOptions, Graph, Op, PoolOptions
from myo_export.tflite_reader import read_graph
from myo_pipeline.twin import NetworkTwin
from nn_moving_models import MOVED, PRODUCTS, MovingNetwork

STEPS = 1.0
KINDS = ["conv", "depthwise", "dense", "average_pool", "max_pool", "mean", "add", "mul", "pad", "reshape", "relu", "relu6",
         "leaky_relu", "logistic", "tanh", "quantize", "softmax", "concatenation", *MOVED, *PRODUCTS]  # fmt: skip


def dequantize(graph: Graph, index: int, words: np.ndarray) -> np.ndarray:
    tensor = graph.tensors[index]
    scales, zeros = np.asarray(tensor.scales), np.asarray(tensor.zero_points)
    if len(scales) > 1:
        shape = [1] * len(tensor.shape)
        shape[tensor.channel_axis] = -1
        scales, zeros = scales.reshape(shape), zeros.reshape(shape)
    return (words.reshape(tensor.shape).astype(np.float64) - zeros) * scales


def activate(x: np.ndarray, name: str) -> np.ndarray:
    low, high = {"RELU": (0, np.inf), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}.get(name, (-np.inf, np.inf))
    return np.clip(x, low, high)


def slide(
    x: np.ndarray,
    options: ConvOptions | PoolOptions,
    kernel: tuple[int, int],
    dilation: tuple[int, int],
    fill: float,
):
    """Yield (row, column, patch) over the output plane; patches are (kernel_h, kernel_w, channels)."""
    strides = (options.stride_height, options.stride_width)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    sizes, before = [], []
    for n, s, r in zip(x.shape[1:3], strides, reach, strict=True):
        size = -(-n // s) if options.padding == "SAME" else -(-(n - r + 1) // s)
        total = max((size - 1) * s + r - n, 0) if options.padding == "SAME" else 0
        sizes.append(size)
        before.append(total // 2)
    after = [
        max((size - 1) * s + r - n - b, 0)
        for size, s, r, n, b in zip(sizes, strides, reach, x.shape[1:3], before, strict=True)
    ]
    padded = np.pad(x[0], ((before[0], after[0]), (before[1], after[1]), (0, 0)), constant_values=fill)
    for row, column in product(range(sizes[0]), range(sizes[1])):
        top, left = row * strides[0], column * strides[1]
        yield row, column, padded[top : top + reach[0] : dilation[0], left : left + reach[1] : dilation[1]]


def run_float(graph: Graph, op: Op, x: list[np.ndarray]) -> np.ndarray:
    """Run one operator in float64 on dequantized inputs."""
    out = np.zeros(graph.tensors[op.outputs[0]].shape)
    options = op.options
    match op.name:
        case "CONV_2D":
            dilation = (options.dilation_height, options.dilation_width)
            n_out, _, _, depth = x[1].shape
            groups = x[0].shape[3] // depth
            for row, column, patch in slide(x[0], options, x[1].shape[1:3], dilation, 0.0):
                for o in range(n_out):
                    group = o // (n_out // groups)
                    out[0, row, column, o] = (
                        patch[:, :, group * depth : (group + 1) * depth] * x[1][o]
                    ).sum()
            out += x[2] if len(x) > 2 else 0
        case "DEPTHWISE_CONV_2D":
            dilation = (options.dilation_height, options.dilation_width)
            multiplier = x[1].shape[3] // x[0].shape[3]
            for row, column, patch in slide(x[0], options, x[1].shape[1:3], dilation, 0.0):
                out[0, row, column] = (np.repeat(patch, multiplier, axis=2) * x[1][0]).sum(axis=(0, 1))
            out += x[2] if len(x) > 2 else 0
        case "FULLY_CONNECTED":
            out = (x[0].reshape(-1, x[1].shape[1]) @ x[1].T + (x[2] if len(x) > 2 else 0)).reshape(out.shape)
        case "AVERAGE_POOL_2D":
            for row, column, patch in slide(
                x[0], options, (options.filter_height, options.filter_width), (1, 1), np.nan
            ):
                out[0, row, column] = np.nanmean(patch, axis=(0, 1))
        case "MAX_POOL_2D":
            for row, column, patch in slide(
                x[0], options, (options.filter_height, options.filter_width), (1, 1), -np.inf
            ):
                out[0, row, column] = patch.max(axis=(0, 1))
        case "MEAN":
            axes = tuple(int(a) % x[0].ndim for a in graph.tensors[op.inputs[1]].data)
            out = x[0].mean(axis=axes).reshape(out.shape)
        case "ADD":
            out = x[0] + x[1]
        case "MUL":
            out = x[0] * x[1]
        case "PAD" | "PADV2":
            value = float(x[1].ravel()[0]) if op.name == "PADV2" else 0.0
            out = np.pad(x[0], graph.tensors[op.inputs[1]].data, constant_values=value)
        case "RESHAPE" | "QUANTIZE":
            out = x[0].reshape(out.shape)
        case "CONCATENATION":
            out = np.concatenate(x, axis=options.axis)
        case "RELU" | "RELU6":
            return activate(x[0], op.name)
        case "LEAKY_RELU":
            out = np.where(x[0] > 0, x[0], options.alpha * x[0])
        case "LOGISTIC":
            out = 1 / (1 + np.exp(-x[0]))
        case "TANH":
            out = np.tanh(x[0])
        case "SOFTMAX":
            e = np.exp(options.beta * (x[0] - x[0].max(axis=-1, keepdims=True)))
            out = e / e.sum(axis=-1, keepdims=True)
        case "SLICE":
            begin, size = (graph.tensors[i].data for i in op.inputs[1:])
            ends = [n if s == -1 else b + s for n, b, s in zip(x[0].shape, begin, size, strict=True)]
            out = x[0][tuple(slice(b, e) for b, e in zip(begin, ends, strict=True))]
        case "STRIDED_SLICE":
            out = x[0][strided(graph, op)]
        case "TRANSPOSE":
            out = x[0].transpose(graph.tensors[op.inputs[1]].data)
        case "PACK":
            out = np.stack(x, options.axis)
        case "BATCH_MATMUL":
            a, b = (
                v.swapaxes(-1, -2) if adj else v
                for v, adj in zip(x, (options.adj_x, options.adj_y), strict=True)
            )
            out = a @ b
        case "TRANSPOSE_CONV":
            spread_window(graph, op, x, out)
        case _:
            raise AssertionError(op.name)
    return activate(out, getattr(options, "activation", "NONE"))


def strided(graph: Graph, op: Op) -> tuple[slice | int, ...]:
    """What Python takes as the same cut."""
    found: list[slice | int] = []
    options, constants = op.options, [graph.tensors[i].data for i in op.inputs[1:]]
    for axis, (begin, end, step) in enumerate(zip(*constants, strict=True)):
        if options.shrink_axis_mask >> axis & 1:
            found.append(int(begin))
            continue
        first = None if options.begin_mask >> axis & 1 else int(begin)
        last = None if options.end_mask >> axis & 1 else int(end)
        found.append(slice(first, last, int(step)))
    return tuple(found)


def spread_window(graph: Graph, op: Op, x: list[np.ndarray], out: np.ndarray) -> None:
    """Add every input position's window where it falls, and cut what the padding takes."""
    weights, data, options = x[0], x[1], op.options
    sizes, strides = weights.shape[1:3], (options.stride_height, options.stride_width)
    spread = [(n - 1) * s + k for n, s, k in zip(data.shape[1:3], strides, sizes, strict=True)]
    whole = np.zeros(
        (*(max(a, b + k) for a, b, k in zip(spread, out.shape[1:3], sizes, strict=True)), out.shape[3])
    )
    for row, column in product(range(data.shape[1]), range(data.shape[2])):
        top, left = row * strides[0], column * strides[1]
        patch = np.einsum("oyxc,c->yxo", weights, data[0, row, column])
        whole[top : top + sizes[0], left : left + sizes[1]] += patch
    before = [max(a - b, 0) // 2 for a, b in zip(spread, out.shape[1:3], strict=True)]
    cut = whole[before[0] : before[0] + out.shape[1], before[1] : before[1] + out.shape[2]]
    out[0] = cut + (x[2] if len(x) > 2 else 0)


def parts_of(graph: Graph, op: Op, x: np.ndarray) -> list[np.ndarray]:
    """Outputs of an operator that has several; they follow each other along its axis."""
    axis = (
        op.options.axis
        if op.name == "UNPACK"
        else int(graph.tensors[op.inputs[0 if op.name == "SPLIT" else 2]].data)
    )
    sizes = [1 if op.name == "UNPACK" else graph.tensors[i].shape[axis] for i in op.outputs]
    return np.split(x, np.cumsum(sizes)[:-1], axis)


def check_layers(model: bytes, inputs: np.ndarray) -> int:
    """Compare every layer's words with the float operation on the words that it got; return the layers checked."""
    graph = read_graph(model)
    twin = NetworkTwin(model, np.array([tensor for op in graph.ops for tensor in op.outputs]))
    checked = 0
    for window in inputs:
        words = {graph.input: window}
        outputs = iter(twin.run(window))
        for op in graph.ops:
            source = [
                i for i in op.inputs if i >= 0 and (graph.tensors[i].scales or graph.tensors[i].data is None)
            ]
            values = [
                dequantize(graph, i, words[i] if graph.tensors[i].data is None else graph.tensors[i].data)
                for i in source
            ]
            has_parts = op.name in ("SPLIT", "SPLIT_V", "UNPACK")
            found = parts_of(graph, op, values[0]) if has_parts else [run_float(graph, op, values)]
            for tensor, real in zip(op.outputs, found, strict=True):
                output, result = next(outputs), graph.tensors[tensor]
                scale, zero_point = result.scales[0], result.zero_points[0]
                reference = real.ravel() / scale + zero_point
                error = np.abs(output.astype(np.float64) - np.clip(reference, -128, 127))
                assert error.max() <= STEPS, f"{op.name} {op.index}: {error.max():.3f} steps"
                words[tensor] = output
                checked += 1
    return checked


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_layer_is_within_one_step_of_float(kind: str, seed: int) -> None:
    network = MovingNetwork(seed, ["relu6", kind, kind], (1 + seed % 3, 9, 4))
    size = int(np.prod(network.b.tensors[network.first].shape))
    rng = np.random.default_rng(seed)
    inputs = rng.integers(-128, 128, (3, size)).astype(np.int8)
    inputs[0] = rng.choice([-128, 127], size)
    assert check_layers(network.pack(), inputs) >= 3
