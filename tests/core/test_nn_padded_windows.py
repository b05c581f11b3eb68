"""Convolutions over time whose windows padding reaches into at the ends: which are widened where they stand is decided by
position, so every parity of ends, strides and widths is run, every word against the runtime."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_export.emit_net import render_network
from nn_models import ModelBuilder, fill
from nn_run import EMULATED_DSP, build_kernels, compare, run_c, run_tflm, varied_inputs

CHANNELS = 4
WINDOWS = ((3, 1), (5, 1), (2, 1), (4, 1), (7, 1), (5, 2), (3, 1), (4, 3), (9, 1))  # size, stride


def padded_convolutions(width: int) -> bytes:
    """A chain of convolutions with padding "same", each narrower than the one before where its stride is above 1."""
    rng = np.random.default_rng(width)
    b = ModelBuilder()
    source = x = b.activation((1, 1, width, CHANNELS), 0.05, 3)
    for size, stride in WINDOWS:
        width = -(-width // stride)
        words = rng.integers(-127, 128, (CHANNELS, 1, size, CHANNELS)).astype(np.int8)
        weights = b.tensor(words.shape, [0.01], [0], words)
        bias = b.tensor((CHANNELS,), [0.01 * 0.05], [0], rng.integers(-500, 500, CHANNELS).astype(np.int32))
        out = b.activation((1, 1, width, CHANNELS), 0.05, 3)
        strides = {"strideH": 1, "strideW": stride, "dilationHFactor": 1, "dilationWFactor": 1}
        b.op("CONV_2D", [x, weights, bias], [out], fill(schema.Conv2DOptionsT(), padding=0, **strides))
        x = out
    return b.pack(source, x)


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    return build_kernels(tmp_path_factory.mktemp("kernels"), EMULATED_DSP)


@pytest.mark.parametrize("width", [5, 12, 23])
def test_every_end_of_a_padded_convolution(width, kernels, tmp_path):
    model = padded_convolutions(width)
    text = render_network(model, "test", "both")
    assert all(not isinstance(form, str) for form in text.packed)
    inputs = varied_inputs(width * CHANNELS, 3, width)
    layers = [str(step.index) for step in text.network.steps]
    compare(run_tflm(model, inputs), run_c(text, inputs, kernels, tmp_path), layers)
