"""Random layers that move words, multiply activations with one another, or spread a window."""

from __future__ import annotations

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from nn_models import F32, ModelBuilder, RandomNetwork, fill

MOVED = ["slice", "strided_slice", "split", "split_v", "pack", "unpack", "transpose"]
PRODUCTS = ["transpose_conv", "batch_matmul", "dense_of_activations"]


class MovingNetwork(RandomNetwork):
    """A chain that may also cut, join, transpose and multiply what it holds."""

    def _integers(self, values) -> int:
        return self.b.tensor(np.shape(values), data=np.array(values, np.int32))

    def _same(self, shape) -> int:
        return self._next(shape, self.scale, self.zero_point)

    def _back_to_batch_1(self) -> None:
        if len(self.shape) > 4 or self.shape[:1] != (1,):
            last = self.shape[-1] if self.shape else 1
            self._alias("RESHAPE", (1, int(np.prod(self.shape)) // last, last), schema.ReshapeOptionsT())

    def _hard_swish(self):
        if self.scale < 1:  # the format's 16 bits have no room for products of products
            super()._hard_swish()

    def _slice(self):
        begin = [self._int(0, n - 1) if self.rng.random() < 0.6 else 0 for n in self.shape]
        size = [self._int(1, n - b) for n, b in zip(self.shape, begin, strict=True)]
        stated = [
            -1 if b + s == n and self.rng.random() < 0.5 else s
            for n, b, s in zip(self.shape, begin, size, strict=True)
        ]
        inputs = [self.at, self._integers(begin), self._integers(stated)]
        self.b.op("SLICE", inputs, [self._same(size)], schema.SliceOptionsT())

    def _strided_slice(self):
        rank = len(self.shape)
        if rank > 4:
            return
        begins, ends, steps, masks, shape = [], [], [], [0, 0, 0], []
        for axis, n in enumerate(self.shape):
            step, shrinks = int(self.rng.choice([1, 1, 2, 3, -1, -2])), axis > 0 and self.rng.random() < 0.15
            if shrinks:
                begin = self._int(-n, n - 1)
                begins, ends, steps = [*begins, begin], [*ends, self._int(-9, 9)], [*steps, 1]
                masks[2] |= 1 << axis
                continue
            begin, end = self._int(0, n - 1), n if step > 0 else None
            if self.rng.random() < 0.5:
                end = self._int(begin + 1, n) if step > 0 else (self._int(0, begin) - 1)
                end = None if end < 0 else end
            if self.rng.random() < 0.3:
                begin = None
            places = range(n)[slice(begin, end, step)]
            if len(places) == 0:
                begin, end, places = None, None, range(n)[::step]
            masks[0] |= (begin is None) << axis
            masks[1] |= (end is None) << axis
            far = self._int(-2 * n, 2 * n)  # what a mask says does not count
            begins.append(far if begin is None else begin - n * int(self.rng.integers(0, 2)))
            ends.append(far if end is None else end)
            steps.append(step)
            shape.append(len(places))
        options = fill(
            schema.StridedSliceOptionsT(), beginMask=masks[0], endMask=masks[1], shrinkAxisMask=masks[2]
        )
        inputs = [self.at, *(self._integers(v) for v in (begins, ends, steps))]
        self.b.op("STRIDED_SLICE", inputs, [self._same(shape)], options)

    def _parts(self, shapes) -> list[int]:
        """Outputs of one scale; one of them goes on, the others may be joined later."""
        outputs = [self.b.activation(shape, self.scale, self.zero_point) for shape in shapes]
        chosen = self._int(0, len(outputs) - 1)
        for output, shape in zip(outputs, shapes, strict=True):
            self.past.append((output, tuple(shape), self.scale, self.zero_point))
        self.at, self.shape = outputs[chosen], tuple(shapes[chosen])
        return outputs

    def _split(self):
        axis = self._int(0, len(self.shape) - 1)
        counts = [n for n in range(1, 7) if self.shape[axis] % n == 0]
        n = int(self.rng.choice(counts))
        shape = [*self.shape]
        shape[axis] //= n
        at = self.b.tensor((), data=np.array(axis - len(shape) * self._int(0, 1), np.int32))
        inputs = [at, self.at]
        self.b.op("SPLIT", inputs, self._parts([shape] * n), fill(schema.SplitOptionsT(), numSplits=n))

    def _split_v(self):
        axis = self._int(0, len(self.shape) - 1)
        left, sizes = self.shape[axis], []
        while left:
            sizes.append(self._int(1, left) if len(sizes) < 3 else left)
            left -= sizes[-1]
        shapes = [[*self.shape[:axis], size, *self.shape[axis + 1 :]] for size in sizes]
        if self.rng.random() < 0.3:
            sizes[self._int(0, len(sizes) - 1)] = -1
        at = self.b.tensor((), data=np.array(axis, np.int32))
        inputs = [self.at, self._integers(sizes), at]
        options = fill(schema.SplitVOptionsT(), numSplits=len(sizes))
        self.b.op("SPLIT_V", inputs, self._parts(shapes), options)

    def _pack(self):
        rank = len(self.shape)
        if rank > 4:
            return
        others = [p[0] for p in self.past if p[1:] == (self.shape, self.scale, self.zero_point)]
        inputs = [self.at, *others[-2:]]
        axis = self._int(0 if rank == 4 else 1, rank)
        shape = [*self.shape[:axis], len(inputs), *self.shape[axis:]]
        stated = axis - rank - 1 if self.rng.random() < 0.3 else axis
        options = fill(schema.PackOptionsT(), valuesCount=len(inputs), axis=stated)
        self.b.op("PACK", inputs, [self._same(shape)], options)
        self._back_to_batch_1()

    def _unpack(self):
        axes = [a for a in range(1, len(self.shape)) if self.shape[a] <= 12]
        if not axes:
            return
        axis = int(self.rng.choice(axes))
        n, rank = self.shape[axis], len(self.shape)
        shape = [*self.shape[:axis], *self.shape[axis + 1 :]]
        options = fill(schema.UnpackOptionsT(), num=n, axis=axis - rank * self._int(0, 1))
        self.b.op("UNPACK", [self.at], self._parts([shape] * n), options)
        if len(self.shape) == 1:
            self._alias("RESHAPE", (1, 1), schema.ReshapeOptionsT())

    def _transpose(self):
        order = self.rng.permutation(len(self.shape))
        if len(self.shape) == 4 and self.shape[3] % 2 == 0 and self.rng.random() < 0.5:  # all five axes
            self._alias("RESHAPE", (self.shape[3] // 2, *self.shape[1:3], 1, 2), schema.ReshapeOptionsT())
            order = self.rng.permutation(5)
        inputs = [self.at, self._integers(order)]
        shape = [self.shape[axis] for axis in order]
        self.b.op("TRANSPOSE", inputs, [self._same(shape)], schema.TransposeOptionsT())
        self._back_to_batch_1()

    def _transpose_conv(self):
        if len(self.shape) != 4 or np.prod(self.shape) > 1500:
            return
        padding, n_outputs = self._int(0, 1), self._int(1, 5)
        sizes, strides, out = [], [], []
        for n in self.shape[1:3]:
            k, s = self._int(1, 5), self._int(1, 3)
            if n == 1 and self.rng.random() < 0.5:
                k = s = 1
            rest = self._int(0, s - 1)  # of the sizes from which the forward convolution comes to n
            out.append(n * s - rest if padding == 0 else (n - 1) * s + k + rest)
            sizes.append(k)
            strides.append(s)
        shape = (n_outputs, *sizes, self.shape[3])
        (_, *rest), scale = self._weights(shape, n_outputs, 0, np.prod(shape[1:]))
        inputs = [self._integers((1, *out, n_outputs)), rest[0], self.at, *(i for i in rest[1:] if i >= 0)]
        options = fill(
            schema.TransposeConvOptionsT(),
            padding=padding,
            strideH=strides[0],
            strideW=strides[1],
            fusedActivationFunction=self._activation(),
        )
        self.b.op("TRANSPOSE_CONV", inputs, [self._next((1, *out, n_outputs), scale)], options)

    def _next_product(self, shape, other_scale: float, other_zero_point: int, depth: int) -> int:
        """Output of a product of the chain's tensor and another one, of such a scale that few words saturate."""
        mean = self.zero_point * other_zero_point * depth
        spread = (abs(self.zero_point) + 74) * (abs(other_zero_point) + 74) * np.sqrt(depth)
        steps = spread * 2.0 ** self.rng.uniform(-7, -5)
        zero_point = int(np.clip(-mean / steps, -120, 120)) + self._int(-8, 7)
        return self._next(
            shape, float(F32(self.scale * other_scale * max(steps, abs(mean) / 120))), zero_point
        )

    def _batch_matmul(self):
        rank = len(self.shape)
        if not 2 <= rank <= 4 or np.prod(self.shape) > 1500:
            return
        a, a_shape, scale, zero_point = self.at, self.shape, self.scale, self.zero_point
        adj_x, adj_y = bool(self._int(0, 1)), bool(self._int(0, 1))
        depth, rows = a_shape[-2:] if adj_x else a_shape[-2:][::-1]
        b, b_shape, other_scale, other_zero_point = a, a_shape, scale, zero_point
        if rank == 4 and self.rng.random() < 0.5:  # one matrix of the input serves for all batches
            b_shape = (1, 1, *a_shape[2:])
            b = self._same(b_shape)
            begin = self._integers((0, self._int(0, a_shape[1] - 1), 0, 0))
            self.b.op("SLICE", [a, begin, self._integers(b_shape)], [b], schema.SliceOptionsT())
            if self.rng.random() < 0.5:
                b_shape = b_shape[2:]
                self._alias("RESHAPE", b_shape, schema.ReshapeOptionsT())
                b = self.at
        is_constant = self.rng.random() < 0.3
        if is_constant:
            other_scale, other_zero_point = self._new_scale(), self._new_zero_point()
            columns = self._int(1, 6)
            batch = [n if self.rng.random() < 0.5 else 1 for n in a_shape[:-2]][self._int(0, rank - 2) :]
            b_shape = (*batch, *((columns, depth) if adj_y else (depth, columns)))
            values = self.rng.integers(-128, 128, b_shape).astype(np.int8)
            b = self.b.tensor(b_shape, [other_scale], [other_zero_point], values)
        else:  # the inner sizes must meet
            adj_y = not adj_x
        columns = b_shape[-2] if adj_y else b_shape[-1]
        pair = [a, b]
        shape = (*a_shape[:-2], rows, columns)
        if not is_constant and self.rng.random() < 0.5:
            pair, shape = [b, a], (*a_shape[:-2], columns, rows)
        self.scale, self.zero_point = scale, zero_point
        options = fill(schema.BatchMatMulOptionsT(), adjX=adj_x, adjY=adj_y)
        target = self._next_product(shape, other_scale, other_zero_point, depth)
        self.b.op("BATCH_MATMUL", pair, [target], options)
        self._back_to_batch_1()

    def _dense_of_activations(self):
        if np.prod(self.shape) > 1500:
            return
        depth = self.shape[-1]
        rows = int(np.prod(self.shape)) // depth
        source, scale, zero_point = self.at, self.scale, self.zero_point
        self._alias("RESHAPE", (rows, depth), schema.ReshapeOptionsT())
        weights, inputs = self.at, [source, self.at]
        self.at, self.scale, self.zero_point = weights, scale, zero_point
        if self.rng.random() < 0.5:
            bias = self.rng.integers(-4000, 4000, rows).astype(np.int32)
            inputs.append(self.b.tensor((rows,), [F32(scale) * F32(scale)], [0], bias))
        options = fill(
            schema.FullyConnectedOptionsT(), fusedActivationFunction=self._activation(), keepNumDims=True
        )
        shape = (*self.b.tensors[source].shape[:-1], rows)
        target = self._next_product(shape, scale, zero_point, depth)
        self.b.op("FULLY_CONNECTED", inputs, [target], options)


def attention(n_steps: int, n_channels: int, n_heads: int, depth: int, adj_y: bool) -> bytes:
    """Queries, keys and values of one input; weights by softmax; heads joined, a dense layer, the last time step."""
    network = MovingNetwork(1, [], (1, 1, 1))
    b, rng = ModelBuilder(), np.random.default_rng(11)
    network.b = b
    source = b.activation((1, n_steps, n_channels), 0.05, -3)

    def dense(at: int, scale: float, n_inputs: int, n_outputs: int) -> tuple[int, float]:
        network.at, network.scale, network.shape = at, scale, (1, n_steps, n_inputs)
        inputs, out_scale = network._weights((n_outputs, n_inputs), n_outputs, 0, n_inputs)
        out = b.activation((1, n_steps, n_outputs), out_scale, int(rng.integers(-20, 20)))
        b.op("FULLY_CONNECTED", inputs, [out], fill(schema.FullyConnectedOptionsT(), keepNumDims=True))
        return out, out_scale

    def moved(at: int, scale: float, name: str, shape, values, options) -> int:
        tensor = b.tensors[at]
        out = b.activation(shape, scale, tensor.quantization.zeroPoint[0])
        b.op(name, [at, network._integers(values)], [out], options)
        return out

    width, heads = n_heads * depth, []
    for order in ((0, 2, 1, 3), (0, 2, 1, 3) if adj_y else (0, 2, 3, 1), (0, 2, 1, 3)):
        at, scale = dense(source, 0.05, n_channels, width)
        shape = (1, n_steps, n_heads, depth)
        at = moved(at, scale, "RESHAPE", shape, shape, schema.ReshapeOptionsT())
        shape = tuple(shape[axis] for axis in order)
        heads.append((moved(at, scale, "TRANSPOSE", shape, order, schema.TransposeOptionsT()), scale))
    (q, q_scale), (k, k_scale), (v, v_scale) = heads
    score_scale = q_scale * k_scale * 90 * np.sqrt(depth)
    scores = b.activation((1, n_heads, n_steps, n_steps), score_scale, 5)
    b.op("BATCH_MATMUL", [q, k], [scores], fill(schema.BatchMatMulOptionsT(), adjY=adj_y))
    weights = b.activation((1, n_heads, n_steps, n_steps), 1 / 256, -128)
    scaled = b.activation((1, n_heads, n_steps, n_steps), 0.05, 7)
    factor = b.tensor((), [0.05 / score_scale / 100], [0], np.array(100, np.int8))
    b.op("MUL", [scores, factor], [scaled], schema.MulOptionsT())
    b.op("SOFTMAX", [scaled], [weights], fill(schema.SoftmaxOptionsT(), beta=1.0))
    mixed = b.activation((1, n_heads, n_steps, depth), v_scale / 2, -9)
    b.op("BATCH_MATMUL", [weights, v], [mixed], schema.BatchMatMulOptionsT())
    shape = (1, n_steps, n_heads, depth)
    at = moved(mixed, v_scale / 2, "TRANSPOSE", shape, (0, 2, 1, 3), schema.TransposeOptionsT())
    at = moved(at, v_scale / 2, "RESHAPE", (1, n_steps, width), (1, n_steps, width), schema.ReshapeOptionsT())
    at, scale = dense(at, v_scale / 2, width, n_channels)
    last = b.activation((1, n_channels), scale, b.tensors[at].quantization.zeroPoint[0])
    bounds = [network._integers(v) for v in ((0, -1, 0), (0, 0, 0), (1, 1, 1))]
    options = fill(schema.StridedSliceOptionsT(), beginMask=5, endMask=5, shrinkAxisMask=2)
    b.op("STRIDED_SLICE", [at, *bounds], [last], options)
    return b.pack(source, last)
