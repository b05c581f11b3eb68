"""Operators with several outputs: each output is a layer of its own, for C, twin, float model and bundle alike."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_export.emit_net import render_network
from myo_export.export import export_bundle
from myo_pipeline.twin import NetworkTwin
from myo_pipeline.twin_config import TwinConfig
from myo_pipeline.vectors import GoldenSegment
from nn_models import ModelBuilder, fill
from tiny_bundle import CHANNELS, LABELS, WINDOW, write_trained

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nn_run import build_kernels, host_compiler, run_c

LAYERS = ["SPLIT", "SPLIT", "CONCATENATION", "RESHAPE", "FULLY_CONNECTED"]


def make_model(floating: bool) -> bytes:
    """The window's halves change places before a dense layer: four operators, five layers."""
    b, half = ModelBuilder(), (1, 1, WINDOW // 2, CHANNELS)
    n = WINDOW * CHANNELS
    weights = np.random.default_rng(4).integers(-127, 128, (len(LABELS), n)).astype(np.int8)

    def tensor(shape: tuple[int, ...], scale: float = 1 / 128) -> int:
        return b.tensor(shape, dtype="float32") if floating else b.activation(shape, scale, 0)

    source, first, second, joined = (
        tensor(s) for s in ((1, 1, WINDOW, CHANNELS), half, half, (1, 1, WINDOW, CHANNELS))
    )
    flat, out = tensor((1, n)), tensor((1, len(LABELS)), 0.05)
    if floating:
        w = b.tensor(weights.shape, data=(weights * np.float32(0.01)).astype(np.float32))
    else:
        w = b.tensor(weights.shape, [0.01], [0], weights)
    axis, shape = b.tensor((), data=np.array(2, np.int32)), b.tensor((2,), data=np.array([1, n], np.int32))
    b.op("SPLIT", [axis, source], [first, second], fill(schema.SplitOptionsT(), numSplits=2))
    b.op("CONCATENATION", [second, first], [joined], fill(schema.ConcatenationOptionsT(), axis=2))
    b.op("RESHAPE", [joined, shape], [flat], schema.ReshapeOptionsT())
    b.op("FULLY_CONNECTED", [flat, w], [out], schema.FullyConnectedOptionsT())
    return b.pack(source, out)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    folder = write_trained(tmp_path / "patch")
    record = json.loads((folder / "training.json").read_text())
    for name, floating in (("model.tflite", False), ("model_float.tflite", True)):
        model = make_model(floating)
        (folder / name).write_bytes(model)
        record["model"]["sha256"][name] = hashlib.sha256(model).hexdigest()
    (folder / "training.json").write_text(json.dumps(record))
    return folder


def test_a_bundle_counts_outputs(trained: Path) -> None:
    """Budget, header, twin and golden vectors name the same layers, and the float model's are the same ones."""
    path = export_bundle(trained).bundle.path
    layers = json.loads((path / "budget.json").read_text())["network"]["layers"]
    assert [(layer["index"], layer["op"]) for layer in layers] == list(enumerate(LAYERS))
    assert f"#define NET_N_LAYERS {len(LAYERS)}\n" in (path / "c/net.h").read_text()
    golden = GoldenSegment.load(path / "vectors/000.npz")
    window = golden.inputs[: len(golden.layers[0])].reshape(-1, 2, WINDOW * CHANNELS // 2)
    swapped = window[:, ::-1].reshape(len(window), -1)
    for k, expected in enumerate((window[:, 0], window[:, 1], swapped, swapped)):
        np.testing.assert_array_equal(golden.layers[k], expected)
        assert np.abs(golden.float_layers[k] - expected / 128).max() < 16  # the same words, not clipped
    np.testing.assert_array_equal(golden.float_layers[3][:, : CHANNELS * WINDOW // 2], golden.float_layers[1])


@pytest.mark.skipif(host_compiler() is None, reason="needs a host C compiler (apt-get install gcc)")
def test_the_observer_sees_what_the_twin_counts(trained: Path, tmp_path: Path) -> None:
    bundle = export_bundle(trained).bundle
    model = (trained / "model.tflite").read_bytes()
    text = render_network(model, "test")
    observed = re.findall(r"observe\(observer, context, (\d+), ([^,]+), (\d+)\);", text.source)
    assert [int(layer) for layer, _, _ in observed] == list(range(len(LAYERS)))
    assert [where for _, where, _ in observed[:2]] == ["input", f"input + {WINDOW * CHANNELS // 2}"]
    (tmp_path / "kernels").mkdir()
    inputs = np.random.default_rng(1).integers(-128, 128, (3, WINDOW * CHANNELS)).astype(np.int8)
    found = run_c(text, inputs, build_kernels(tmp_path / "kernels", []), tmp_path / "net")
    twin = NetworkTwin(model, TwinConfig.load(bundle.path / "twin.npz").layer_tensors)
    for words, layers in zip(inputs, found, strict=True):
        for a, b in zip(twin.run(words), layers, strict=False):
            np.testing.assert_array_equal(a, b)
        assert len(layers) == len(LAYERS) + 1  # and the output
