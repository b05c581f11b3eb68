"""What Keras makes of attention and of decoders, converted to int8: it compiles and equals the runtime."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from myo_export.emit_net import render_network
from myo_training.convert import convert_model
from myo_training.quiet import import_tensorflow

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nn_run import EMULATED_DSP, build_kernels, compare, host_compiler, run_c, run_tflm, varied_inputs

pytestmark = pytest.mark.skipif(
    host_compiler() is None, reason="needs a host C compiler (apt-get install gcc)"
)


def attention(keras: Any) -> Any:
    """Two heads over 24 time steps with a residual, as at a patch's size."""
    source = keras.layers.Input((24, 8), batch_size=1)
    x = keras.layers.Dense(16)(source)
    x = keras.layers.Add()([x, keras.layers.MultiHeadAttention(2, 8)(x, x)])
    return keras.Model(source, keras.layers.Dense(5, activation="softmax")(x[:, -1, :]))


def decoder(keras: Any) -> Any:
    """Strided convolutions over time and back: one layer as a convolution, one by the kernel of its own."""
    source = keras.layers.Input((1, 20, 4), batch_size=1)
    x = keras.layers.Conv2D(8, (1, 4), strides=(1, 2), activation="relu")(source)
    x = keras.layers.Conv2DTranspose(6, (1, 4), strides=(1, 2), activation="relu")(x)
    return keras.Model(source, keras.layers.Conv2DTranspose(4, (1, 3), strides=(1, 2))(x))


@pytest.mark.parametrize(
    ("build", "operators"),
    [
        (attention, {"BATCH_MATMUL": 2, "TRANSPOSE": 4, "STRIDED_SLICE": 1}),
        (decoder, {"TRANSPOSE_CONV": 2}),
    ],
)
def test_converted_from_keras(build, operators, tmp_path):
    keras = import_tensorflow().keras
    keras.utils.set_random_seed(1)
    network = build(keras)
    windows = np.random.default_rng(0).normal(size=(30, *network.input_shape[1:])).astype(np.float32)
    model = convert_model(network, windows)
    text = render_network(model, "test")
    names = [step.op.name for step in text.network.steps]
    assert {name: names.count(name) for name in operators} == operators
    graph = text.network.graph
    source = graph.tensors[graph.input]
    inputs = varied_inputs(source.size, source.quantization.zero_point, 3)
    (tmp_path / "kernels").mkdir()
    kernels = build_kernels(tmp_path / "kernels", EMULATED_DSP)
    compare(run_tflm(model, inputs), run_c(text, inputs, kernels, tmp_path / "net"), names)
