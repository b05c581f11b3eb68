"""Trees and quadratic forms: the C's words are the twin's, and the twin stays within its bound of the real numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

import bench_classical as bench
import bench_network
from bare_machine import MACHINES
from core_build import FIRMWARE, SANITIZERS, STRICT
from myo_export.quantized_math import Quantization, softmax_factors
from myo_export.word_source import render_word_network
from myo_pipeline import scores as s
from myo_pipeline.quadratic import Quadratic
from myo_pipeline.trees import Boosted, Forest
from myo_pipeline.word_network import WordNetwork
from nn_models import ModelBuilder, fill
from nn_run import EMULATED_DSP, HARNESS, run_tflm

CORE = FIRMWARE / "core"
N_WORDS = 200
# Kind, words, classes, trees, leaves: sizes around pairs, a tree that is one leaf, all leaves and words that a link can name.
CASES = {
    "forest": ("forest", 32, 8, 24, 64), "one tree": ("forest", 1, 2, 1, 2), "leaves alone": ("forest", 3, 3, 4, 1),
    "full trees": ("forest", 256, 3, 3, 128), "many trees": ("forest", 4, 2, 1024, 2),
    "boosted": ("boosted", 32, 5, 60, 8), "two classes": ("boosted", 7, 2, 9, 16), "one round": ("boosted", 2, 3, 3, 1),
    "qda": ("qda", 32, 8), "qda, odd": ("qda", 31, 3), "qda of one word": ("qda", 1, 2), "qda of two": ("qda", 2, 2),
}  # fmt: skip


def make_case(name: str) -> tuple[WordNetwork, np.ndarray]:
    rng = np.random.default_rng(sorted(CASES).index(name))
    network = bench.random_network(rng, *CASES[name])
    return network, bench.random_words(rng, network, N_WORDS)


@pytest.fixture(scope="module")
def compiler() -> str:
    found = shutil.which("gcc") or shutil.which("cc")
    if found is None:
        pytest.skip("no C compiler")
    return found


def run_c(network: WordNetwork, words: np.ndarray, compiler: str, folder: Path, *flags: str) -> np.ndarray:
    """Each layer's words and the output, as the generated C computes them under the sanitizers."""
    text = render_word_network(network, "a test")
    for name, content in (("net.h", text.header), ("net.c", text.source), ("harness.c", HARNESS)):
        (folder / name).write_text(content)
    layers = ",".join(map(str, range(len(network.LAYERS))))
    sources = [
        *sorted((CORE / "classical").glob("*.c")),
        CORE / "nn/softmax.c",
        folder / "net.c",
        folder / "harness.c",
    ]
    command = [
        compiler,
        *STRICT,
        *SANITIZERS,
        *flags,
        f"-DEXPECTED_LAYERS={layers}",
        f"-I{CORE}",
        f"-I{CORE / 'nn'}",
    ]
    subprocess.run([*command, f"-I{folder}", *map(str, sources), "-o", str(folder / "net")], check=True)
    run = subprocess.run(
        [str(folder / "net")], input=words.tobytes(), capture_output=True, timeout=60, check=False
    )
    assert (run.returncode, run.stderr) == (0, b"")
    return np.frombuffer(run.stdout, np.int8).reshape(len(words), -1, network.n_outputs)


@pytest.mark.parametrize("name", CASES)
def test_c_is_the_twin(name: str, compiler: str, tmp_path: Path) -> None:
    network, words = make_case(name)
    layers = network.run(words)
    expected = np.stack([*layers, layers[-1]], axis=1)  # the output comes once more
    np.testing.assert_array_equal(run_c(network, words, compiler, tmp_path), expected)
    if name.startswith("qda"):
        found = run_c(network, words, compiler, tmp_path, *EMULATED_DSP)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", CASES)
def test_twin_is_within_its_bound(name: str) -> None:
    network, words = make_case(name)
    layer, exact = network.run(words)[0], network.run_float(words.astype(np.float64))[0]
    if isinstance(network, Forest):
        error = np.abs((layer.astype(np.float64) - s.SHARE_ZERO) * s.SHARE_STEP - exact)
        assert 0.3 * network.bound_error() < error.max() <= network.bound_error()
        return
    error = np.abs((layer.astype(np.float64) - s.LOGIT_ZERO) * s.LOGIT_STEP - exact)
    assert isinstance(network, Boosted | Quadratic)
    bound = network.bound_error() if isinstance(network, Boosted) else network.bound_error(words)
    assert (error <= bound).all()
    if name != "one round":  # whose leaves are all there is
        assert error.max() > 0.4 * s.LOGIT_STEP  # the rounding of the logit itself is seen


def test_softmax_is_that_of_tflite() -> None:
    """With TensorFlow Lite's own table, its words; and with ours, shares within a step of the real ones."""
    rng = np.random.default_rng(8)
    for n in (2, 3, 8, 22, 64):
        b = ModelBuilder()
        source, target = b.activation((1, n), s.LOGIT_STEP, s.LOGIT_ZERO), b.activation((1, n), 1 / 256, -128)
        b.op("SOFTMAX", [source], [target], fill(schema.SoftmaxOptionsT(), beta=1.0))
        logits = np.clip(127 - rng.exponential(60, (120, n)), -128, 127).astype(np.int8)
        logits[np.arange(120), rng.integers(0, n, 120)] = 127
        logits[0], logits[1] = 127, -128
        factors = softmax_factors(Quantization(s.LOGIT_STEP, s.LOGIT_ZERO), 1.0)
        assert factors is not None
        theirs = np.stack([layers[0] for layers in run_tflm(b.pack(source, target), logits)])
        np.testing.assert_array_equal(s.softmax_words(logits, factors.exp_table()), theirs)
        shares = (s.softmax_words(logits, s.make_exp_table()).astype(np.float64) + 128) / 256
        assert np.abs(shares - s.to_shares(logits * s.LOGIT_STEP)).max() <= 1 / 256


def test_cost_of_what_was_counted_is_predicted() -> None:
    """What benchmarks/results/classical.json holds of m4cost's counts."""
    for case, counted in zip(bench.CASES, json.loads(bench.RESULTS.read_text())["cases"], strict=True):
        predicted = bench.predict_instructions(bench.make_case(case)[0])
        assert predicted == pytest.approx(counted["instructions"], rel=0.1), counted["name"]


@pytest.mark.skipif(bool(bench_network.missing_tools()), reason="needs arm-none-eabi-gcc and qemu-system-arm")
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["forest", "boosted", "qda, odd"])
def test_every_word_on_a_core(name: str, machine: str, tmp_path: Path) -> None:
    network, words = make_case(name)
    differing, equal, total = bench_network.run_image(
        bench.build_image(network, words, tmp_path, machine), machine
    )
    assert (differing, equal) == (0, total == N_WORDS and N_WORDS)


def test_tables_are_rounded_to_nearest() -> None:
    forms, _ = make_case("qda")
    assert isinstance(forms, Quadratic)
    for c, exponent in enumerate(forms.exponents):
        for words, exact in ((forms.map_words, forms.maps), (forms.offset_words, forms.offsets)):
            assert np.abs(words[c] - exact[c] * 2.0**exponent).max() <= 0.5
        assert np.abs(forms.map_words[c].astype(int)).max() >= 1 << 14  # int16 is used up
