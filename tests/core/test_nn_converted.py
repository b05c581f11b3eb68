"""Keras layers, converted to full int8: the C equals the tflite_micro runtime, every word of every int8 layer.

What a converter makes of a layer is not what its name says: a layer normalization becomes eleven operators, one of
them float.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from myo_export.emit_net import render_network
from myo_export.tflite_reader import read_graph

sys.path.insert(0, str(Path(__file__).parent))
from nn_run import EMULATED_DSP, build_kernels, compare, host_compiler, run_c, run_tflm, varied_inputs
from test_nn_stream import check

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow")

pytestmark = [
    pytest.mark.skipif(host_compiler() is None, reason="needs a host C compiler (apt-get install gcc)"),
    pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected"),
]

WINDOW, IMAGE = (20, 8), (12, 16, 3)


def _normalized(x):
    layers = tf.keras.layers
    x = layers.LayerNormalization()(layers.Conv1D(8, 3)(x))
    return layers.LayerNormalization(axis=[1, 2])(layers.Dense(6, activation="elu")(x))


def _normalized_steps(x):
    layers = tf.keras.layers
    x = layers.LayerNormalization()(layers.Conv1D(8, 3)(x))
    x = layers.Maximum()([x, layers.Subtract()([layers.Dense(8, activation="elu")(x), x])])
    return layers.Dense(3)(layers.GlobalMaxPooling1D()(x))


def _grouped(x):
    layers = tf.keras.layers
    return layers.UnitNormalization()(layers.GroupNormalization(2)(layers.Conv1D(8, 3)(x)))


def _joined(x):
    layers = tf.keras.layers
    a, b = (layers.Conv1D(6, 3)(x) for _ in range(2))
    x = layers.Maximum()([layers.Subtract()([a, b]), layers.Minimum()([a, b])])
    x = layers.PReLU(shared_axes=[1], alpha_initializer=tf.keras.initializers.Constant(0.3))(x)
    return layers.GlobalMaxPooling1D()(x)


def _gated(x):
    layers = tf.keras.layers
    x = layers.Conv1D(8, 3, activation="swish")(x)
    gate = layers.Dense(8, activation="hard_sigmoid")(layers.GlobalAveragePooling1D()(x))
    return layers.Dense(5, activation="softmax")(layers.Flatten()(layers.Multiply()([x, gate])))


def _residual_image(x):
    layers = tf.keras.layers
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu6")(x)
    y = layers.Conv2D(8, 1)(y)
    x = layers.MaxPooling2D(2)(layers.ReLU()(layers.Add()([x, y])))
    x = layers.AveragePooling2D(2, padding="same")(layers.Conv2D(12, (3, 2), strides=(1, 2))(x))
    return layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x))


def _dilated_image(x):
    layers = tf.keras.layers
    x = layers.SeparableConv2D(6, 3, dilation_rate=2, padding="same")(x)
    x = layers.ZeroPadding2D(((1, 0), (0, 2)))(x)
    x = layers.Concatenate()([layers.MaxPooling2D(2)(x), layers.AveragePooling2D(2)(x)])
    return layers.Dense(4)(layers.GlobalMaxPooling2D()(x))


def _rows_of_image(x):
    layers = tf.keras.layers
    x = layers.Conv2D(4, (3, 16))(x)
    x = layers.LayerNormalization()(layers.Reshape((10, 4))(x))
    return layers.Dense(3)(layers.Flatten()(x))


NETWORKS: dict[str, tuple[tuple[int, ...], Callable, set[str]]] = {
    "layer normalization": (
        WINDOW,
        _normalized,
        {"SQUARED_DIFFERENCE", "RSQRT", "DEQUANTIZE", "NEG", "ELU", "QUANTIZE", "MEAN"},
    ),
    "group and unit normalization": (WINDOW, _grouped, {"SQUARE", "SUM", "RSQRT", "MINIMUM"}),
    "differences and extremes": (WINDOW, _joined, {"SUB", "MAXIMUM", "MINIMUM", "PRELU", "REDUCE_MAX"}),
    "gates": (WINDOW, _gated, {"LOGISTIC", "MUL", "SOFTMAX"}),
    "image, residual": (IMAGE, _residual_image, {"ADD", "MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN"}),
    "image, dilated": (IMAGE, _dilated_image, {"CONCATENATION", "PAD", "REDUCE_MAX"}),
    "image, rows": (IMAGE, _rows_of_image, {"SQUARED_DIFFERENCE", "RSQRT"}),
}


def convert(shape: tuple[int, ...], build: Callable) -> bytes:
    """Fully int8, with random weights and input."""
    tf.keras.utils.set_random_seed(3)
    inputs = tf.keras.Input(batch_shape=(1, *shape))
    model = tf.keras.Model(inputs, build(inputs))
    rng = np.random.default_rng(3)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [rng.normal(size=(1, *shape)).astype(np.float32)] for _ in range(10)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


@pytest.fixture(scope="module", params=["plain", "dsp-speed"])
def kernels(request, tmp_path_factory):
    flags = [] if request.param == "plain" else EMULATED_DSP
    return build_kernels(tmp_path_factory.mktemp("kernels"), flags)


@pytest.fixture(scope="module")
def converted():
    """Convert once for both kinds of kernels."""
    found: dict[str, bytes] = {}

    def give(name: str) -> bytes:
        if name not in found:
            found[name] = convert(*NETWORKS[name][:2])
        return found[name]

    return give


@pytest.mark.parametrize("name", NETWORKS)
def test_converted_layers(name, kernels, converted, tmp_path, capfd):
    model = converted(name)
    capfd.readouterr()  # the converter talks
    graph = read_graph(model)
    assert {op.name for op in graph.ops} >= NETWORKS[name][2]
    source = graph.tensors[graph.input]
    inputs = varied_inputs(source.size, source.quantization.zero_point, 3)
    found = run_c(render_network(model, "test", "both"), inputs, kernels, tmp_path)
    compare(run_tflm(model, inputs), found, [op.name for op in graph.ops])


def test_normalized_steps_stream(kernels, tmp_path, capfd):
    """A normalization of every time step by itself is no obstacle."""
    model = convert(WINDOW, _normalized_steps)
    capfd.readouterr()
    stream = render_network(model, "test", hop=4).stream
    assert stream is not None
    assert [obstacle.op_name for obstacle in stream.obstacles] == ["REDUCE_MAX"]
    check(model, 4, 3, kernels, tmp_path)
