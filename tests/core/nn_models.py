"""Small int8 `.tflite` files, built directly: every shape and scale is the test's choice."""

from __future__ import annotations

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

F32 = np.float32


class ModelBuilder:
    """Collects tensors and operators, then packs them into a file."""

    def __init__(self) -> None:
        self.tensors: list[schema.TensorT] = []
        self.buffers: list[schema.BufferT] = [schema.BufferT()]
        self.operators: list[schema.OperatorT] = []
        self.codes: list[int] = []

    def tensor(self, shape, scales=(), zero_points=(), data=None, axis=0, dtype=None) -> int:
        tensor = schema.TensorT()
        tensor.name = f"t{len(self.tensors)}".encode()
        tensor.shape = [int(n) for n in shape]
        code = {
            "int8": schema.TensorType.INT8,
            "int16": schema.TensorType.INT16,
            "int32": schema.TensorType.INT32,
            "float32": schema.TensorType.FLOAT32,
        }
        tensor.type = code[dtype or ("int8" if data is None else str(np.asarray(data).dtype))]
        if len(scales):
            quantization = schema.QuantizationParametersT()
            quantization.scale = [float(F32(s)) for s in scales]
            quantization.zeroPoint = [int(z) for z in zero_points]
            quantization.quantizedDimension = axis
            tensor.quantization = quantization
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            tensor.buffer = len(self.buffers)
            self.buffers.append(buffer)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def activation(self, shape, scale, zero_point) -> int:
        return self.tensor(shape, [scale], [zero_point])

    def variable(self, shape, scale, zero_point, dtype) -> int:
        """State of an operator, which lives from run to run."""
        index = self.tensor(shape, [scale], [zero_point], dtype=dtype)
        self.tensors[index].isVariable = True
        return index

    def op(self, name, inputs, outputs, options=None) -> None:
        number = getattr(schema.BuiltinOperator, name)
        if number not in self.codes:
            self.codes.append(number)
        operator = schema.OperatorT()
        operator.opcodeIndex = self.codes.index(number)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            operator.builtinOptionsType = getattr(
                schema.BuiltinOptions, type(options).__name__.removesuffix("T")
            )
            operator.builtinOptions = options
        self.operators.append(operator)

    def pack(self, network_input: int, network_output: int) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [network_input], [network_output]
        model = schema.ModelT()
        model.version = 3
        model.operatorCodes = []
        for number in self.codes:
            code = schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
            model.operatorCodes.append(code)
        model.subgraphs, model.buffers = [graph], self.buffers
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def fill(options, **values):
    for name, value in values.items():
        setattr(options, name, value)
    return options


