"""A network of a spec's shape with weights that mean nothing, to price it before anybody has trained it.

What a network costs depends on its shapes, not on its weights: the compiler takes this file as it takes a trained one.
Operators are those that the converter gives for the spec's model: RESHAPE and dense layers, or convolutions over time,
mean, and dense layers; a softmax behind classes.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_pipeline.classical_models import LinearModel, WordModel
from myo_pipeline.errors import SpecError
from myo_pipeline.feature_stage import compile_spec_features
from myo_pipeline.spec import CnnModel, MlpModel, PatchSpec

INPUT_SCALE = 1 / 128  # as training fixes it
_SCALE, _WEIGHT_SCALE = 0.05, 0.01
_SOFTMAX = (1 / 256, -128)


class _Builder:
    """Appends layers to a chain of tensors."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]
        self._ops: list[tuple[int, Any]] = []
        self._rng = np.random.default_rng(1)
        self.shape, self._scale = shape, INPUT_SCALE
        self._at = self._add(shape, "INT8", (INPUT_SCALE, 0))

    def _add(
        self, shape: tuple[int, ...], dtype: str, quantization: tuple[float, int] | None, data: Any = None  # noqa: ANN401
    ) -> int:  # fmt: skip
        tensor = schema.TensorT()
        tensor.name, tensor.shape = f"t{len(self._tensors)}".encode(), list(shape)
        tensor.type = getattr(schema.TensorType, dtype)
        if quantization is not None:
            found = schema.QuantizationParametersT()
            found.scale, found.zeroPoint = [quantization[0]], [quantization[1]]
            tensor.quantization = found
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _append(
        self, name: str, inputs: list[int], shape: tuple[int, ...], quantization: tuple[float, int], options: Any = None  # noqa: ANN401
    ) -> None:  # fmt: skip
        output = self._add(shape, "INT8", quantization)
        op = schema.OperatorT()
        op.inputs, op.outputs = [self._at, *inputs], [output]
        if options is not None:
            op.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
            op.builtinOptions = options
        self._ops.append((getattr(schema.BuiltinOperator, name), op))
        self._at, self.shape, self._scale = output, shape, quantization[0]

    def _weights(self, shape: tuple[int, ...]) -> list[int]:
        words = self._rng.integers(-127, 128, shape).astype(np.int8)
        bias = np.zeros(shape[0], np.int32)
        return [
            self._add(shape, "INT8", (_WEIGHT_SCALE, 0), words),
            self._add((shape[0],), "INT32", (_WEIGHT_SCALE * self._scale, 0), bias),
        ]

    def convolve(self, filters: int, kernel: int, stride: int) -> None:
        """Over time, with a ReLU, padded as Keras' ``same``."""
        options = schema.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW = schema.Padding.SAME, 1, stride
        options.dilationHFactor = options.dilationWFactor = 1
        options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        _, _, n, channels = self.shape
        weights = self._weights((filters, 1, kernel, channels))
        self._append("CONV_2D", weights, (1, 1, -(-n // stride), filters), (_SCALE, -128), options)

    def average(self) -> None:
        """Over time."""
        axes = self._add((2,), "INT32", None, np.array([1, 2], np.int32))
        self._append("MEAN", [axes], (1, self.shape[-1]), (_SCALE, -128), schema.ReducerOptionsT())

    def flatten(self) -> None:
        """To a row."""
        self.reshape((1, int(np.prod(self.shape))))

    def reshape(self, shape: tuple[int, ...]) -> None:
        """Lay the same words out otherwise."""
        sizes = self._add((len(shape),), "INT32", None, np.array(shape, np.int32))
        quantization = self._tensors[self._at].quantization
        found = (quantization.scale[0], quantization.zeroPoint[0])
        self._append("RESHAPE", [sizes], shape, found, schema.ReshapeOptionsT())

    def connect(self, units: int, relu: bool) -> None:
        """Dense."""
        options = schema.FullyConnectedOptionsT()
        if relu:
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        weights = self._weights((units, self.shape[1]))
        self._append("FULLY_CONNECTED", weights, (1, units), (_SCALE, -128 if relu else 0), options)

    def normalize(self) -> None:
        """Softmax."""
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        self._append("SOFTMAX", [], self.shape, _SOFTMAX, options)

    def pack(self) -> bytes:
        """Return the file."""
        graph, model = schema.SubGraphT(), schema.ModelT()
        numbers = sorted({number for number, _ in self._ops})
        model.operatorCodes = []
        for number in numbers:
            code = schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
            model.operatorCodes.append(code)
        for number, op in self._ops:
            op.opcodeIndex = numbers.index(number)
        graph.tensors, graph.operators = self._tensors, [op for _, op in self._ops]
        graph.inputs, graph.outputs = [0], [self._at]
        model.version, model.subgraphs, model.buffers = 3, [graph], self._buffers
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def is_dry(spec: PatchSpec) -> bool:
    """Return whether a spec can be priced with nothing built by TensorFlow."""
    return isinstance(spec.model, CnnModel | MlpModel | LinearModel | WordModel)


def make_dry_model(spec: PatchSpec) -> bytes:
    """Build an int8 ``.tflite`` of the shapes that training would give.

    Parameters
    ----------
    spec : PatchSpec
        The patch.

    Returns
    -------
    bytes
        The file; its weights are noise.
    """
    model, n_outputs = spec.model, len(spec.output_names)
    if isinstance(model, MlpModel | LinearModel):
        config = compile_spec_features(spec, 16 - spec.sensor.adc_bits)
        n_windows = spec.context_windows
        builder = _Builder((1, n_windows, config.n_components, spec.front_end_channels))
        dense = list(model.hidden) if isinstance(model, MlpModel) else []
        if isinstance(model, MlpModel) and n_windows > 1 and dense[: model.shared]:
            builder.reshape((1, 1, n_windows, config.n_components * spec.front_end_channels))
            for units in dense[: model.shared]:
                builder.convolve(units, 1, 1)
            dense = dense[model.shared :]
        builder.flatten()
    elif not isinstance(model, CnnModel):
        raise SpecError(
            f"model.kind: {model.kind!r} is priced once it is trained; run `myopatch train` and `export`"
        )
    else:
        builder = _Builder((1, 1, spec.window_samples, spec.front_end_channels))
        for filters, stride in zip(model.filters, model.strides, strict=True):
            builder.convolve(filters, model.kernel, stride)
        builder.average()
        dense = [model.dense] if model.dense else []
    for units in dense:
        builder.connect(units, relu=True)
    builder.connect(n_outputs, relu=False)
    if spec.decides_classes:
        builder.normalize()
    return builder.pack()
