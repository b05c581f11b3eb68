"""The generated C, under sanitizers, against the tflite_micro runtime: every word of every layer."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_export.emit_net import render_network
from myo_export.lower import lower_graph
from myo_export.lowered import Conv, FullyConnected, Pool, Table
from myo_export.quantized_math import clamp_int8, table_of
from myo_export.quantized_math import scale as scale_int32
from myo_export.tflite_reader import read_graph

sys.path.insert(0, str(Path(__file__).parent))
from nn_models import ModelBuilder, RandomNetwork, fill
from nn_moving_models import MOVED, PRODUCTS, MovingNetwork, attention
from nn_run import (
    EMULATED_DSP,
    HostKernels,
    build_kernels,
    compare,
    host_compiler,
    run_c,
    run_tflm,
    varied_inputs,
)

pytestmark = pytest.mark.skipif(
    host_compiler() is None, reason="needs a host C compiler (apt-get install gcc)"
)

WEIGHTED = ["conv", "depthwise", "dense"]
REDUCING = ["mean", "sum", "reduce_max", "reduce_min"]
MOVING = ["average_pool", "max_pool", "pad", "concatenation"]
RESHAPING = ["reshape", "flatten", "expand_dims", "squeeze"]
WORDWISE = ["add", "sub", "mul", "squared_difference", "prelu", "maximum", "minimum", "softmax"]
UNARY = [
    *("relu", "relu6", "leaky_relu", "logistic", "tanh", "hard_swish", "quantize"),
    *("elu", "abs", "rsqrt", "float_island"),
]
KINDS = WEIGHTED + REDUCING + MOVING + MOVED + RESHAPING + WORDWISE + PRODUCTS + UNARY


@pytest.fixture(scope="module", params=["plain", "dsp-speed", "dsp-size"])
def kernels(request, tmp_path_factory):
    flags, optimize = [] if request.param == "plain" else EMULATED_DSP, "speed"
    if request.param == "dsp-size":
        optimize = "size"
    return build_kernels(tmp_path_factory.mktemp("kernels"), flags, optimize)


def check(
    model: bytes, seed: int, kernels: HostKernels, folder: Path, inputs: np.ndarray | None = None
) -> None:
    text = render_network(model, "test", "both", kernels.optimize)
    graph = text.network.graph
    source = graph.tensors[graph.input]
    if inputs is None:
        inputs = varied_inputs(source.size, source.quantization.zero_point, seed)
    found = run_c(text, inputs, kernels, folder)
    compare(run_tflm(model, inputs), found, [op.name for op in graph.ops for _ in op.outputs])


@pytest.mark.parametrize("kind", KINDS)
def test_each_layer_alone(kind, kernels, tmp_path):
    """Twice in a row, so that it reads and writes both the caller's buffers and the arena."""
    for seed in range(2):
        check(MovingNetwork(seed, [kind, kind], (3 + seed, 7, 6)).pack(), seed, kernels, tmp_path / str(seed))


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kinds=st.lists(st.sampled_from(WEIGHTED + KINDS), min_size=1, max_size=7),
    plane=st.tuples(st.integers(1, 6), st.integers(1, 12), st.integers(1, 7)),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_networks(kinds, plane, seed, kernels, tmp_path):
    check(MovingNetwork(seed, kinds, plane).pack(), seed, kernels, tmp_path)


@pytest.mark.parametrize("kernels", ["plain"], indirect=True)  # tables are the same everywhere
@pytest.mark.parametrize("kind", UNARY)
@pytest.mark.parametrize("seed", range(3))
def test_tables_for_every_word(kind, seed, kernels, tmp_path):
    every_word = np.arange(-128, 128).astype(np.int8).reshape(1, 256)
    check(RandomNetwork(seed, [kind], (1, 256, 1)).pack(), seed, kernels, tmp_path, every_word)


