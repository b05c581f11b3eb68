"""The generated C, under sanitizers, against the tflite_micro runtime: every word of every layer."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from myo_export.emit_net import render_network

sys.path.insert(0, str(Path(__file__).parent))
from nn_models import RandomNetwork  # noqa: E402
from nn_run import build_kernels, compare, host_compiler, run_c, run_tflm, varied_inputs  # noqa: E402

pytestmark = pytest.mark.skipif(host_compiler() is None, reason="needs a host C compiler (apt-get install gcc)")

WEIGHTED = ["conv", "depthwise", "dense"]
MOVING = ["average_pool", "max_pool", "mean", "pad", "reshape", "flatten", "concatenation"]
WORDWISE = ["add", "mul", "softmax"]
UNARY = ["relu", "relu6", "leaky_relu", "logistic", "tanh", "hard_swish", "quantize"]
KINDS = WEIGHTED + MOVING + WORDWISE + UNARY


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    return build_kernels(tmp_path_factory.mktemp("kernels"))


def check(model: bytes, seed: int, kernels: Path, folder: Path, inputs: np.ndarray | None = None) -> None:
    text = render_network(model, "test")
    graph = text.network.graph
    source = graph.tensors[graph.input]
    if inputs is None:
        inputs = varied_inputs(source.size, source.quantization.zero_point, seed)
    found = run_c(text, inputs, kernels, folder)
    compare(run_tflm(model, inputs), found, [op.name for op in graph.ops])


@pytest.mark.parametrize("kind", KINDS)
def test_each_layer_alone(kind, kernels, tmp_path):
    """Kinds that make layers of their own kind again show it twice: at the network's input and at its output."""
    for seed in range(2):
        check(RandomNetwork(seed, [kind, kind], (3 + seed, 7, 6)).pack(), seed, kernels, tmp_path / str(seed))


@settings(
    max_examples=50,
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
    check(RandomNetwork(seed, kinds, plane).pack(), seed, kernels, tmp_path)


@pytest.mark.parametrize("kind", UNARY)
@pytest.mark.parametrize("seed", range(3))
def test_tables_for_every_word(kind, seed, kernels, tmp_path):
    every_word = np.arange(-128, 128).astype(np.int8).reshape(1, 256)
    check(RandomNetwork(seed, [kind], (1, 256, 1)).pack(), seed, kernels, tmp_path, every_word)


def test_wide_softmax_and_long_sums(kernels, tmp_path):
    """More words than the random networks have: sums of exponentials over several powers of two, a deep product."""
    check(RandomNetwork(5, ["softmax"], (1, 3, 1500)).pack(), 5, kernels, tmp_path / "wide")
    check(RandomNetwork(6, ["flatten", "dense", "softmax"], (8, 32, 16)).pack(), 6, kernels, tmp_path / "deep")


def bench_models() -> list[Path]:
    from_environment = __import__("os").environ.get("MYOPATCH_BENCH")
    root = Path(from_environment) if from_environment else Path(__file__).resolve().parents[3] / "shared" / "bench"
    return sorted(p for p in [*root.glob("*.tflite"), *root.glob("models/*.tflite")] if p.stem != "lstm")


@pytest.mark.skipif(not bench_models(), reason="bench models absent (set MYOPATCH_BENCH)")
def test_converted_models(kernels, tmp_path):
    for path in bench_models():
        inputs = np.load(path.with_name(f"{path.stem}_inputs.npy"))[:8]
        check(path.read_bytes(), 0, kernels, tmp_path / path.stem, inputs.reshape(len(inputs), -1))
