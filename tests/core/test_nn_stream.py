"""Streams: net_push gives what net_run and the tflite_micro runtime give for the last window, push after push."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_export.emit_net import render_network
from myo_pipeline.errors import ExportError

sys.path.insert(0, str(Path(__file__).parent))
from nn_channel_models import WITHIN_A_STEP, ChannelNetwork
from nn_models import RandomNetwork, fill
from nn_run import (
    EMULATED_DSP,
    NN_DIR,
    SANITIZERS,
    WARNINGS,
    HostKernels,
    build_kernels,
    host_compiler,
    run_tflm,
)

pytestmark = pytest.mark.skipif(
    host_compiler() is None, reason="needs a host C compiler (apt-get install gcc)"
)

# Two arenas: one only pushes, and has just what that needs; in the other, runs stand between pushes. Beyond
# what lives from push to push, everything is overwritten.
HARNESS = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "net.h"
static _Alignas(16) unsigned char pushed[NET_PUSH_ARENA_SIZE], mixed[NET_ARENA_SIZE];
static int8_t window[NET_INPUT_SIZE];
static void reset(void) {
    net_reset(pushed);
    net_reset(mixed);
    memset(window, ZERO_POINT, sizeof window);
}
int main(void) {
    int8_t hop_buffer[NET_HOP_SIZE + 1], a[NET_OUTPUT_SIZE], b[NET_OUTPUT_SIZE], c[NET_OUTPUT_SIZE];
    int8_t *const hop = hop_buffer + 1; /* the caller's buffer may stand at any address */
    memset(pushed, 0xA5, sizeof pushed);
    memset(mixed, 0x5A, sizeof mixed);
    net_init(pushed);
    net_init(mixed);
    reset();
    for (int i = 0; fread(hop, 1, NET_HOP_SIZE, stdin) == NET_HOP_SIZE; i++) {
        if (i == RESET_AT) {
            reset();
        }
        memmove(window, window + NET_HOP_SIZE, NET_INPUT_SIZE - NET_HOP_SIZE);
        memcpy(window + NET_INPUT_SIZE - NET_HOP_SIZE, hop, NET_HOP_SIZE);
        net_push(pushed, hop, a);
        net_push(mixed, hop, b);
        net_init(mixed);
        net_run(mixed, window, c);
        if (memcmp(a, b, sizeof a) || memcmp(a, c, sizeof a)) {
            fprintf(stderr, "push %d: a push differs from a run", i);
            return 3;
        }
        memset(pushed + STATE_BYTES, i, sizeof pushed - STATE_BYTES);
        memset(mixed + STATE_BYTES, i, sizeof mixed - STATE_BYTES);
        fwrite(a, 1, sizeof a, stdout);
    }
    return 0;
}
"""


class TimeNetwork(RandomNetwork):
    """Layers over time, mostly without padding."""

    padded_share = 0.1

    def _window(self, dilations: bool):
        while True:
            found = super()._window(dilations)
            if found[0] == 1 or self.rng.random() < self.padded_share:
                return found


class PaddedNetwork(TimeNetwork):
    """Layers over time, mostly padded, and padding by itself."""

    padded_share = 1.0

    def _window(self, dilations: bool):
        padding, sizes, strides, dilation, outputs = super()._window(dilations)
        if self.rng.random() < 0.7:  # long windows stay long
            strides, outputs = [1, 1], list(self.shape[1:3])
            reach = [(k - 1) * d for k, d in zip(sizes, dilation, strict=True)]
            outputs = [n - r * padding for n, r in zip(outputs, reach, strict=True)]
        return padding, sizes, strides, dilation, outputs

    def _pad_time(self):
        """Padding that folds into a convolution, and not into a pool or a layer of words."""
        if len(self.shape) != 4:
            return
        pads = [(0, 0), (0, 0), (0, 0), (0, 0)]
        pads[1 if self.shape[2] == 1 else 2] = (self._int(0, 5), self._int(0, 3))
        at = self.b.tensor((4, 2), data=np.array(pads, np.int32))
        source = self.at
        shape = [n + before + after for n, (before, after) in zip(self.shape, pads, strict=True)]
        self.b.op("PAD", [source, at], [self._next(shape, self.scale, self.zero_point)], schema.PadOptionsT())


@pytest.fixture(scope="module", params=["plain", "dsp-speed", "dsp-size"])
def kernels(request, tmp_path_factory):
    flags = [] if request.param == "plain" else EMULATED_DSP
    optimize = "size" if request.param == "dsp-size" else "speed"
    return build_kernels(tmp_path_factory.mktemp("kernels"), flags, optimize)