def tie_models(op: str, n: int) -> list[bytes]:
    """One-operator models whose scales put some product next to a half, where precision shows."""
    rng = np.random.default_rng(7)
    models = []
    for _ in range(n):
        scale = float(np.float32(0.05 * 2.0 ** rng.uniform(-2, 2)))
        x, half, alpha = (
            int(rng.integers(20, 120)),
            int(rng.integers(3, 100)) + 0.5,
            float(np.float32(rng.uniform(0.05, 0.9))),
        )
        b = ModelBuilder()
        a = b.activation((1, 256, 1), scale, 0)
        inputs, options, target = [a], None, x * scale / half
        if op == "LEAKY_RELU":
            options = fill(schema.LeakyReluOptionsT(), alpha=alpha)
            target *= alpha if rng.random() < 0.5 else 1.0
        elif op == "HARD_SWISH":
            target = scale / ((int(rng.integers(16384, 32767)) + 0.5) / 32768)
        elif op == "FULLY_CONNECTED":
            weight, weight_scale = (
                int(rng.integers(1, 128)),
                float(np.float32(0.05 * 2.0 ** rng.uniform(-2, 2))),
            )
            inputs.append(b.tensor((1, 1), [weight_scale], [0], np.array([[weight]], np.int8)))
            options = fill(schema.FullyConnectedOptionsT(), keepNumDims=True)
            target *= weight * weight_scale
        out = b.activation((1, 256, 1), float(np.float32(target)), 0)
        b.op(op, inputs, [out], options)
        models.append(b.pack(a, out))
    return models


@pytest.mark.parametrize(
    "op", ["LEAKY_RELU", "HARD_SWISH", "QUANTIZE", "RELU", "ABS", "ELU", "FULLY_CONNECTED"]
)
def test_ties(op):
    """The runtime forms factors in double precision; in single precision many of these would differ.

    ELU is the other way round: single precision, times the inverse of the output's scale.
    """
    every_word = np.arange(-128, 128).astype(np.int8).reshape(1, 256)
    for model in tie_models(op, 100):
        step = render_network(model, "test").network.steps[0]
        if isinstance(step.layer, Table):
            found = step.layer.table
        else:
            layer = step.layer
            assert isinstance(layer, FullyConnected)
            weight, factor = int(layer.weights[0, 0]), layer.requantize.factors[0]
            found = table_of(lambda x, w=weight, f=factor: clamp_int8(scale_int32(x * w, f)))
        assert np.array_equal(found, run_tflm(model, every_word)[0][0])


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (0.022865084931254387, 0.031384292989969254),
        (0.22091028094291687, 0.010096963495016098),
        (0.016180403530597687, 0.007761155720800161),
    ],
)
def test_ties_of_roots(source, target):
    """Some of the scales at which the root of the scale, or its product, in single precision would differ."""
    every_word = np.arange(-128, 128).astype(np.int8).reshape(1, 256)
    model = unary_model("RSQRT", (source, -128), (target, 0))
    layer = render_network(model, "test").network.steps[0].layer
    assert isinstance(layer, Table)
    assert np.array_equal(layer.table, run_tflm(model, every_word)[0][0])


@pytest.mark.parametrize(("real", "activation"), [(6.0, 3), (1.0, 2)])
def test_ties_of_fused_activations(real, activation):
    """Bounds of clamps are formed in single precision."""
    every_word = np.arange(-128, 128).astype(np.int8).reshape(1, 256)
    for steps in range(3, 100, 2):
        for direction in (0.0, np.inf):
            scale = float(np.nextafter(np.float32(real / (steps + 0.5)), np.float32(direction)))
            b = ModelBuilder()
            a, out = (b.activation((1, 1, 256, 1), scale, 0 if real == 1.0 else -128) for _ in range(2))
            ones = dict.fromkeys(("padding", "strideH", "strideW", "filterHeight", "filterWidth"), 1)
            options = fill(schema.Pool2DOptionsT(), **ones, fusedActivationFunction=activation)
            b.op("MAX_POOL_2D", [a], [out], options)
            model = b.pack(a, out)
            layer = lower_graph(read_graph(model)).steps[0].layer
            assert isinstance(layer, Pool)
            assert np.array_equal(
                np.clip(every_word, layer.low, layer.high)[0], run_tflm(model, every_word)[0][0]
            )


