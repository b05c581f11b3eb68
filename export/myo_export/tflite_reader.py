"""Read a ``.tflite`` file into a small graph, and refuse in one line what is not an int8 network.

The file may be anything: truncated, bit-flipped, hostile. Every index, count and size is checked before it
is used; the reader allocates nothing that is larger than the file.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_export import graph
from myo_export.graph import Graph, Op, Options, Tensor
from myo_pipeline.errors import ExportError

_IDENTIFIER: Final = b"TFL3"
_SCHEMA_VERSION: Final = 3
# Generous bounds of what can matter to a microcontroller; they keep a damaged count from costing time or
# memory.
_MAX_OPS: Final = 2048
_MAX_TENSORS: Final = 8192
_MAX_OP_TENSORS: Final = 64
_MAX_RANK: Final = 6
_MAX_TENSOR_BYTES: Final = 1 << 23
_WITH_STATE: Final = ("UNIDIRECTIONAL_SEQUENCE_LSTM",)  # operators that keep variable tensors
_DAMAGED: Final = "export the model again, or copy the file again"


def _names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


_OP_NAMES: Final = _names(schema.BuiltinOperator)
_DTYPE_NAMES: Final = {value: name.lower() for value, name in _names(schema.TensorType).items()}
_PADDING_NAMES: Final = _names(schema.Padding)
_ACTIVATION_NAMES: Final = _names(schema.ActivationFunctionType)
_ACTIVATIONS: Final = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
_NUMPY_DTYPES: Final[dict[str, "np.dtype[Any]"]] = {
    "int8": np.dtype("i1"),
    "int32": np.dtype("<i4"),
    "int64": np.dtype("<i8"),
}


def printable(name: str, limit: int = 60) -> str:
    """Make a name from a file fit for one line of text: printable ASCII, no quotes, bounded length."""
    text = "".join(c if " " <= c <= "~" and c not in "'\"\\" else "_" for c in name[: limit + 1])
    return text if len(text) <= limit else text[: limit - 3] + "..."


@contextmanager
def _damage_is_reported(what: str) -> Iterator[None]:
    """Turn whatever the FlatBuffers accessors raise on a damaged file into one line."""
    try:
        yield
    except (
        struct.error,
        ValueError,
        IndexError,
        TypeError,
        OverflowError,
        AttributeError,
        MemoryError,
    ) as error:
        raise ExportError(
            f"model: {what} cannot be read, the file is damaged or truncated; {_DAMAGED}"
        ) from error


def read_graph(model: bytes) -> Graph:
    """Read a fully int8-quantized network.

    Parameters
    ----------
    model : bytes
        Content of a ``.tflite`` file.

    Returns
    -------
    Graph
        Tensors and operators in the file's order. Every operator's inputs are constants, the network's
        input, or outputs of earlier operators.

    Raises
    ------
    ExportError
        If the content is not a whole ``.tflite`` file, or not one network with one int8 input and one int8
        output of batch 1 and fixed shapes. The message is one line.
    """
    if len(model) < 8 or model[4:8] != _IDENTIFIER:
        found = "an empty file" if not model else f"{len(model)} bytes that start otherwise"
        raise ExportError(
            f"model: expected a .tflite file (TFL3 in bytes 4 to 7), found {found}; give the quantized model"
        )
    with _damage_is_reported("the header"):
        file = schema.Model.GetRootAs(model, 0)
        version, n_subgraphs = file.Version(), file.SubgraphsLength()
    if version != _SCHEMA_VERSION:
        raise ExportError(
            f"model: schema version {version}, expected {_SCHEMA_VERSION}; convert with a current TensorFlow"
        )
    if n_subgraphs != 1:
        raise ExportError(
            f"model: {n_subgraphs} subgraphs, expected 1; remove control flow (if, while) and export again"
        )
    with _damage_is_reported("the subgraph"):
        subgraph = file.Subgraphs(0)
        n_tensors, n_ops = int(subgraph.TensorsLength()), int(subgraph.OperatorsLength())
    if not 0 < n_ops <= _MAX_OPS or not 0 < n_tensors <= _MAX_TENSORS:
        raise ExportError(
            f"model: {n_ops} operators and {n_tensors} tensors, expected 1 to {_MAX_OPS} and 1 to"
            f" {_MAX_TENSORS}; {_DAMAGED}"
        )
    ops: list[Op] = []
    n_layers = 0
    for i in range(n_ops):
        with _damage_is_reported(f"operator {i}"):
            ops.append(replace(_read_op(file, subgraph.Operators(i), i, n_tensors), first_layer=n_layers))
        n_layers += len(ops[-1].outputs)
    with _damage_is_reported("the list of inputs and outputs"):
        inputs = _indices(subgraph.InputsAsNumpy(), n_tensors, "the network's inputs")
        outputs = _indices(subgraph.OutputsAsNumpy(), n_tensors, "the network's outputs")
    ends = (_only(inputs, "inputs"), _only(outputs, "outputs"))
    used = {i for op in ops for i in (*op.inputs, *op.outputs)}.union(ends)
    tensors = []
    for i in range(n_tensors):
        # Files carry tensors that no operator reads (an LSTM's intermediates): they may have any form.
        tensors.append(Tensor(i, "", (), "unused"))
        if i in used:
            with _damage_is_reported(f"tensor {i}"):
                tensors[i] = _read_tensor(file, subgraph.Tensors(i), i)
    result = Graph(tuple(tensors), tuple(ops), *ends)
    _check_ends(result)
    _check_order(result)
    return result


def _only(indices: tuple[int, ...], what: str) -> int:
    if len(indices) != 1 or indices[0] < 0:
        raise ExportError(
            f"model: {len(indices)} {what}, expected 1; export a model with one input and one output"
        )
    return indices[0]


def _indices(values: Any, n_tensors: int, where: str) -> tuple[int, ...]:  # noqa: ANN401
    """Check a list of tensor indices; the accessor gives 0 for an absent list."""
    found = () if isinstance(values, int) else tuple(int(v) for v in values[: _MAX_OP_TENSORS + 1])
    if len(found) > _MAX_OP_TENSORS or not all(-1 <= v < n_tensors for v in found):
        raise ExportError(f"model: {where} name tensors that do not exist; the file is damaged: {_DAMAGED}")
    return found


def _read_tensor(file: Any, table: Any, index: int) -> Tensor:  # noqa: ANN401
    name = (table.Name() or b"").decode("utf-8", "replace")
    where = f"model: tensor {index} '{printable(name)}'"
    shape = () if table.ShapeIsNone() else tuple(int(n) for n in table.ShapeAsNumpy()[: _MAX_RANK + 1])
    signature = (
        ()
        if table.ShapeSignatureIsNone()
        else tuple(int(n) for n in table.ShapeSignatureAsNumpy()[: _MAX_RANK + 1])
    )
    if len(shape) > _MAX_RANK:
        raise ExportError(f"{where} has more than {_MAX_RANK} dimensions; reshape it to at most 4")
    if any(n <= 0 for n in shape) or any(n < 0 for n in signature[1:]):
        raise ExportError(f"{where} has shape {list(signature or shape)}; export the model with fixed shapes")
    if table.Sparsity() is not None:
        raise ExportError(f"{where} is stored sparse; export the model without weight sparsity")
    dtype = _DTYPE_NAMES.get(table.Type(), f"type {table.Type()}")
    size = 1
    for n in shape:
        size *= n
        if size > _MAX_TENSOR_BYTES:
            raise ExportError(
                f"{where} has shape {list(shape)}, over {_MAX_TENSOR_BYTES >> 20} MB; make the network"
                " smaller"
            )
    scales, zero_points, axis = _read_quantization(table, where, shape)
    data = _read_data(file, table, where, shape, dtype, size)
    if data is not None and table.IsVariable():
        raise ExportError(f"{where} is a constant and a variable at once; the file is damaged: {_DAMAGED}")
    return Tensor(index, name, shape, dtype, scales, zero_points, axis, data, bool(table.IsVariable()))


def _read_quantization(
    table: Any,  # noqa: ANN401
    where: str,
    shape: tuple[int, ...],
) -> tuple[tuple[float, ...], tuple[int, ...], int]:
    quantization = table.Quantization()
    if quantization is None or quantization.ScaleLength() == 0:
        return (), (), 0
    scales = quantization.ScaleAsNumpy()
    # Without zero points the runtime reads what stands beside the scales.
    zero_points = quantization.ZeroPointAsNumpy() if quantization.ZeroPointLength() else np.zeros(0, np.int64)
    axis = int(quantization.QuantizedDimension())
    # The runtime takes a number below the smallest normal one for zero.
    if not (np.all(np.isfinite(scales)) and np.all(scales >= np.finfo(np.float32).tiny)):
        raise ExportError(f"{where} has a scale that is not a positive number; quantize the model again")
    if len(scales) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
        raise ExportError(
            f"{where} has {len(scales)} scales, which fit none of its axes; quantize the model again"
        )
    if len(zero_points) not in (1, len(scales)) or not np.all((zero_points >= -128) & (zero_points <= 127)):
        raise ExportError(
            f"{where} has zero points outside of -128 to 127 or of wrong number; quantize the model again"
        )
    return tuple(float(s) for s in scales), tuple(int(z) for z in zero_points), axis


def _read_data(
    file: Any,  # noqa: ANN401
    table: Any,  # noqa: ANN401
    where: str,
    shape: tuple[int, ...],
    dtype: str,
    size: int,
) -> np.ndarray | None:
    index = int(table.Buffer())
    if not 0 <= index < file.BuffersLength():
        raise ExportError(
            f"{where} names buffer {index}, which does not exist; the file is damaged: {_DAMAGED}"
        )
    buffer = file.Buffers(index)
    if buffer.Offset() > 1:
        raise ExportError(
            f"{where} keeps its data outside of the FlatBuffer; export a model of less than 2 GB"
        )
    n_bytes = buffer.DataLength()
    if n_bytes == 0:
        return None
    if dtype not in _NUMPY_DTYPES:
        return np.frombuffer(buffer.DataAsNumpy().tobytes(), np.uint8)
    if n_bytes != size * _NUMPY_DTYPES[dtype].itemsize:
        raise ExportError(
            f"{where} has {n_bytes} bytes of data, shape {list(shape)} of {dtype} needs"
            f" {size * _NUMPY_DTYPES[dtype].itemsize}; the file is damaged: {_DAMAGED}"
        )
    data = np.frombuffer(buffer.DataAsNumpy().tobytes(), _NUMPY_DTYPES[dtype])
    return data.reshape(shape)


def _read_op(file: Any, table: Any, index: int, n_tensors: int) -> Op:  # noqa: ANN401
    code_index = int(table.OpcodeIndex())
    if not 0 <= code_index < file.OperatorCodesLength():
        raise ExportError(
            f"model: operator {index} has a code that does not exist; the file is damaged: {_DAMAGED}"
        )
    code = file.OperatorCodes(code_index)
    # Codes up to 126 stand in the old field (or in both), later ones in the new: the larger one counts.
    number = max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode()))
    name = _OP_NAMES.get(number, f"operator code {number}")
    if name == "CUSTOM":
        name = f"CUSTOM {printable((code.CustomCode() or b'').decode('utf-8', 'replace'))}"
    inputs = _indices(table.InputsAsNumpy(), n_tensors, f"operator {index} ({name}): inputs")
    outputs = _indices(table.OutputsAsNumpy(), n_tensors, f"operator {index} ({name}): outputs")
    if any(v < 0 for v in outputs):
        raise ExportError(
            f"model: operator {index} ({name}) lacks an output; the file is damaged: {_DAMAGED}"
        )
    return Op(index, name, inputs, outputs, _read_options(table, index, name))


def _attributes(table: Any, index: int, name: str, kind: type) -> Any:  # noqa: ANN401
    """Open the attribute table of an operator, whose type tag must be the one that the operator has."""
    expected = getattr(schema.BuiltinOptions, kind.__name__)
    union = table.BuiltinOptions()
    if union is None or table.BuiltinOptionsType() != expected:
        raise ExportError(
            f"model: operator {index} ({name}) lacks its attributes; the file is damaged: {_DAMAGED}"
        )
    options = kind()
    options.Init(union.Bytes, union.Pos)
    return options


def _activation(value: int, index: int, name: str) -> str:
    activation = _ACTIVATION_NAMES.get(value, str(value))
    if activation not in _ACTIVATIONS:
        raise ExportError(
            f"model: operator {index} ({name}) has the fused activation {activation}, expected one of"
            f" {', '.join(_ACTIVATIONS)}; use the activation as a layer of its own"
        )
    return activation


def _padding(value: int, index: int, name: str) -> str:
    if value not in _PADDING_NAMES:
        raise ExportError(
            f"model: operator {index} ({name}) has padding {value}; the file is damaged: {_DAMAGED}"
        )
    return _PADDING_NAMES[value]


def _read_options(table: Any, index: int, name: str) -> Options:  # noqa: ANN401
    if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        kind = schema.Conv2DOptions if name == "CONV_2D" else schema.DepthwiseConv2DOptions
        conv = _attributes(table, index, name, kind)
        return graph.ConvOptions(
            _padding(conv.Padding(), index, name),
            conv.StrideH(),
            conv.StrideW(),
            conv.DilationHFactor(),
            conv.DilationWFactor(),
            _activation(conv.FusedActivationFunction(), index, name),
            conv.DepthMultiplier() if name == "DEPTHWISE_CONV_2D" else 0,
        )
    if name in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        pool = _attributes(table, index, name, schema.Pool2DOptions)
        return graph.PoolOptions(
            _padding(pool.Padding(), index, name),
            pool.StrideH(),
            pool.StrideW(),
            pool.FilterHeight(),
            pool.FilterWidth(),
            _activation(pool.FusedActivationFunction(), index, name),
        )
    if name == "FULLY_CONNECTED":
        dense = _attributes(table, index, name, schema.FullyConnectedOptions)
        return graph.FullyConnectedOptions(
            _activation(dense.FusedActivationFunction(), index, name), dense.WeightsFormat()
        )
    if name in ("ADD", "MUL", "SUB"):
        kind = {"ADD": schema.AddOptions, "MUL": schema.MulOptions, "SUB": schema.SubOptions}[name]
        return graph.ActivationOptions(
            _activation(_attributes(table, index, name, kind).FusedActivationFunction(), index, name)
        )
    if name == "CONCATENATION":
        concatenation = _attributes(table, index, name, schema.ConcatenationOptions)
        return graph.ConcatenationOptions(
            concatenation.Axis(), _activation(concatenation.FusedActivationFunction(), index, name)
        )
    if name == "TRANSPOSE_CONV":
        spread = _attributes(table, index, name, schema.TransposeConvOptions)
        padding = _padding(spread.Padding(), index, name)
        activation = _activation(spread.FusedActivationFunction(), index, name)
        return graph.ConvOptions(padding, spread.StrideH(), spread.StrideW(), 1, 1, activation)
    if name == "STRIDED_SLICE":
        part = _attributes(table, index, name, schema.StridedSliceOptions)
        return graph.StridedSliceOptions(
            part.BeginMask(),
            part.EndMask(),
            part.EllipsisMask(),
            part.NewAxisMask(),
            part.ShrinkAxisMask(),
            bool(part.Offset()),
        )
    if name in ("PACK", "UNPACK"):
        kind = schema.PackOptions if name == "PACK" else schema.UnpackOptions
        stack = _attributes(table, index, name, kind)
        return graph.PackOptions(stack.Axis(), stack.ValuesCount() if name == "PACK" else stack.Num())
    if name == "BATCH_MATMUL":
        product = _attributes(table, index, name, schema.BatchMatMulOptions)
        return graph.BatchMatmulOptions(bool(product.AdjX()), bool(product.AdjY()))
    if name == "SOFTMAX":
        return graph.SoftmaxOptions(_attributes(table, index, name, schema.SoftmaxOptions).Beta())
    if name == "LEAKY_RELU":
        return graph.LeakyReluOptions(_attributes(table, index, name, schema.LeakyReluOptions).Alpha())
    if name == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        lstm = _attributes(table, index, name, schema.UnidirectionalSequenceLSTMOptions)
        return graph.LstmOptions(
            _ACTIVATION_NAMES.get(lstm.FusedActivationFunction(), str(lstm.FusedActivationFunction())),
            lstm.CellClip(),
            bool(lstm.TimeMajor()),
            bool(lstm.DiagonalRecurrentTensors()),
        )
    return graph.NoOptions()


def _check_ends(network: Graph) -> None:
    for index, end in ((network.input, "input"), (network.output, "output")):
        tensor = network.tensors[index]
        where = f"model: network {end} '{printable(tensor.name)}'"
        if tensor.dtype != "int8":
            raise ExportError(
                f"{where} is {tensor.dtype}, expected int8; convert with full integer quantization and"
                f" inference_{end}_type = tf.int8"
            )
        if len(tensor.scales) != 1:
            raise ExportError(
                f"{where} has {len(tensor.scales)} scales, expected 1; quantize the model again"
            )
        if not tensor.shape or tensor.shape[0] != 1:
            raise ExportError(
                f"{where} has shape {list(tensor.shape)}, expected batch 1; export the model with batch 1"
            )


def _check_order(network: Graph) -> None:
    """Refuse a graph that reads a tensor before it is written, or writes one twice."""
    if network.tensors[network.input].data is not None:
        raise ExportError(f"model: the network's input is a constant; the file is damaged: {_DAMAGED}")
    written = {network.input}
    for op in network.ops:
        where = f"model: operator {op.index} ({op.name})"
        for i in op.inputs:
            is_state = i >= 0 and network.tensors[i].is_variable and op.name in _WITH_STATE
            if not (i < 0 or i in written or network.tensors[i].data is not None or is_state):
                raise ExportError(
                    f"{where} reads tensor '{printable(network.tensors[i].name)}' before it is written;"
                    f" the file is damaged: {_DAMAGED}"
                )
        for i in op.outputs:
            if i in written or network.tensors[i].data is not None or network.tensors[i].is_variable:
                raise ExportError(
                    f"{where} writes tensor '{printable(network.tensors[i].name)}', which is already written or a variable;"
                    f" the file is damaged: {_DAMAGED}"
                )
            written.add(i)
    if network.output not in written or network.output == network.input:
        raise ExportError(f"model: no operator writes the network's output; the file is damaged: {_DAMAGED}")
