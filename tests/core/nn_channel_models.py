"""Random layers that move words within a time step, for streams."""

from __future__ import annotations

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from nn_models import fill
from nn_moving_models import MovingNetwork

WITHIN_A_STEP = ["cut", "turn", "swap", "interleave", "stack", "rows_times_constant"]


class ChannelNetwork(MovingNetwork):
    """Activations are [1, 1, time, channels] or [1, time, 1, channels]."""

    def _axis_of_time(self) -> int:
        return 2 if self.shape[1] == 1 else 1

    def _cut(self):
        """SLICE over channels."""
        n = self.shape[3]
        begin = self._int(0, n - 1)
        shape = (*self.shape[:3], self._int(1, n - begin))
        inputs = [self.at, self._integers((0, 0, 0, begin)), self._integers(shape)]
        self.b.op("SLICE", inputs, [self._same(shape)], schema.SliceOptionsT())

    def _turn(self):
        """STRIDED_SLICE over channels, backwards."""
        step = -self._int(1, 2)
        shape = (*self.shape[:3], len(range(self.shape[3])[::step]))
        ends = self._integers((0, 0, 0, -self.shape[3] - 1))
        inputs = [self.at, self._integers((0, 0, 0, -1)), ends, self._integers((1, 1, 1, step))]
        options = fill(schema.StridedSliceOptionsT(), beginMask=7, endMask=7)
        self.b.op("STRIDED_SLICE", inputs, [self._same(shape)], options)

    def _swap(self):
        """SPLIT_V over channels, and CONCATENATION in another order."""
        n = self.shape[3]
        if n < 2:
            return
        whole, first = self.shape, self._int(1, n - 1)
        inputs = [self.at, self._integers((first, -1)), self.b.tensor((), data=np.array(3, np.int32))]
        parts = self._parts([(*whole[:3], first), (*whole[:3], n - first)])
        self.b.op("SPLIT_V", inputs, parts, fill(schema.SplitVOptionsT(), numSplits=2))
        joined = self._same(whole)
        self.b.op("CONCATENATION", parts[::-1], [joined], fill(schema.ConcatenationOptionsT(), axis=3))

    def _interleave(self):
        """TRANSPOSE of the channels seen as a plane."""
        n, before, time = self.shape[3], self.shape, self.shape[self._axis_of_time()]
        rows = next(k for k in (3, 2, 1) if n % k == 0)
        self._alias("RESHAPE", (1, time, rows, n // rows), schema.ReshapeOptionsT())
        inputs = [self.at, self._integers((0, 1, 3, 2))]
        target = self._same((1, time, n // rows, rows))
        self.b.op("TRANSPOSE", inputs, [target], schema.TransposeOptionsT())
        self._alias("RESHAPE", before, schema.ReshapeOptionsT())

    def _stack(self):
        """PACK, UNPACK and PACK again behind time."""
        before, n = self.shape, self.shape[3]
        for axis in (3, 4):
            target = self._same((*before[:3], 2, n) if axis == 3 else (*before[:3], n, 2))
            options = fill(schema.PackOptionsT(), valuesCount=2, axis=axis)
            self.b.op("PACK", [self.past[-1][0]] * 2, [target], options)
        parts = self._parts([(*before[:3], 2)] * n)
        self.b.op("UNPACK", [target], parts, fill(schema.UnpackOptionsT(), num=n, axis=3))

    def _rows_times_constant(self):
        """BATCH_MATMUL of every time step with one matrix."""
        before, n, time = self.shape, self.shape[3], self.shape[self._axis_of_time()]
        self._alias("RESHAPE", (1, time, n), schema.ReshapeOptionsT())
        scale, zero_point, columns = self._new_scale(), self._new_zero_point(), self._int(1, 6)
        values = self.rng.integers(-128, 128, (n, columns)).astype(np.int8)
        inputs = [self.at, self.b.tensor((n, columns), [scale], [zero_point], values)]
        target = self._next_product((1, time, columns), scale, zero_point, n)
        self.b.op("BATCH_MATMUL", inputs, [target], schema.BatchMatMulOptionsT())
        self._alias("RESHAPE", (*before[:3], columns), schema.ReshapeOptionsT())