BINARY_OPTIONS = {
    "ADD": schema.AddOptionsT,
    "SUB": schema.SubOptionsT,
    "MUL": schema.MulOptionsT,
    "SQUARED_DIFFERENCE": schema.SquaredDifferenceOptionsT,
    "PRELU": lambda: None,
}


def pair_model(op: str, seed: int, n_words: int = 8) -> bytes:
    """Every word against some of a constant, at scales that are equal, alike, far apart, or next to a half."""
    rng = np.random.default_rng(seed)
    scale_a, scale_b = (float(np.float32(0.05 * 2.0**e)) for e in rng.uniform(-3, 3, 2))
    if seed % 5 == 0:
        scale_b = scale_a
    if seed % 5 == 1:
        scale_b = float(np.float32(scale_a * 2.0 ** rng.uniform(-25, 12)))
    product = scale_a * scale_b
    target = {"MUL": product * 90, "SQUARED_DIFFERENCE": max(scale_a, scale_b) ** 2 * 90, "PRELU": scale_a}
    scale = target.get(op, max(scale_a, scale_b)) * 2.0 ** rng.uniform(-3, 3)
    x, y, half = (*(int(n) for n in rng.integers(20, 120, 2)), int(rng.integers(3, 100)) + 0.5)
    if seed % 2:
        scale = {"MUL": product * x * y, "SQUARED_DIFFERENCE": (scale_a * x) ** 2}.get(op, scale_a * x) / half
    if op == "MUL" and seed % 5 == 2:
        scale = product * 2.0 ** rng.uniform(-3, 1)  # scaled up, rounded once only
    zero_points = [int(z) for z in rng.integers(-128, 128, 3)]
    b = ModelBuilder()
    a = b.activation((1, 256, 1), scale_a, zero_points[0])
    values = rng.integers(-128, 128, n_words if n_words > 1 else ()).astype(np.int8)
    constant = b.tensor(values.shape, [scale_b], [zero_points[1]], values)
    out = b.activation((1, 256, n_words), float(np.float32(scale)), zero_points[2])
    pair = [constant, a] if op != "PRELU" and rng.random() < 0.5 else [a, constant]
    b.op(op, pair, [out], BINARY_OPTIONS[op]())
    return b.pack(a, out)


@pytest.mark.parametrize("kernels", ["plain", "dsp-speed"], indirect=True)  # they have no weights
@pytest.mark.parametrize("op", BINARY_OPTIONS)
def test_pairs_of_words(op, kernels, tmp_path):
    """In C, and with a constant of one word as a table."""
    every_word = np.arange(-128, 128).astype(np.int8).reshape(1, 256)
    for seed in range(5):
        check(pair_model(op, seed), seed, kernels, tmp_path / str(seed), every_word)
    if kernels.flags:
        return
    for seed in range(100):
        model = pair_model(op, seed, 1)
        layer = render_network(model, "test").network.steps[0].layer
        assert isinstance(layer, Table)
        assert np.array_equal(layer.table, run_tflm(model, every_word)[0][0])


@pytest.mark.parametrize("kernels", ["plain", "dsp-speed"], indirect=True)
@pytest.mark.parametrize("op", ["SUB", "SQUARED_DIFFERENCE"])
def test_every_way_to_repeat(op, kernels, tmp_path):
    """A chain that joins constants repeated along every choice of axes, as first and as second operand."""
    shape, rng, b = (1, 3, 4, 5), np.random.default_rng(8), ModelBuilder()
    first = at = b.activation(shape, 0.05, 3)
    for axes in range(16):
        repeated = [1 if axes >> i & 1 else n for i, n in enumerate(shape[1:])]
        constant = b.tensor(repeated, [0.04], [-7], rng.integers(-128, 128, repeated).astype(np.int8))
        source, at = at, b.activation(shape, 0.05, 11)
        b.op(op, [source, constant] if axes < 8 else [constant, source], [at], BINARY_OPTIONS[op]())
    check(b.pack(first, at), 8, kernels, tmp_path)


