"""Transposed convolutions as plain ones: the same sums in the same places, for every window, stride and padding."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from myo_export.lowered import Conv, Requantize, TransposeConv, Window
from myo_export.quantized_math import Factor
from myo_export.unfold_transpose_conv import as_conv


def spread(layer: TransposeConv, x: np.ndarray) -> np.ndarray:
    """Sums without biases, each input position adding its window where it falls."""
    w, (height, width, n_outputs) = layer.window, layer.output_shape
    out = np.zeros((height, width, n_outputs), int)
    for (iy, ix), (y, k) in product(np.ndindex(x.shape[:2]), np.ndindex(w.height, w.width)):
        oy, ox = iy * w.stride_height - w.pad_top + y, ix * w.stride_width - w.pad_left + k
        if 0 <= oy < height and 0 <= ox < width:
            out[oy, ox] += layer.weights[:, y, k].astype(int) @ x[iy, ix]
    return out


def slide(layer: Conv, x: np.ndarray) -> np.ndarray:
    """Sums of a convolution; what lies outside of the input is 0."""
    w, (height, width, n_outputs) = layer.window, layer.output_shape
    out = np.zeros((height, width, n_outputs), int)
    for (oy, ox), (y, k) in product(np.ndindex(height, width), np.ndindex(w.height, w.width)):
        iy, ix = oy * w.stride_height - w.pad_top + y, ox * w.stride_width - w.pad_left + k
        if 0 <= iy < x.shape[0] and 0 <= ix < x.shape[1]:
            out[oy, ox] += layer.weights[:, y, k].astype(int) @ x[iy, ix]
    return out


@pytest.mark.parametrize("is_tall", [False, True])
def test_the_same_sums(is_tall):
    rng, unfolded, kept = np.random.default_rng(3), 0, 0
    for size, stride, pad, rest in product(range(1, 7), range(1, 5), range(3), range(3)):
        n_input, rows = 5, 1 if is_tall else 2
        n_output = (n_input - 1) * stride + size - 2 * pad + rest
        if n_output < 1 or pad > size // 2:
            continue
        weights = rng.integers(-127, 128, (2, 1, size, 3)).astype(np.int8)
        x = rng.integers(-255, 256, (rows, n_input, 3))
        shapes = ((rows, n_input, 3), (rows, n_output, 2))
        window = Window(1, size, 1, stride, 1, 1, 0, pad)
        if is_tall:
            shapes = ((n_input, 1, 3), (n_output, 1, 2))
            window = Window(size, 1, stride, 1, 1, 1, pad, 0)
            weights, x = weights.reshape(2, size, 1, 3), x.reshape(n_input, 1, 3)
        requantize = Requantize((Factor(1 << 30, 0), Factor(1 << 30, 1)), 0, -128, 127)
        layer = TransposeConv(*shapes, window, 0, weights, np.array([1, 2], np.int32), requantize)
        found = as_conv(layer)
        if isinstance(found, TransposeConv):
            kept += 1
            continue
        unfolded += 1
        x = x.reshape(found.input_shape)
        assert slide(found, x).ravel().tolist() == spread(layer, x.reshape(shapes[0])).ravel().tolist()
        assert found.bias.tolist() == [1, 2] * stride
        assert found.requantize.factors == requantize.factors * stride
        assert found.weights.size <= 2 * weights.size
    assert unfolded > 40
    assert kept > 40
