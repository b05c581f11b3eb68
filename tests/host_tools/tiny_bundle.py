"""A trained folder as `myopatch train` leaves it, made without TensorFlow: one dense layer over a short window."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from nn_models import ModelBuilder, fill

CHANNELS, WINDOW, LABELS = 2, 20, ("rest", "fist", "point")
SPEC = """
format = 1
name = "tiny"
[sensor]
channels = 2
rate_hz = 200.0
lsb_uv = 1.0
adc_bits = 12
[[stage]]
kind = "highpass"
cutoff_hz = 20.0
order = 2
[window]
window_ms = 100.0
hop_ms = 50.0
[output]
kind = "classes"
labels = ["rest", "fist", "point"]
[decision]
vote = 3
[training]
data = "recordings"
held_out_persons = 1
validation_persons = 1
"""


def make_model(floating: bool, steps: int = WINDOW, channels: int = CHANNELS) -> bytes:
    """Reshape, then a dense layer: the same operators as int8 and as float. The input is (steps, channels)."""
    rng = np.random.default_rng(3)
    n = steps * channels
    weights = rng.integers(-127, 128, (len(LABELS), n)).astype(np.int8)
    b = ModelBuilder()
    if floating:
        source = b.tensor((1, 1, steps, channels), dtype="float32")
        flat, out = b.tensor((1, n), dtype="float32"), b.tensor((1, len(LABELS)), dtype="float32")
        w = b.tensor(weights.shape, data=(weights * np.float32(0.01)).astype(np.float32))
        bias = b.tensor((len(LABELS),), data=np.zeros(len(LABELS), np.float32))
    else:
        source = b.activation((1, 1, steps, channels), 1 / 128, 0)
        flat, out = b.activation((1, n), 1 / 128, 0), b.activation((1, len(LABELS)), 0.05, 0)
        w = b.tensor(weights.shape, [0.01], [0], weights)
        bias = b.tensor((len(LABELS),), [0.01 / 128], [0], np.zeros(len(LABELS), np.int32))
    shape = b.tensor((2,), data=np.array([1, n], np.int32))
    b.op("RESHAPE", [source, shape], [flat], schema.ReshapeOptionsT())
    b.op("FULLY_CONNECTED", [flat, w, bias], [out], fill(schema.FullyConnectedOptionsT()))
    return b.pack(source, out)


def make_foldable_model(floating: bool) -> bytes:
    """Padding, a convolution over time, a ReLU by itself, then a dense layer: the first three are computed as one."""
    rng = np.random.default_rng(4)
    n_filters, kernel, n = 4, 5, WINDOW * 4
    b = ModelBuilder()

    def activation(shape: tuple[int, ...], scale: float) -> int:
        return b.tensor(shape, dtype="float32") if floating else b.activation(shape, scale, -3)

    def weights(shape: tuple[int, ...], input_scale: float) -> list[int]:
        words = rng.integers(-127, 128, shape).astype(np.int8)
        n_outputs = shape[0]
        if floating:
            zeros = np.zeros(n_outputs, np.float32)
            return [
                b.tensor(shape, data=(words * np.float32(0.01)).astype(np.float32)),
                b.tensor((n_outputs,), data=zeros),
            ]
        bias = b.tensor((n_outputs,), [0.01 * input_scale], [0], np.zeros(n_outputs, np.int32))
        return [b.tensor(shape, [0.01], [0], words), bias]

    source = activation((1, 1, WINDOW, CHANNELS), 1 / 128)
    padded = activation((1, 1, WINDOW + kernel - 1, CHANNELS), 1 / 128)
    filtered, positive = (activation((1, 1, WINDOW, n_filters), 0.02) for _ in range(2))
    flat, out = activation((1, n), 0.02), activation((1, len(LABELS)), 0.3)
    pads = b.tensor((4, 2), data=np.array([(0, 0), (0, 0), (3, 1), (0, 0)], np.int32))
    shape = b.tensor((2,), data=np.array([1, n], np.int32))
    ones = dict.fromkeys(("padding", "strideH", "strideW", "dilationHFactor", "dilationWFactor"), 1)
    b.op("PAD", [source, pads], [padded], schema.PadOptionsT())
    b.op(
        "CONV_2D",
        [padded, *weights((n_filters, 1, kernel, CHANNELS), 1 / 128)],
        [filtered],
        fill(schema.Conv2DOptionsT(), **ones),
    )
    b.op("RELU", [filtered], [positive])
    b.op("RESHAPE", [positive, shape], [flat], schema.ReshapeOptionsT())
    b.op(
        "FULLY_CONNECTED",
        [flat, *weights((len(LABELS), n), 0.02)],
        [out],
        fill(schema.FullyConnectedOptionsT()),
    )
    return b.pack(source, out)


def write_trained(folder: Path, n_segments: int = 3, make: Callable[[bool], bytes] = make_model) -> Path:
    """Write what training leaves; ``make`` gives the model, as float or not."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "patch.toml").write_text(SPEC)
    models = {"model.tflite": make(False), "model_float.tflite": make(True)}
    for name, content in models.items():
        (folder / name).write_bytes(content)
    record = {
        "format": 1,
        "input_scale": [400.0] * CHANNELS,
        "data": {"description": "noise", "source": "a test", "licence": "none", "citation": "none", "digest": "0"},
        "split": {"train": [["a", "1"]], "across_persons": [["b", "1"]]},
        "tested": "across_persons",
        "metrics": {"float": {}, "int8": {"on": "across persons", "int8": None, "float": None}},
        "model": {"sha256": {name: hashlib.sha256(content).hexdigest() for name, content in models.items()}},
    }  # fmt: skip
    (folder / "training.json").write_text(json.dumps(record))
    rng = np.random.default_rng(5)
    arrays = {"segments": np.array(json.dumps(
        [{"person": "b", "session": "1", "trial": str(k), "start": 0} for k in range(n_segments)]
    ))}  # fmt: skip
    for k in range(n_segments):
        arrays[f"seg{k}_emg"] = rng.integers(-600, 600, (100, CHANNELS)).astype(np.int16)
        arrays[f"seg{k}_labels"] = np.repeat(np.arange(2), 50)
    np.savez_compressed(folder / "evaluation.npz", allow_pickle=False, **arrays)
    return folder
