"""Layers that are folded, elided, joined or computed in place: the words that remain are the runtime's."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_export.emit_net import render_network
from myo_export.lower import lower_graph
from myo_export.lowered import Alias, Conv, DepthwiseConv, Pad, Table
from myo_export.network_report import report_network
from myo_export.simplify import simplify_network
from myo_export.tflite_reader import read_graph

sys.path.insert(0, str(Path(__file__).parent))
from nn_models import RandomNetwork, fill
from nn_run import EMULATED_DSP, build_kernels, compare, host_compiler, run_c, run_tflm, varied_inputs

pytestmark = pytest.mark.skipif(
    host_compiler() is None, reason="needs a host C compiler (apt-get install gcc)"
)


class FoldableNetwork(RandomNetwork):
    """Layers as converters leave them: padding before a window, activations by themselves, branches."""

    def _pad_plane(self) -> None:
        if len(self.shape) not in (3, 4):
            return
        pads = [(self._int(0, 3), self._int(0, 3)) for _ in self.shape[1:-1]]
        self._pad_by([(0, 0), *pads, (0, 0)])

    def _pad_by(self, pads: list[tuple[int, int]]) -> None:
        at = self.b.tensor((len(pads), 2), data=np.array(pads, np.int32))
        source = self.at
        shape = [n + before + after for n, (before, after) in zip(self.shape, pads, strict=True)]
        self.b.op("PAD", [source, at], [self._next(shape, self.scale, self.zero_point)], schema.PadOptionsT())

    def _causal(self) -> None:
        """Causal convolution over time as Keras writes it: PAD, EXPAND_DIMS, CONV_2D, RESHAPE."""
        if len(self.shape) not in (3, 4) or self.shape[-3:-2] not in ((1,), ()):
            return
        n_steps, channels = self.shape[-2:]
        self._alias("RESHAPE", (1, n_steps, channels), schema.ReshapeOptionsT())
        self._pad_by([(0, 0), (self._int(1, 4), 0), (0, 0)])
        self._alias("RESHAPE", (1, 1, self.shape[1], channels), schema.ReshapeOptionsT())
        self._conv()
        self._alias("RESHAPE", self.shape, schema.ReshapeOptionsT())
        self._clamp()

    def _clamp(self) -> None:
        self._unary(str(self.rng.choice(["RELU", "RELU6"])), None, self.scale, self.zero_point)

    def _same(self) -> None:
        self._unary("QUANTIZE", schema.QuantizeOptionsT(), self.scale, self.zero_point)

    def _window_of_one(self) -> None:
        if len(self.shape) != 4:
            return
        ones = dict.fromkeys(("padding", "strideH", "strideW", "filterHeight", "filterWidth"), 1)
        options = fill(schema.Pool2DOptionsT(), **ones, fusedActivationFunction=self._activation())
        source, name = self.at, str(self.rng.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"]))
        self.b.op(name, [source], [self._next(self.shape, self.scale, self.zero_point)], options)

    def _mean_of_one(self) -> None:
        shape = (1, int(np.prod(self.shape)), 1)
        self._alias("RESHAPE", shape, schema.ReshapeOptionsT())
        at = self.b.tensor((1,), data=np.array([2], np.int32))
        source, scale = self.at, self.scale * self.rng.choice([1.0, 0.7])
        options = fill(schema.ReducerOptionsT(), keepDims=True)
        self.b.op("MEAN", [source, at], [self._next(shape, scale)], options)

    def _branches(self) -> None:
        """Two or three functions of one tensor, some of them of another branch, joined along the first axis."""
        scale, zero_point, source, shape = self._new_scale(), self._new_zero_point(), self.at, self.shape
        parts = []
        for _ in range(self._int(2, 3)):
            if parts and self.rng.random() < 0.3:
                parts.append(parts[0])
                continue
            self._unary("QUANTIZE" if self.rng.random() < 0.5 else "RELU", None, scale, zero_point)
            parts.append(self.at)
            self.past.append((self.at, self.shape, self.scale, self.zero_point))
            if self.rng.random() < 0.6:
                self.at, self.shape = source, shape
        joined = [shape[0], len(parts) * shape[1], *shape[2:]]
        options = fill(schema.ConcatenationOptionsT(), axis=1)
        self.b.op("CONCATENATION", parts, [self._next(joined, scale, zero_point)], options)


@pytest.fixture(scope="module", params=["plain", "dsp-speed"])
def kernels(request, tmp_path_factory):
    return build_kernels(
        tmp_path_factory.mktemp("kernels"), [] if request.param == "plain" else EMULATED_DSP, "speed"
    )


def check(model: bytes, seed: int, kernels, folder: Path) -> None:
    text = render_network(model, "test", "both", kernels.optimize)
    graph = text.network.graph
    source = graph.tensors[graph.input]
    inputs = varied_inputs(source.size, source.quantization.zero_point, seed)
    compare(
        run_tflm(model, inputs),
        run_c(text, inputs, kernels, folder),
        [op.name for op in graph.ops for _ in op.outputs],
    )


KINDS = [
    *("pad_plane", "conv", "depthwise", "causal", "clamp", "same", "relu", "quantize", "tanh", "add", "mul"),
    *("window_of_one", "mean_of_one", "branches", "dense", "softmax", "concatenation", "max_pool", "flatten"),
]


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=2, max_size=9),
    plane=st.sampled_from([(1, 12, 4), (3, 5, 4), (1, 9, 3), (2, 2, 1)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_networks(kinds, plane, seed, kernels, tmp_path):
    check(FoldableNetwork(seed, kinds, plane).pack(), seed, kernels, tmp_path)


@pytest.mark.parametrize(
    "kinds",
    [
        ["pad_plane", "conv"],
        ["pad_plane", "depthwise"],
        ["causal", "causal"],
        ["conv", "clamp", "depthwise", "clamp", "dense", "clamp"],
        ["conv", "max_pool", "clamp", "add", "clamp", "mul", "clamp"],
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_folded(kinds, seed, kernels, tmp_path):
    built = FoldableNetwork(seed, kinds[:1], (1, 12, 4))
    for kind in kinds[1:]:
        built.past.clear()  # no other reader
        getattr(built, "_" + kind)()
    model = built.pack()
    network = render_network(model, "test").network
    assert not any(isinstance(step.layer, Pad | Table) for step in network.steps)
    cheap = sum(isinstance(step.layer, Alias) and step.op.name != "RESHAPE" for step in network.steps)
    assert len(network.folded_into) + cheap >= len(kinds) // 2
    assert sorted([s.index for s in network.steps] + list(network.folded_into)) == list(
        range(len(network.graph.ops))
    )
    check(model, seed, kernels, tmp_path)


def steps_of(model: bytes):
    return simplify_network(lower_graph(read_graph(model))).steps


def test_tables_become_one():
    network = FoldableNetwork(1, ["quantize", "relu", "tanh", "logistic"], (1, 12, 4))
    (step,) = steps_of(network.pack())
    assert isinstance(step.layer, Table)
    assert (step.op.name, step.op_names) == ("LOGISTIC", "QUANTIZE + RELU + TANH + LOGISTIC")


def test_what_changes_nothing_is_an_alias():
    """Between layers that take no table along; ReLU at the lowest zero point, and a requantization to the same."""
    network = FoldableNetwork(1, ["softmax"], (1, 12, 4))
    network._same()
    network._clamp()
    network._activation = lambda: 0
    network._window_of_one()
    network._softmax()
    first, *between, last = steps_of(network.pack())
    assert [type(step.layer) for step in between] == [Alias, Alias, Alias]
    assert (first.op.name, last.op.name) == ("SOFTMAX", "SOFTMAX")


def test_what_others_read_stays():
    """A pad and a conv's words before the clamp that another layer reads as well."""
    network = FoldableNetwork(2, ["pad_plane"], (1, 12, 4))
    padded = network.at, network.shape, network.scale, network.zero_point
    network._depthwise()
    network.at, network.shape, network.scale, network.zero_point = padded
    network._clamp()
    assert any(step.op.name == "PAD" for step in steps_of(network.pack()))


