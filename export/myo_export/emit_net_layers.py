"""C text of one lowered layer: its constants, its configuration, and its call."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from textwrap import fill
from typing import Final

import numpy as np

from myo_export.lowered import (
    Add,
    Alias,
    BatchMatmul,
    Binary,
    Broadcast,
    Conv,
    Copy,
    DepthwiseConv,
    Extremum,
    FullyConnected,
    Layer,
    Lstm,
    Matrices,
    Mean,
    Mul,
    Operand,
    Pad,
    Part,
    Pool,
    Prelu,
    Reduce,
    Requantize,
    Shape3,
    Softmax,
    SquaredDifference,
    Table,
    TransposeConv,
    Window,
)
from myo_export.quantized_math import Factor

_COLUMNS = 110
MAX_COPY_AXES = 5  # of myo_copy_config_t
# Names in C.
_BINARY_KINDS: Final[dict[type, str]] = {
    Add: "add",
    Mul: "mul",
    SquaredDifference: "squared_difference",
    Prelu: "prelu",
}


@dataclass(frozen=True)
class LayerText:
    """What a layer adds to the generated source.

    Attributes
    ----------
    arrays : str
        File-scope const arrays.
    config : str
        File-scope const configuration, which names the arrays.
    calls : tuple of str
        Statements that run the layer.
    weight_bytes, table_bytes : int
        Flash of weights and biases; of factors and function tables.
    """

    arrays: str
    config: str
    calls: tuple[str, ...]
    weight_bytes: int = 0
    table_bytes: int = 0

    @property
    def constants(self) -> str:
        """All that stands at file scope."""
        return self.arrays + self.config


def c_array(ctype: str, name: str, values: Iterable[int], dimensions: str) -> str:
    """Define a const array, wrapped to the house's columns."""
    text = ", ".join("INT32_MIN" if v == -(1 << 31) else str(v) for v in (int(v) for v in values))
    body = fill(text, _COLUMNS, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
    return f"static const {ctype} {name}{dimensions} = {{\n{body},\n}};\n"


def c_at(pointer: str, begin: int) -> str:
    """Point so many bytes behind a pointer, which may itself be of the form that this gives."""
    name, _, rest = pointer.partition(" + ")
    begin += int(rest or 0)
    return f"{name} + {begin}" if begin else name


def c_shape(shape: Shape3) -> str:
    """Initialize a ``myo_nn_shape_t``."""
    return f"{{.height = {shape[0]}, .width = {shape[1]}, .channels = {shape[2]}}}"


def c_row(values: Iterable[int]) -> str:
    """Initialize an array in a structure."""
    return "{" + ", ".join(str(v) for v in values) + "}"


def c_window(window: Window) -> str:
    """Initialize a ``myo_nn_window_t``."""
    return (
        f"{{.height = {window.height}, .width = {window.width},\n"
        f"               .stride_height = {window.stride_height}, .stride_width = {window.stride_width},\n"
        f"               .dilation_height = {window.dilation_height},"
        f" .dilation_width = {window.dilation_width},\n"
        f"               .pad_top = {window.pad_top}, .pad_left = {window.pad_left}}}"
    )


def c_config(ctype: str, name: str, fields: dict[str, object]) -> str:
    """Define a const structure."""
    body = "".join(f"    .{key} = {value},\n" for key, value in fields.items())
    return f"static const {ctype} {name} = {{\n{body}}};\n"


def _factors(name: str, requantize: Requantize) -> tuple[str, str, int]:
    """Arrays of per-channel factors, the field that names them, and their bytes."""
    n = len(requantize.factors)
    arrays = c_array("int32_t", f"{name}_multiplier", (f.multiplier for f in requantize.factors), f"[{n}]")
    arrays += c_array("int8_t", f"{name}_shift", (f.shift for f in requantize.factors), f"[{n}]")
    field = (
        f"{{.multiplier = {name}_multiplier, .shift = {name}_shift,\n"
        f"                   .zero_point = {requantize.zero_point}, .low = {requantize.low},"
        f" .high = {requantize.high}}}"
    )
    return arrays, field, 5 * n


def bias_array(name: str, bias: np.ndarray) -> str:
    """Define the biases of a layer with weights."""
    return c_array("int32_t", f"{name}_bias", bias.flat, f"[{bias.size}]")


def _weights(name: str, weights: np.ndarray, bias: np.ndarray) -> str:
    shape = " x ".join(str(n) for n in weights.shape)
    return (
        f"/* {shape} */\n"
        + c_array("int8_t", f"{name}_weights", weights.flat, f"[{weights.size}]")
        + bias_array(name, bias)
    )


def _weighted(
    kind: str,
    name: str,
    config_name: str,
    layer: Conv | DepthwiseConv | FullyConnected | TransposeConv,
    geometry: dict[str, object],
    source: str,
    target: str,
) -> LayerText:
    """Text of a layer with weights: its geometry differs by kind, what is multiplied and rescaled does not."""
    arrays, requantize, table_bytes = _factors(name, layer.requantize)
    config = c_config(
        f"myo_{kind}_config_t",
        config_name,
        geometry
        | {
            "input_offset": layer.input_offset,
            "weights": f"{name}_weights",
            "bias": f"{name}_bias",
            "requantize": requantize,
        },
    )
    return LayerText(
        _weights(name, layer.weights, layer.bias) + arrays,
        config,
        (f"myo_{kind}_run(&{config_name}, {source}, {target});",),
        layer.weights.size + 4 * layer.bias.size,
        table_bytes,
    )


def _conv(name: str, config_name: str, layer: Conv, source: str, target: str) -> LayerText:
    geometry: dict[str, object] = {
        "input": c_shape(layer.input_shape),
        "output": c_shape(layer.output_shape),
        "window": c_window(layer.window),
        "weight_channels": layer.weights.shape[3],
    }
    return _weighted("conv", name, config_name, layer, geometry, source, target)


def _depthwise_conv(name: str, config_name: str, layer: DepthwiseConv, source: str, target: str) -> LayerText:
    geometry: dict[str, object] = {
        "input": c_shape(layer.input_shape),
        "output": c_shape(layer.output_shape),
        "window": c_window(layer.window),
        "depth_multiplier": layer.depth_multiplier,
    }
    return _weighted("depthwise_conv", name, config_name, layer, geometry, source, target)


def _fully_connected(
    name: str, config_name: str, layer: FullyConnected, source: str, target: str
) -> LayerText:
    geometry: dict[str, object] = {
        "n_rows": layer.n_rows,
        "n_inputs": layer.weights.shape[1],
        "n_outputs": layer.weights.shape[0],
    }
    return _weighted("fully_connected", name, config_name, layer, geometry, source, target)


def _pool(name: str, config_name: str, layer: Pool, source: str, target: str) -> LayerText:
    config = c_config(
        "myo_pool_config_t",
        config_name,
        {
            "input": c_shape(layer.input_shape),
            "output": c_shape(layer.output_shape),
            "window": c_window(layer.window),
            "low": layer.low,
            "high": layer.high,
        },
    )
    return LayerText("", config, (f"myo_{layer.kind}_pool_run(&{config_name}, {source}, {target});",))


def _mean(name: str, config_name: str, layer: Mean, source: str, target: str) -> LayerText:
    config = c_config(
        "myo_mean_config_t",
        config_name,
        {
            "kept_0": layer.kept_0,
            "reduced_0": layer.reduced_0,
            "kept_1": layer.kept_1,
            "reduced_1": layer.reduced_1,
            "sum_offset": layer.sum_offset,
            "multiplier": layer.factor.multiplier,
            "shift": layer.factor.shift,
            "zero_point": layer.zero_point,
        },
    )
    return LayerText("", config, (f"myo_mean_run(&{config_name}, {source}, {target});",))


def _broadcast(broadcast: Broadcast) -> str:
    return (
        f"{{.size = {c_row(broadcast.size)},\n                  .stride_a = {c_row(broadcast.stride_a)},\n"
        f"                  .stride_b = {c_row(broadcast.stride_b)}}}"
    )


def _operands(name: str, a: Operand, b: Operand, sources: list[str]) -> tuple[str, str, str, int]:
    """Arrays of constant operands, both operands' expressions, and the arrays' bytes."""
    arrays, expressions, n_bytes, remaining = "", [], 0, iter(sources)
    for label, operand in (("a", a), ("b", b)):
        if operand.values is None:
            expressions.append(next(remaining))
        else:
            arrays += c_array("int8_t", f"{name}_{label}", operand.values, f"[{operand.values.size}]")
            expressions.append(f"{name}_{label}")
            n_bytes += operand.values.size
    return arrays, expressions[0], expressions[1], n_bytes


def _scalars(layer: Binary) -> dict[str, object]:
    """Numbers of a binary layer under the names of its configuration; a factor is a multiplier and a shift."""
    found: dict[str, object] = {}
    for field in fields(layer):
        value = getattr(layer, field.name)
        if isinstance(value, Factor):
            suffix = field.name.removeprefix("factor")
            found[f"multiplier{suffix}"], found[f"shift{suffix}"] = value.multiplier, value.shift
        elif isinstance(value, int):
            found[field.name] = value
    return found


def _binary(name: str, config_name: str, layer: Binary, sources: list[str], target: str) -> LayerText:
    arrays, a, b, n_bytes = _operands(name, layer.a, layer.b, sources)
    if isinstance(layer, Extremum):
        kind = layer.kind
        config = f"static const myo_nn_broadcast_t {config_name} = {_broadcast(layer.broadcast)};\n"
    else:
        kind = _BINARY_KINDS[type(layer)]
        numbers = {"broadcast": _broadcast(layer.broadcast)} | _scalars(layer)
        config = c_config(f"myo_{kind}_config_t", config_name, numbers)
    return LayerText(arrays, config, (f"myo_{kind}_run(&{config_name}, {a}, {b}, {target});",), n_bytes)


def _reduce(config_name: str, layer: Reduce, source: str, target: str) -> LayerText:
    stretches: dict[str, object] = {
        "kept_0": layer.kept_0,
        "reduced_0": layer.reduced_0,
        "kept_1": layer.kept_1,
        "reduced_1": layer.reduced_1,
    }
    config = c_config("myo_nn_stretches_t", config_name, stretches)
    return LayerText("", config, (f"myo_reduce_{layer.kind}_run(&{config_name}, {source}, {target});",))


def _pad(name: str, config_name: str, layer: Pad, source: str, target: str) -> LayerText:
    config = c_config(
        "myo_pad_config_t",
        config_name,
        {
            "input": c_shape(layer.input_shape),
            "before": c_shape(layer.before),
            "after": c_shape(layer.after),
            "value": layer.value,
        },
    )
    return LayerText("", config, (f"myo_pad_run(&{config_name}, {source}, {target});",))


def _copy(config_name: str, layer: Copy, sources: list[str], target: str) -> LayerText:
    configs, calls = "", []
    for i, (part, source) in enumerate(zip(layer.parts, sources, strict=True)):
        name = config_name if len(layer.parts) == 1 else f"{config_name}_{i}"
        ends = f"{c_at(target, part.target_begin)}, {c_at(source, part.source_begin)}"
        if part.is_run:
            to, at = ends.split(", ")
            if to == at:
                continue  # written there by its own layer
            calls.append(f"memcpy({ends}, {part.sizes[0]});")
            continue
        n_absent = MAX_COPY_AXES - len(part.sizes)
        rows = {
            "size": (1,) * n_absent + part.sizes,
            "input_stride": (0,) * n_absent + part.source_strides,
            "output_stride": (0,) * n_absent + part.target_strides,
        }
        configs += c_config("myo_copy_config_t", name, {key: c_row(row) for key, row in rows.items()})
        to, at = ends.split(", ")
        calls.append(f"myo_copy_run(&{name}, {at}, {to});")
    return LayerText("", configs, tuple(calls))


def _softmax(name: str, config_name: str, layer: Softmax, source: str, target: str) -> LayerText:
    table = layer.factors.exp_table()
    array = c_array("int32_t", f"{name}_exp", table, f"[{table.size}]")
    config = c_config(
        "myo_softmax_config_t",
        config_name,
        {
            "n_rows": layer.n_rows,
            "row_size": layer.row_size,
            "exp_q31": f"{name}_exp",
            "n_exp": table.size,
        },
    )
    call = f"myo_softmax_run(&{config_name}, {source}, {target});"
    return LayerText(array, config, (call,), table_bytes=4 * table.size)


def _table(name: str, layer: Table, source: str, target: str) -> LayerText:
    return LayerText(
        c_array("int8_t", f"{name}_table", layer.table, "[256]"),
        "",
        (f"myo_table_run({name}_table, {source}, {target}, {layer.size});",),
        table_bytes=256,
    )


def _transpose_conv(name: str, config_name: str, layer: TransposeConv, source: str, target: str) -> LayerText:
    geometry: dict[str, object] = {
        "input": c_shape(layer.input_shape),
        "output": c_shape(layer.output_shape),
        "window": c_window(layer.window),
    }
    return _weighted("transpose_conv", name, config_name, layer, geometry, source, target)


def _matrices(m: Matrices) -> str:
    return (
        f"{{.batch_stride = {c_row(m.batch_strides)}, .row_stride = {m.row_stride},\n"
        f"          .column_stride = {m.column_stride}, .offset = {m.offset}}}"
    )


def _batch_matmul(
    name: str, config_name: str, layer: BatchMatmul, sources: list[str], target: str
) -> LayerText:
    arrays, a, b, n_bytes = _operands(name, layer.a.operand, layer.b.operand, sources)
    if layer.bias is not None:
        arrays += c_array("int32_t", f"{name}_bias", layer.bias.flat, f"[{layer.bias.size}]")
        n_bytes += 4 * layer.bias.size
    config = c_config(
        "myo_batch_matmul_config_t",
        config_name,
        {
            "batch": c_row(layer.batch),
            "n_rows": layer.n_rows,
            "depth": layer.depth,
            "n_columns": layer.n_columns,
            "a": _matrices(layer.a),
            "b": _matrices(layer.b),
            "bias": "NULL" if layer.bias is None else f"{name}_bias",
            "multiplier": layer.factor.multiplier,
            "shift": layer.factor.shift,
            "zero_point": layer.zero_point,
            "low": layer.low,
            "high": layer.high,
        },
    )
    call = f"myo_batch_matmul_run(&{config_name}, {a}, {b}, {target});"
    return LayerText(arrays, config, (call,), n_bytes)


def layer_text(index: int, layer: Layer, sources: list[str], target: str, suffix: str = "") -> LayerText:
    """Write one layer.

    Parameters
    ----------
    index : int
        The layer's index; its constants are named ``layer_<index>...``.
    layer : Layer
        What to write.
    sources : list of str
        C expressions of the activations that it reads.
    target : str
        C expression of the activation that it writes.
    suffix : str
        Added to the configuration's name, not to those of the arrays: the same layer on fewer columns.

    Returns
    -------
    LayerText
        Constants and calls. An alias that shares its input's buffer has neither.
    """
    name = f"layer_{index}"
    config_name = name + suffix
    match layer:
        case Conv():
            return _conv(name, config_name, layer, sources[0], target)
        case DepthwiseConv():
            return _depthwise_conv(name, config_name, layer, sources[0], target)
        case FullyConnected():
            return _fully_connected(name, config_name, layer, sources[0], target)
        case Pool():
            return _pool(name, config_name, layer, sources[0], target)
        case Mean():
            return _mean(name, config_name, layer, sources[0], target)
        case Reduce():
            return _reduce(config_name, layer, sources[0], target)
        case Add() | Mul() | SquaredDifference() | Prelu() | Extremum():
            return _binary(name, config_name, layer, sources, target)
        case Pad():
            return _pad(name, config_name, layer, sources[0], target)
        case Copy():
            return _copy(config_name, layer, sources, target)
        case TransposeConv():
            return _transpose_conv(name, config_name, layer, sources[0], target)
        case BatchMatmul():
            return _batch_matmul(name, config_name, layer, sources, target)
        case Softmax():
            return _softmax(name, config_name, layer, sources[0], target)
        case Table():
            return _table(name, layer, sources[0], target)
        case Lstm():
            raise TypeError("an LSTM is written by lstm_text")
        case Alias():
            copy = () if sources[0] == target else (f"memcpy({target}, {sources[0]}, {layer.size});",)
            return LayerText("", "", copy)
        case Part():
            source = c_at(sources[0], layer.begin)
            copy = () if source == target else (f"memcpy({target}, {source}, {layer.size});",)
            return LayerText("", "", copy)