def unary_model(op: str, source: tuple[float, int], target: tuple[float, int]) -> bytes:
    b = ModelBuilder()
    a, out = (b.activation((1, 256), float(np.float32(s)), z) for s, z in (source, target))
    b.op(op, [a], [out], schema.QuantizeOptionsT() if op == "QUANTIZE" else None)
    return b.pack(a, out)


@pytest.mark.parametrize("op", ["QUANTIZE", "ELU", "ABS", "RSQRT"])
def test_tables_at_many_scales(op):
    """Ratios of scales from one end of what is useful to the other, equal scales among them."""
    every_word = np.arange(-128, 128).astype(np.int8).reshape(1, 256)
    rng = np.random.default_rng(3)
    for k in range(150):
        source, target = 0.05 * 2.0 ** rng.uniform(-6, 4), 2.0 ** rng.uniform(-3, 3)
        target *= source**-0.5 / 127 if op == "RSQRT" else source
        if op == "QUANTIZE":
            target *= 2.0 ** rng.uniform(-25, 25)
        if k % 10 == 0 and op != "RSQRT":
            target = source
        zero_points = [int(z) for z in rng.integers(-128, 128, 2)]
        if op == "RSQRT":
            zero_points[0] = -128
        model = unary_model(op, (source, zero_points[0]), (target, zero_points[1]))
        layer = render_network(model, "test").network.steps[0].layer
        assert isinstance(layer, Table)
        assert np.array_equal(layer.table, run_tflm(model, every_word)[0][0]), (source, target, zero_points)


def test_wide_softmax_and_long_sums(kernels, tmp_path):
    """More words than the random networks have: long sums of exponentials, deep products."""
    check(RandomNetwork(5, ["softmax"], (1, 3, 511)).pack(), 5, kernels, tmp_path / "wide")
    check(
        RandomNetwork(6, ["flatten", "dense", "softmax"], (8, 32, 16)).pack(), 6, kernels, tmp_path / "deep"
    )


@pytest.mark.parametrize(("size", "stride", "padding"), [(4, 2, 0), (5, 2, 0), (6, 3, 1), (3, 1, 1)])
def test_transposed_convolution_over_time(size, stride, padding, kernels, tmp_path):
    """Sizes for which it becomes a convolution, which the DSP kernels take."""
    network = MovingNetwork(size, ["quantize"], (1, 9, 3))
    source, width = network.at, 9 * stride if padding == 0 else 8 * stride + size
    (_, *constants), scale = network._weights((5, 1, size, 3), 5, 0, size * 3)
    inputs = [
        network._integers((1, 1, width, 5)),
        constants[0],
        source,
        *(i for i in constants[1:] if i >= 0),
    ]
    options = fill(schema.TransposeConvOptionsT(), padding=padding, strideH=1, strideW=stride)
    network.b.op("TRANSPOSE_CONV", inputs, [network._next((1, 1, width, 5), scale)], options)
    model = network.pack()
    assert isinstance(render_network(model, "test").network.steps[-1].layer, Conv)
    check(model, size, kernels, tmp_path)


@pytest.mark.parametrize("adj_y", [False, True])
def test_attention(adj_y, kernels, tmp_path):
    """Two heads over 24 time steps, as Keras' MultiHeadAttention is converted, with softmax over products."""
    check(attention(24, 8, 2, 6, adj_y), 3, kernels, tmp_path)


def bench_models() -> list[Path]:
    from_environment = os.environ.get("MYOPATCH_BENCH")
    root = (
        Path(from_environment)
        if from_environment
        else Path(__file__).resolve().parents[3] / "shared" / "bench"
    )
    return sorted(p for p in [*root.glob("*.tflite"), *root.glob("models/*.tflite")])


@pytest.mark.skipif(not bench_models(), reason="bench models absent (set MYOPATCH_BENCH)")
def test_converted_models(kernels, tmp_path):
    for path in bench_models():
        inputs = np.load(path.with_name(f"{path.stem}_inputs.npy"))[:8]
        check(path.read_bytes(), 0, kernels, tmp_path / path.stem, inputs.reshape(len(inputs), -1))