def test_a_pad_with_another_value_stays():
    network = FoldableNetwork(3, [], (1, 12, 4))
    at = network.b.tensor((4, 2), data=np.array([(0, 0), (0, 0), (2, 1), (0, 0)], np.int32))
    value = np.array([network.zero_point ^ 1], np.int8)
    constant = network.b.tensor((1,), [network.scale], [network.zero_point], value)
    source = network.at
    target = network._next((1, 1, 15, 4), network.scale, network.zero_point)
    network.b.op("PADV2", [source, at, constant], [target], schema.PadV2OptionsT())
    network._conv()
    assert [step.op.name for step in steps_of(network.pack())] == ["QUANTIZE", "PADV2", "CONV_2D"]


def test_a_table_that_does_more_than_clamp_stays():
    network = FoldableNetwork(4, ["conv", "tanh"], (1, 12, 4))
    assert len(steps_of(network.pack())) == 2


def test_asymmetric_padding_of_a_pointwise_window(kernels, tmp_path):
    """Windows that lie wholly in the padding, and a pointwise layer whose output is larger than its input."""
    for seed, (kind, pads) in enumerate(
        product(["_conv", "_depthwise"], [((4, 0), (1, 5)), ((0, 0), (2, 3))])
    ):
        network = FoldableNetwork(seed, [], (2, 3, 8))
        network._pad_by([(0, 0), *pads, (0, 0)])
        network._window = lambda _, n=network: (1, [1, 1], [1, 1], [1, 1], list(n.shape[1:3]))
        getattr(network, kind)()
        model = network.pack()
        step = steps_of(model)[-1]
        assert isinstance(step.layer, Conv | DepthwiseConv)
        assert (step.layer.window.pad_top, step.layer.window.pad_left) == (pads[0][0], pads[1][0])
        check(model, seed, kernels, tmp_path / str(seed))