def check(
    model: bytes, hop: int, seed: int, kernels: HostKernels, folder: Path, n_windows: int = 4
) -> np.ndarray:
    """Push until the window has passed several times, with a reset on the way; gives the outputs."""
    text = render_network(model, "test", "both", kernels.optimize, hop)
    stream, graph = text.stream, text.network.graph
    assert stream is not None
    source = graph.tensors[graph.input]
    n_channels = source.size // stream.n_steps
    n_pushes = -(-n_windows * stream.n_steps // hop) + 2
    reset_at = n_pushes // 3
    rng = np.random.default_rng(seed)
    steps = rng.integers(-128, 128, (n_pushes, hop, n_channels)).astype(np.int8)
    zero = np.full((stream.n_steps, n_channels), source.quantization.zero_point, np.int8)
    for i in np.flatnonzero(rng.random(n_pushes) < 0.2):
        steps[i] = rng.choice([-128, 127])
    windows, window = [], zero
    for i, new in enumerate(steps):
        window = np.concatenate([zero if i == reset_at else window, new])[-stream.n_steps :]
        windows.append(window.reshape(-1))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.h").write_text(text.header)
    (folder / "net.c").write_text(text.source)
    (folder / "harness.c").write_text(HARNESS)
    program = folder / "net"
    command = [host_compiler() or "cc", *WARNINGS, *SANITIZERS, *kernels.flags, f"-I{NN_DIR}", f"-I{folder}"]
    command += [f"-DRESET_AT={reset_at}", f"-DSTATE_BYTES={stream.state_bytes}"]
    command += [f"-DZERO_POINT={source.quantization.zero_point}", str(folder / "net.c")]
    command += [str(folder / "harness.c"), str(kernels.library), "-o", str(program)]
    subprocess.run(command, check=True)
    run = subprocess.run([str(program)], input=steps.tobytes(), capture_output=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr.decode()[:2000]
    found = np.frombuffer(run.stdout, np.int8).reshape(n_pushes, -1)
    expected = np.array([layers[-1] for layers in run_tflm(model, np.array(windows), anew=True)])
    assert np.array_equal(found, expected), f"first at push {np.argwhere(found != expected)[0]}"
    return expected


STREAMING = [
    "conv",
    "conv",
    "depthwise",
    "average_pool",
    "max_pool",
    "relu",
    "quantize",
    "add",
    "mul",
    "dense",
    "sub",
    "squared_difference",
    "prelu",
    "maximum",
    "minimum",
    "float_island",
]
HEADS = [
    [],
    ["mean"],
    ["reduce_max"],
    ["mean", "dense", "softmax"],
    ["flatten", "dense", "softmax"],
    ["concatenation"],
    ["pad"],
]


@settings(
    max_examples=18,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kinds=st.lists(st.sampled_from(STREAMING), min_size=1, max_size=5),
    head=st.sampled_from(HEADS),
    n_steps=st.integers(2, 40),
    n_channels=st.integers(1, 6),
    is_tall=st.booleans(),
    hop=st.integers(1, 39),
    fits=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_streams(kinds, head, n_steps, n_channels, is_tall, hop, fits, seed, kernels, tmp_path):
    plane = (n_steps, 1, n_channels) if is_tall else (1, n_steps, n_channels)
    model = TimeNetwork(seed, kinds + head, plane).pack()
    hop = 1 + (hop - 1) % (n_steps - 1)
    stream = render_network(model, "test", hop=hop).stream
    assert stream is not None
    if fits and stream.better_hops:
        hop = stream.better_hops[-1]
    check(model, hop, seed, kernels, tmp_path)


class WideNetwork(PaddedNetwork):
    """Whose words use all of their range."""

    def _new_scale(self, centre: float = 0.05) -> float:
        return centre * (1 + 0.1 * len(self.b.tensors))

    def _new_zero_point(self) -> int:
        return 3


PADDED = [
    "conv",
    "depthwise",
    "average_pool",
    "max_pool",
    "relu",
    "add",
    "mul",
    "dense",
    "pad_time",
    "quantize",
]


@settings(
    max_examples=18,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kinds=st.lists(st.sampled_from(PADDED), min_size=1, max_size=6),
    head=st.sampled_from(HEADS),
    n_steps=st.integers(20, 90),
    is_tall=st.booleans(),
    hop=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_padded_streams(kinds, head, n_steps, is_tall, hop, seed, kernels, tmp_path):
    plane = (n_steps, 1, 3) if is_tall else (1, n_steps, 3)
    model = PaddedNetwork(seed, kinds + head, plane).pack()
    stream = render_network(model, "test", hop=hop).stream
    assert stream is not None
    check(model, (stream.better_hops or (hop,))[-1], seed, kernels, tmp_path)


def test_a_separable_network_computes_edges_and_new_columns_only(kernels, tmp_path):
    """Margins grow with depth, and each layer computes what they and the hop ask for, no column more."""
    network = PaddedNetwork(1, [], (1, 80, 4))
    network._window = lambda _: (0, [1, 5], [1, 1], [1, 1], [1, 80])
    for kind in ["depthwise", "dense", "depthwise", "dense", "flatten", "dense"]:
        getattr(network, f"_{kind}")()
    model = network.pack()
    text = render_network(model, "test", hop=8)
    stream = text.stream
    assert stream is not None
    found = [
        (step.op.name, [part.n for part in stream.streamed[p]])
        for p, step in enumerate(text.network.steps)
        if p in stream.streamed
    ]
    assert found == [
        ("QUANTIZE", [8]),
        ("DEPTHWISE_CONV_2D", [2, 10]),
        ("FULLY_CONNECTED", [2, 10]),
        ("DEPTHWISE_CONV_2D", [4, 12]),
        ("FULLY_CONNECTED", [4, 12]),
        ("RESHAPE", []),
    ]
    assert (
        "computes 16 of 80 columns: 8 new ones, 4 and 4 at the ends that padding reaches into" in text.source
    )
    # What only the next layer reads, and in the same push, takes no place from push to push.
    names = {step.op.name: stream.buffers[step.output] for step in text.network.steps[1:3]}
    assert names["DEPTHWISE_CONV_2D"].n_old == 0
    assert names["FULLY_CONNECTED"].n_kept == 80
    check(model, 8, 1, kernels, tmp_path)


@pytest.mark.parametrize(
    ("hop", "n_steps", "is_padded"), [(1, 60, False), (3, 60, False), (4, 60, True), (300, 800, False)]
)
def test_a_mean_over_time_keeps_sums(hop, n_steps, is_padded, kernels, tmp_path):
    """Exact for ever: many windows later they are still the window's. The last adds over 255 columns at once."""
    network = WideNetwork(2, [], (1, n_steps, 6))
    if is_padded:
        network._activation = lambda: 0
        network._window = lambda _: (0, [1, 5], [1, 1], [1, 1], [1, n_steps])
        network._depthwise()
    axes = network.b.tensor((2,), data=np.array([1, 2], np.int32))
    source = network.at
    target = network._next((1, network.shape[3]), network.scale, network.zero_point)
    network.b.op("MEAN", [source, axes], [target], schema.ReducerOptionsT())
    model = network.pack()
    text = render_network(model, "test", hop=hop)
    assert text.stream is not None
    assert len(text.stream.sums) == 1
    assert "myo_mean_of_sums_run" in text.source
    outputs = check(model, hop, hop, kernels, tmp_path, 20)
    assert len(np.unique(outputs)) > 20


@pytest.mark.parametrize("seed", range(3))
def test_deep_streams(seed, kernels, tmp_path):
    """A hop that fits, so that every layer before the head computes new columns only."""
    kinds = ["conv", "depthwise", "max_pool", "relu", "add", "conv", "mean", "dense"]
    network = TimeNetwork(seed + 20, kinds, (1, 120, 5))
    model = network.pack()
    first = render_network(model, "test", hop=13).stream
    assert first is not None
    hop = (first.better_hops or (13,))[0]
    check(model, hop, seed, kernels, tmp_path)


@pytest.mark.parametrize("is_tall", [False, True])
@pytest.mark.parametrize("kind", WITHIN_A_STEP)
def test_what_moves_words_within_a_step_streams(kind, is_tall, kernels, tmp_path):
    """Between layers over time, so that columns are kept for readers that look back."""
    plane = (14, 1, 6) if is_tall else (1, 14, 6)
    for seed in range(2):
        kinds = [kind, "quantize", kind] if seed else [kind, "max_pool", kind]
        network = ChannelNetwork(seed, kinds, plane)
        model = network.pack()
        hop = 3
        for _ in range(2):
            stream = render_network(model, "test", hop=hop).stream
            assert stream is not None
            hop = (stream.better_hops or (hop,))[-1]
        if seed:
            assert not stream.obstacles
            assert stream.macs_recomputed == 0
        check(model, hop, seed, kernels, tmp_path / str(seed))


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kinds=st.lists(
        st.sampled_from([*WITHIN_A_STEP, "conv", "transpose", "slice", "split"]), min_size=2, max_size=5
    ),
    plane=st.sampled_from([(1, 17, 4), (17, 1, 6)]),
    hop=st.integers(1, 16),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_moves(kinds, plane, hop, seed, kernels, tmp_path):
    """Moves along time among them, from where everything is recomputed."""
    first = [k for k in kinds if k in WITHIN_A_STEP]
    check(
        ChannelNetwork(seed, first + [k for k in kinds if k not in first], plane).pack(),
        hop,
        seed,
        kernels,
        tmp_path,
    )


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("reverse", "moves words along the time axis"),
        ("halve", "takes a part of the time axis"),
        ("transpose_conv", ""),  # its edges are computed again, as those of any padded layer
        ("batch_matmul", "works over the whole time axis"),
    ],
)
def test_what_mixes_time_steps_is_recomputed(kind, reason, kernels, tmp_path):
    network = ChannelNetwork(3, ["quantize"], (1, 12, 3))
    source, scale = network.at, network.scale
    if kind == "reverse":
        ends = [network._integers(v) for v in ((0, 0, -1, 0), (0, 0, -13, 0), (1, 1, -1, 1))]
        options = fill(schema.StridedSliceOptionsT(), beginMask=11, endMask=11)
        network.b.op("STRIDED_SLICE", [source, *ends], [network._same((1, 1, 12, 3))], options)
    elif kind == "halve":
        axis = network.b.tensor((), data=np.array(2, np.int32))
        parts = network._parts([(1, 1, 6, 3)] * 2)
        network.b.op("SPLIT", [axis, source], parts, fill(schema.SplitOptionsT(), numSplits=2))
        network._concatenation()
    elif kind == "transpose_conv":
        inputs, out_scale = network._weights((4, 1, 4, 3), 4, 0, 12)
        shape = network._integers((1, 1, 24, 4))
        options = fill(schema.TransposeConvOptionsT(), strideH=1, strideW=2)
        target = network._next((1, 1, 24, 4), out_scale)
        network.b.op("TRANSPOSE_CONV", [shape, inputs[1], source], [target], options)
    else:
        target = network._next_product((1, 1, 12, 12), scale, network.zero_point, 3)
        options = fill(schema.BatchMatMulOptionsT(), adjY=True)
        network.b.op("BATCH_MATMUL", [source, source], [target], options)
    model = network.pack()
    stream = render_network(model, "test", hop=5).stream
    assert stream is not None
    assert bool(stream.obstacles) == bool(reason)
    assert all(o.reason.startswith(reason) for o in stream.obstacles)
    check(model, 5, 1, kernels, tmp_path)


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 1, 16, 1), (1, 1, 16, 3)])
def test_constants(shape, kernels, tmp_path):
    """A constant may stream if it is the same for all time steps."""
    network = RandomNetwork(1, ["quantize"], (1, 16, 3))
    values = np.random.default_rng(1).integers(-128, 128, shape).astype(np.int8)
    constant = network.b.tensor(shape, [0.03], [4], values)
    source, scale = network.at, network.scale
    target = network._next(network.shape, scale * 0.03 * 90)
    network.b.op("MUL", [source, constant], [target], schema.MulOptionsT())
    model = network.pack()
    stream = render_network(model, "test", hop=5).stream
    assert stream is not None
    assert len(stream.obstacles) == (shape[2] != 1)
    check(model, 5, 1, kernels, tmp_path)


