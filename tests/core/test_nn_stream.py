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
from nn_models import RandomNetwork
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

    def _window(self, dilations: bool):
        while True:
            found = super()._window(dilations)
            if found[0] == 1 or self.rng.random() < 0.1:
                return found


@pytest.fixture(scope="module", params=["plain", "dsp-speed", "dsp-size"])
def kernels(request, tmp_path_factory):
    flags = [] if request.param == "plain" else EMULATED_DSP
    optimize = "size" if request.param == "dsp-size" else "speed"
    return build_kernels(tmp_path_factory.mktemp("kernels"), flags, optimize)


def check(model: bytes, hop: int, seed: int, kernels: HostKernels, folder: Path, n_windows: int = 4) -> None:
    """Push until the window has passed several times, with a reset on the way."""
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
    expected = np.array([layers[-1] for layers in run_tflm(model, np.array(windows))])
    assert np.array_equal(found, expected), f"first at push {np.argwhere(found != expected)[0]}"


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