def test_parts_are_written_in_place(kernels, tmp_path):
    network = FoldableNetwork(5, ["conv"], (4, 3, 2))
    source, shape, scale = network.at, network.shape, network.scale
    network._unary("TANH", None, 1 / 128, 0)
    first = network.at
    network.at, network.shape, network.scale = source, shape, scale
    network._unary("TANH", None, 1 / 128, 0)
    parts = [first, network.at]
    options = fill(schema.ConcatenationOptionsT(), axis=1)
    joined = network._next((1, 2 * shape[1], *shape[2:]), 1 / 128, 0)
    network.b.op("CONCATENATION", parts, [joined], options)
    network._conv()
    model = network.pack()
    text = render_network(model, "test")
    assert "myo_concatenation_run" not in text.source
    homes = text.plan.homes
    assert homes[parts[1]].begin == text.network.graph.tensors[parts[0]].size
    check(model, 5, kernels, tmp_path)


def test_the_report_tells_where_a_layer_is():
    model = FoldableNetwork(6, ["causal", "dense"], (1, 12, 4)).pack()
    text = render_network(model, "test", "dsp")
    report = report_network(text)
    assert [layer.index for layer in report.layers] == list(range(len(text.network.graph.ops)))
    for layer in report.layers:
        into = text.network.folded_into.get(layer.index)
        assert layer.in_layer == into
        if into is not None:
            assert layer.kernel == f"in layer {into}"
            assert f"Layer {layer.index}: {layer.op_name}, in layer {into}" in text.source
            assert f"observe(observer, context, {layer.index}," not in text.source
    assert report.macs == sum(step.macs for step in lower_graph(text.network.graph).steps)
    assert any(layer.in_layer is not None for layer in report.layers)


def test_a_repeated_operand_is_not_overwritten(kernels, tmp_path):
    """Squeeze and excite: both factors die at the product; its output takes the place of the whole one."""
    network = FoldableNetwork(7, ["conv", "tanh"], (1, 12, 4))
    whole, shape, scale = network.at, network.shape, network.scale
    axes = network.b.tensor((2,), data=np.array([1, 2], np.int32))
    mean = network._next((1, 1, 1, shape[3]), scale / 3)
    network.b.op("MEAN", [whole, axes], [mean], fill(schema.ReducerOptionsT(), keepDims=True))
    network._logistic()
    gate = network.at
    product_of = network._next(shape, scale / 2)
    network.b.op("MUL", [gate, whole], [product_of], schema.MulOptionsT())
    network._conv()
    model = network.pack()
    homes = render_network(model, "test").plan.homes
    assert homes[product_of] == homes[whole] != homes[gate]
    check(model, 7, kernels, tmp_path)