def test_obstacles_are_named_with_their_cost():
    """Strides that the hop does not fit, padding, and a head over time."""
    seen = set()
    for seed in range(60):
        model = TimeNetwork(seed, ["conv", "conv", "conv", "flatten", "dense"], (1, 60, 3)).pack()
        text = render_network(model, "test", hop=7 if seed % 2 else 36)
        stream = text.stream
        assert stream is not None
        for obstacle in stream.obstacles:
            seen.add(obstacle.reason.split(" ")[0])
            assert f"recomputed from layer {obstacle.index} ({obstacle.op_name})" in text.source
            if obstacle.reason.startswith("moves"):
                pace = int(re.findall(r"moves by (\d+)", obstacle.reason)[0])
                assert all(hop % pace == 0 for hop in stream.better_hops)
        assert f"a push takes {stream.macs_push} of {stream.macs} MACs" in text.source
        assert stream.macs_recomputed <= stream.macs_push <= stream.macs
        for hop in stream.better_hops:
            better = render_network(model, "test", hop=hop).stream
            assert better is not None
            assert not any(o.reason.startswith("moves") for o in better.obstacles)
    assert seen == {"moves", "pads", "works"}


@pytest.mark.parametrize(("plane", "hop"), [((1, 20, 3), 20), ((1, 20, 3), 0), ((4, 20, 3), 5)])
def test_refused_in_one_line(plane, hop):
    model = RandomNetwork(1, ["relu"], plane).pack()
    with pytest.raises(ExportError, match="--hop") as caught:
        render_network(model, "test", hop=hop)
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value)  # what to do


def test_without_a_time_axis():
    network = RandomNetwork(1, [], (1, 1, 8))
    network.b.tensors[network.first].shape = [1, 8]
    network.b.tensors[network.at].shape = [1, 8]
    with pytest.raises(ExportError, match=r"found \[1, 8\]; leave --hop out"):
        render_network(network.pack(), "test", hop=2)


def test_without_a_hop_nothing_is_added():
    model = RandomNetwork(1, ["conv"], (1, 20, 3)).pack()
    text = render_network(model, "test")
    assert "net_push" not in text.header + text.source