class RandomNetwork:
    """Appends random layers of given kinds to a chain, keeping shapes small and values unsaturated mostly."""

    def __init__(self, seed: int, kinds: list[str], plane: tuple[int, int, int]) -> None:
        self.rng = np.random.default_rng(seed)
        self.b = ModelBuilder()
        self.scale, self.zero_point = self._new_scale(), self._new_zero_point()
        self.shape: tuple[int, ...] = (1, *plane)
        self.at = self.first = self.b.activation(self.shape, self.scale, self.zero_point)
        self.past: list[tuple[int, tuple[int, ...], float, int]] = []
        for kind in kinds:
            self.past.append((self.at, self.shape, self.scale, self.zero_point))
            getattr(self, "_" + kind)()
        if self.at == self.first:
            self._quantize()

    def pack(self) -> bytes:
        return self.b.pack(self.first, self.at)

    def _int(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def _new_scale(self, centre: float = 0.05) -> float:
        return float(F32(centre * 2.0 ** self.rng.uniform(-2, 2)))

    def _new_zero_point(self) -> int:
        return int(self.rng.choice([-128, 127, 0, self._int(-128, 127)]))

    def _activation(self) -> int:
        return int(self.rng.choice([0, 0, 1, 2, 3]))  # none, relu, relu_n1_to_1, relu6

    def _next(self, shape, scale=None, zero_point=None) -> int:
        self.shape = tuple(int(n) for n in shape)
        self.scale = self._new_scale() if scale is None else scale
        self.zero_point = self._new_zero_point() if zero_point is None else zero_point
        self.at = self.b.activation(self.shape, self.scale, self.zero_point)
        return self.at

    def _window(self, dilations: bool):
        padding = self._int(0, 1)
        sizes, strides, dilation, outputs = [], [], [], []
        for n in self.shape[1:3]:
            d = self._int(1, 3) if dilations else 1
            k = self._int(1, 4)
            if padding == 1 and (k - 1) * d + 1 > n:  # valid: the window must fit
                k, d = self._int(1, n), 1
            s = self._int(1, 3)
            reach = (k - 1) * d + 1
            sizes.append(k)
            strides.append(s)
            dilation.append(d)
            outputs.append(-(-n // s) if padding == 0 else -(-(n - reach + 1) // s))
        return padding, sizes, strides, dilation, outputs

    def _weights(self, shape, n_outputs, axis, depth):
        """Weights, biases, their tensors, and a fitting output scale."""
        per_channel = self.rng.random() < 0.7
        n_scales = n_outputs if per_channel else 1
        scales = F32(0.02 * 2.0 ** self.rng.uniform(-2, 2, n_scales))
        weights = self.rng.integers(-127, 128, shape).astype(np.int8)
        w = self.b.tensor(shape, scales, [0] * n_scales, weights, axis)
        inputs = [self.at, w]
        if self.rng.random() < 0.8:
            bias = self.rng.integers(-4000, 4000, n_outputs).astype(np.int32)
            inputs.append(self.b.tensor((n_outputs,), F32(self.scale) * scales, [0] * n_scales, bias))
        elif axis == 0 and self.rng.random() < 0.5:
            inputs.append(
                -1
            )  # absent; the runtime's depthwise convolution cannot take it so, and ends the process
        out_scale = float(
            F32(self.scale * scales.mean() * 60 * np.sqrt(depth) * 2.0 ** self.rng.uniform(-1, 2))
        )
        return inputs, out_scale

    def _conv(self):
        if len(self.shape) != 4:
            return
        padding, k, s, d, out = self._window(True)
        channels, n_outputs, groups = self.shape[3], self._int(1, 9), 1
        if channels % 2 == 0 and self.rng.random() < 0.2:
            groups, n_outputs = 2, 2 * self._int(1, 4)
        shape = (n_outputs, *k, channels // groups)
        inputs, scale = self._weights(shape, n_outputs, 0, np.prod(shape[1:]))
        options = fill(
            schema.Conv2DOptionsT(),
            padding=padding,
            strideH=s[0],
            strideW=s[1],
            dilationHFactor=d[0],
            dilationWFactor=d[1],
            fusedActivationFunction=self._activation(),
        )
        self.b.op("CONV_2D", inputs, [self._next((1, *out, n_outputs), scale)], options)

    def _depthwise(self):
        if len(self.shape) != 4:
            return
        padding, k, s, d, out = self._window(True)
        multiplier = self._int(1, 3)
        n_outputs = self.shape[3] * multiplier
        inputs, scale = self._weights((1, *k, n_outputs), n_outputs, 3, np.prod(k))
        options = fill(
            schema.DepthwiseConv2DOptionsT(),
            padding=padding,
            strideH=s[0],
            strideW=s[1],
            dilationHFactor=d[0],
            dilationWFactor=d[1],
            depthMultiplier=multiplier,
            fusedActivationFunction=self._activation(),
        )
        self.b.op("DEPTHWISE_CONV_2D", inputs, [self._next((1, *out, n_outputs), scale)], options)

    def _dense(self):
        n_inputs, n_outputs = self.shape[-1], self._int(1, 12)
        inputs, scale = self._weights((n_outputs, n_inputs), n_outputs, 0, n_inputs)
        keep = len(self.shape) > 2
        options = fill(
            schema.FullyConnectedOptionsT(), fusedActivationFunction=self._activation(), keepNumDims=keep
        )
        self.b.op("FULLY_CONNECTED", inputs, [self._next((*self.shape[:-1], n_outputs), scale)], options)

    def _pool(self, name):
        if len(self.shape) != 4:
            return
        padding, k, s, _, out = self._window(False)
        options = fill(
            schema.Pool2DOptionsT(),
            padding=padding,
            strideH=s[0],
            strideW=s[1],
            filterHeight=k[0],
            filterWidth=k[1],
            fusedActivationFunction=self._activation(),
        )
        source = self.at
        self.b.op(
            name, [source], [self._next((1, *out, self.shape[3]), self.scale, self.zero_point)], options
        )

    def _average_pool(self):
        self._pool("AVERAGE_POOL_2D")

    def _max_pool(self):
        self._pool("MAX_POOL_2D")

    def _mean(self):
        self._reduce("MEAN")

    def _sum(self):
        self._reduce("SUM")

    def _reduce_max(self):
        self._reduce("REDUCE_MAX")

    def _reduce_min(self):
        self._reduce("REDUCE_MIN")

    def _reduce(self, name):
        rank = len(self.shape)
        if rank < 3:
            return
        axes = sorted(self.rng.choice(np.arange(1, rank), self._int(1, 2), replace=False).tolist())
        keep = bool(self.rng.random() < 0.5)
        kept = [(1 if i in axes else n) for i, n in enumerate(self.shape) if keep or i not in axes]
        signed = [a - rank if self.rng.random() < 0.3 else a for a in axes]
        at = self.b.tensor((len(axes),), data=np.array(signed, np.int32))
        source, scale = self.at, self.scale
        same = name.startswith("REDUCE") or (name == "MEAN" and self.rng.random() < 0.3)
        if not same:
            count = np.prod([self.shape[a] for a in axes]) if name == "SUM" else 1
            scale = float(F32(scale * self.rng.uniform(0.3, 1.2) * np.sqrt(count)))
        out = self._next(kept, scale, self.zero_point if same else None)
        self.b.op(name, [source, at], [out], fill(schema.ReducerOptionsT(), keepDims=keep))

    def _other(self, fits):
        """Another operand and its scale: an earlier tensor, or a constant, whole or repeated along some axes."""
        choices = [p for p in self.past if fits(p)]
        draw = self.rng.random()
        if choices and draw < 0.6:
            other, _, other_scale, _ = choices[self._int(0, len(choices) - 1)]
            return other, other_scale
        shape = self.shape if draw < 0.75 else [n if self.rng.random() < 0.5 else 1 for n in self.shape]
        if draw > 0.95:
            shape = ()
        values = self.rng.integers(-128, 128, shape).astype(np.int8)
        scale, zero_point = self._constant_quantization()
        return self.b.tensor(shape, [scale], [zero_point], values), scale

    def _constant_quantization(self):
        return self._new_scale(), self._new_zero_point()

    def _pair(self, other):
        return [self.at, other] if self.rng.random() < 0.5 else [other, self.at]

    def _near(self, scale, spread=1.0):
        return float(F32(scale * 2.0 ** self.rng.uniform(-spread, spread)))

    def _is_operand(self, past):
        """Whether an earlier tensor can be repeated to the shape of the present one."""
        shape = (1,) * (len(self.shape) - len(past[1])) + past[1]
        fits = zip(shape, self.shape, strict=False)
        return len(shape) == len(self.shape) and all(n in (1, m) for n, m in fits)

    def _binary(self, name, options, scale_of, activation=True):
        other, other_scale = self._other(self._is_operand)
        if activation:
            options.fusedActivationFunction = self._activation()
        scale = self._near(scale_of(self.scale, other_scale))
        self.b.op(name, self._pair(other), [self._next(self.shape, scale)], options)

    def _add(self):
        self._binary("ADD", schema.AddOptionsT(), lambda a, b: max(a, b) * 1.5)

    def _sub(self):
        self._binary("SUB", schema.SubOptionsT(), lambda a, b: max(a, b) * 1.5)

    def _mul(self):
        self._binary("MUL", schema.MulOptionsT(), lambda a, b: a * b * 90)

    def _squared_difference(self):
        options = schema.SquaredDifferenceOptionsT()
        self._binary("SQUARED_DIFFERENCE", options, lambda a, b: max(a, b) ** 2 * 90, activation=False)

    def _prelu(self):
        shape = [n if self.rng.random() < 0.3 else 1 for n in self.shape[1:-1]] + [self.shape[-1]]
        if self.rng.random() < 0.2:
            shape = [1] * len(shape)
        values = self.rng.integers(-128, 128, shape).astype(np.int8)
        slope = self.b.tensor(shape, [0.01], [self._new_zero_point()], values)
        source = self.at
        self.b.op("PRELU", [source, slope], [self._next(self.shape, self._near(self.scale))])

    def _maximum(self, name="MAXIMUM"):
        quantization = self.scale, self.zero_point
        self._constant_quantization = lambda: quantization
        other, _ = self._other(lambda p: self._is_operand(p) and p[2:] == quantization)
        del self._constant_quantization
        options = schema.MaximumMinimumOptionsT()
        self.b.op(name, self._pair(other), [self._next(self.shape, *quantization)], options)

    def _minimum(self):
        self._maximum("MINIMUM")

    def _pad(self):
        pads = [(0, 0)] + [(self._int(0, 2), self._int(0, 2)) for _ in self.shape[1:]]
        at = self.b.tensor((len(pads), 2), data=np.array(pads, np.int32))
        inputs, name, options = [self.at, at], "PAD", schema.PadOptionsT()
        if self.rng.random() < 0.4:
            value = np.array([self._int(-128, 127)], np.int8)
            inputs.append(self.b.tensor((1,), [self.scale], [self.zero_point], value))
            name, options = "PADV2", schema.PadV2OptionsT()
        shape = [n + before + after for n, (before, after) in zip(self.shape, pads, strict=True)]
        self.b.op(name, inputs, [self._next(shape, self.scale, self.zero_point)], options)

    def _reshape(self):
        size = int(np.prod(self.shape))
        divisors = [n for n in range(1, size + 1) if size % n == 0]
        w = int(self.rng.choice(divisors))
        shape = (1, w, size // w) if self.rng.random() < 0.5 else (1, size)
        self._alias("RESHAPE", shape, schema.ReshapeOptionsT())

    def _flatten(self):
        self._alias("RESHAPE", (1, int(np.prod(self.shape))), schema.ReshapeOptionsT())

    def _expand_dims(self):
        if len(self.shape) > 3:
            return
        axis = self._int(1, len(self.shape))
        shape = (*self.shape[:axis], 1, *self.shape[axis:])
        at = self.b.tensor(
            (), data=np.array(axis - len(shape) if self.rng.random() < 0.5 else axis, np.int32)
        )
        source = self.at
        options = schema.ExpandDimsOptionsT()
        self.b.op("EXPAND_DIMS", [source, at], [self._next(shape, self.scale, self.zero_point)], options)

    def _squeeze(self):
        """Some of the axes of one word, or all of them."""
        ones = [a for a, n in enumerate(self.shape) if a and n == 1]
        gone = [a for a in ones if self.rng.random() < 0.5] or ones
        shape = [n for a, n in enumerate(self.shape) if a not in gone]
        options = fill(schema.SqueezeOptionsT(), squeezeDims=gone)
        if gone:
            self._unary("SQUEEZE", options, self.scale, self.zero_point, shape)

    def _alias(self, name, shape, options):
        at = self.b.tensor((len(shape),), data=np.array(shape, np.int32))
        source = self.at
        self.b.op(name, [source, at], [self._next(shape, self.scale, self.zero_point)], options)

    def _concatenation(self):
        rank = len(self.shape)
        if rank < 2:
            return
        axis = self._int(1, rank - 1)
        others = [
            p
            for p in self.past
            if len(p[1]) == rank
            and p[1][:axis] + p[1][axis + 1 :] == self.shape[:axis] + self.shape[axis + 1 :]
            and p[2:] == (self.scale, self.zero_point)
        ]
        parts = [(self.at, self.shape), *((p[0], p[1]) for p in others[:2])]
        if len(parts) == 1:
            parts *= 2
        shape = list(self.shape)
        shape[axis] = sum(s[axis] for _, s in parts)
        options = fill(schema.ConcatenationOptionsT(), axis=axis - rank if self.rng.random() < 0.3 else axis)
        self.b.op(
            "CONCATENATION", [i for i, _ in parts], [self._next(shape, self.scale, self.zero_point)], options
        )

    def _unary(self, name, options=None, scale=None, zero_point=None, shape=None):
        source = self.at
        self.b.op(name, [source], [self._next(shape or self.shape, scale, zero_point)], options)

    def _relu(self):
        self._unary("RELU")

    def _relu6(self):
        self._unary("RELU6", None, self.scale, self.zero_point)

    def _leaky_relu(self):
        self._unary("LEAKY_RELU", fill(schema.LeakyReluOptionsT(), alpha=float(self.rng.uniform(-0.5, 1.2))))

    def _elu(self):
        self._unary("ELU")

    def _abs(self):
        self._unary("ABS", None, self.scale if self.rng.random() < 0.3 else None)

    def _rsqrt(self):
        """Of squares, which are never negative."""
        if self.zero_point != -128:
            self._unary("QUANTIZE", schema.QuantizeOptionsT(), None, -128)
        self._unary("RSQRT", None, self._near(self.scale**-0.5 / 127, 4))

    def _float_island(self):
        """One to three float operators between DEQUANTIZE and QUANTIZE."""
        scale = self.scale
        largest = scale * max(127 - self.zero_point, self.zero_point + 128)
        self._float("DEQUANTIZE")
        for _ in range(self._int(1, 3)):
            choices = {"NEG": largest, "ABS": largest, "ELU": largest}
            if largest < 100:
                choices["SQUARE"] = largest * largest
            if largest < 10:
                choices["EXP"] = np.exp(largest)
            name = str(self.rng.choice(list(choices)))
            self._float(name)
            largest = choices[name]
        if self.rng.random() < 0.3:
            self._float("ABS")
            self._float("SQRT")
            largest **= 0.5
        source = self.at
        self.b.op("QUANTIZE", [source], [self._next(self.shape, self._near(largest / 127))])

    def _float(self, name):
        source = self.at
        self.at = self.b.tensor(self.shape, dtype="float32")
        self.b.op(name, [source], [self.at])

    def _logistic(self):
        self._unary("LOGISTIC", None, 1 / 256, -128)

    def _tanh(self):
        self._unary("TANH", None, 1 / 128, 0)

    def _hard_swish(self):
        self._unary("HARD_SWISH", schema.HardSwishOptionsT())

    def _quantize(self):
        self._unary("QUANTIZE", schema.QuantizeOptionsT())

    def _softmax(self):
        options = fill(schema.SoftmaxOptionsT(), beta=float(self.rng.choice([1.0, 0.5, 2.0])))
        self._unary("SOFTMAX", options, 1 / 256, -128)
