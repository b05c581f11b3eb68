"""Every kind of network: its forms compute the same, it converts op by op, and its C equals the runtime."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from myo_export.emit_net import render_network
from myo_export.tflite_reader import read_graph
from myo_pipeline.errors import SpecError
from myo_pipeline.network_models import NEVER_ROUNDED
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_pipeline.twin import NetworkTwin
from myo_training.anomaly import SHARPNESS, fit_autoencoder
from myo_training.convert import check_alignment, choose_representative, convert_model
from myo_training.evaluation import predict_int8
from myo_training.fit import Examples
from myo_training.model import build_model, count_cost
from myo_training.networks.builder import INPUT, Form, fold_weights
from myo_training.networks.shapes import build_network
from myo_training.quantization import (
    Quantized,
    quantize_aware,
    quantize_post,
    read_ranges,
    switch,
    write_ranges,
)
from myo_training.quiet import import_tensorflow
from myo_training.runtime import quantize_input
from myo_training.sensitivity import measure_sensitivity
from myo_training.train import Targets

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nn_run import EMULATED_DSP, build_kernels, compare, host_compiler, run_c, run_tflm, varied_inputs

SPEC = """
format = 1
name = "tiny"
[sensor]
channels = 4
rate_hz = 200.0
lsb_uv = 1.0
adc_bits = 10
{features}
[window]
window_ms = 200.0
hop_ms = 100.0
[model]
{model}
[output]
{output}
[training]
data = "simulated"
"""
TCN = 'kind = "tcn"\nfilters = 8\ndilations = [1, 2, 4]\n'
KINDS = {
    "cnn": 'kind = "cnn"\nfilters = [6, 8]\nstrides = [1, 2]\nkernel = 3\ndense = 6',
    "tcn": TCN,
    "tcn, separable": (
        'kind = "tcn"\nfilters = 8\ndilations = [1, 2]\nseparable = true\nreadout = "mean"\nstride = 2'
    ),
    "tcn, valid": TCN + 'residual = false\npadding = "valid"',
}
STFT = """[[features]]
kind = "stft_power"
segment_ms = 80.0
step_ms = 20.0
bands_hz = [[10, 40], [40, 70], [70, 100]]"""
KINDS |= {
    "lstm": 'kind = "lstm"\nunits = 6',
    "spectrogram": 'kind = "spectrogram"\nfilters = [6, 8]',
    "attention": 'kind = "attention"\nfilters = 8\nkeys = 4',
    "autoencoder": 'kind = "autoencoder"\nhidden = [10]\ncode = 3',
    "autoencoder, variational": 'kind = "autoencoder"\nhidden = [10]\ncode = 3\nvariational = true',
    "mlp, windows": 'kind = "mlp"\nhidden = [6, 8]\nwindows = 3',
}
OPERATORS = {
    "tcn": {"PAD": 3, "CONV_2D": 4, "ADD": 3, "STRIDED_SLICE": 1},
    "tcn, separable": {"DEPTHWISE_CONV_2D": 2, "MEAN": 1},
    "lstm": {"UNIDIRECTIONAL_SEQUENCE_LSTM": 1, "STRIDED_SLICE": 1},
    "attention": {"BATCH_MATMUL": 2, "SOFTMAX": 2, "ADD": 1},
    "autoencoder": {"SUB": 1, "ABS": 1, "FULLY_CONNECTED": 5},
    "autoencoder, variational": {"SUB": 1, "ABS": 1, "FULLY_CONNECTED": 5},
    "tcn, valid": {"PAD": 0, "ADD": 0, "CONV_2D": 4},
    "mlp, windows": {"RESHAPE": 2, "CONV_2D": 1, "FULLY_CONNECTED": 2},
}
SCORED = ("autoencoder", "autoencoder, variational")
SCORE = 'kind = "score"\nlabels = ["rest", "fist", "open"]\nanomalies = ["open"]'
CLASSES = 'kind = "classes"\nlabels = ["rest", "fist", "open"]'
VALUES = 'kind = "values"\nnames = ["force", "angle"]'


def make_spec(kind: str, output: str = CLASSES) -> PatchSpec:
    features = STFT if kind in ("spectrogram", "mlp, windows", *SCORED) else ""
    output = SCORE if kind in SCORED else output
    return parse_spec(SPEC.format(model=KINDS[kind], features=features, output=output))


def draw_windows(spec: PatchSpec, n: int) -> np.ndarray:
    shape = (n, *build_network(spec, Form.FOLDED)[0].input_shape[1:])
    x = np.random.default_rng(0).normal(scale=0.4, size=shape)
    return np.clip(x, -1, 127 / 128).astype(np.float32)


def build_awake(spec: PatchSpec) -> Any:
    """Build the learned form with normalisations that do something."""
    import_tensorflow().keras.utils.set_random_seed(1)
    model, rng = build_model(spec), np.random.default_rng(2)
    for layer in model.layers:
        if "norm" in layer.name:
            limits = ((0.5, 1.5), (-0.5, 0.5), (-0.2, 0.2), (0.02, 0.1))  # gain, shift, mean, variance
            n = layer.get_weights()[0].shape
            layer.set_weights([rng.uniform(*ends, n) for ends in limits])
    output = model.get_layer("output")
    output.kernel.assign(4 * output.kernel)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_folded_forms_compute_what_was_learned(kind: str) -> None:
    spec = make_spec(kind)
    learned, x = build_awake(spec), draw_windows(spec, 20)
    forms = (
        [Form.FOLDED] if kind in NEVER_ROUNDED else [Form.FOLDED, Form.ROUNDED]
    )  # whose switches are off at first
    for form in forms:
        folded, _ = build_network(spec, form)
        fold_weights(learned, folded)
        np.testing.assert_allclose(folded.predict_on_batch(x), learned.predict_on_batch(x), atol=1e-5)
    assert count_cost(spec).n_parameters == build_network(spec, Form.FOLDED)[0].count_params()


@pytest.mark.skipif(host_compiler() is None, reason="needs a host C compiler (apt-get install gcc)")
@pytest.mark.parametrize("kind", KINDS)
def test_c_equals_the_runtime(kind: str, tmp_path: Path) -> None:
    spec = make_spec(kind)
    found = quantize_post(
        build_awake(spec), spec, choose_representative(draw_windows(spec, 30), 1), Targets(np.zeros(1))
    )
    int8 = found.int8
    ops = check_alignment(int8, convert_model(found.model, None))
    wanted = OPERATORS.get(kind, {})
    assert {name: ops.count(name) for name in wanted} == wanted
    text = render_network(int8, "test")
    source = text.network.graph.tensors[text.network.graph.input]
    inputs = varied_inputs(source.size, source.quantization.zero_point, 3)
    (tmp_path / "kernels").mkdir()
    kernels = build_kernels(tmp_path / "kernels", EMULATED_DSP)
    names = [step.op.name for step in text.network.steps]
    compare(run_tflm(int8, inputs), run_c(text, inputs, kernels, tmp_path / "net"), names)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('padding = "valid"', "residual needs layers of one length"),
        ("dilations = [1, 2, 4, 8, 16]", "the last step depends on 63 steps and a window has 40"),
    ],
)
def test_contradictions_are_refused(keys: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_spec(SPEC.format(model=f'kind = "tcn"\n{keys}', features="", output=CLASSES))


@pytest.mark.parametrize("kind", SCORED)
def test_an_anomaly_is_what_scores_beyond_the_percentile(kind: str) -> None:
    spec = make_spec(kind)
    settings = spec.training.model_copy(update={"epochs": 12, "batch_size": 32, "learning_rate": 0.01})
    spec = spec.model_copy(update={"training": settings})
    rng = np.random.default_rng(4)
    n_words = build_network(spec, Form.FOLDED)[0].input_shape[2] * 4
    mixing = rng.normal(size=(2, n_words)) * 0.3  # normal windows have two degrees of freedom, anomalies all
    shape = (-1, 1, n_words // 4, 4)
    normal = np.clip(np.tanh(rng.normal(size=(800, 2)) @ mixing), -1, 0.99).astype(np.float32).reshape(shape)
    odd = np.clip(rng.normal(size=(300, n_words)) * 0.4, -1, 0.99).astype(np.float32).reshape(shape)
    model = build_awake(spec)
    _, threshold = fit_autoencoder(model, spec, normal[:600], None, lambda _t, _f: None, lambda x, _rng: x)
    shares = model.predict_on_batch(normal[:600])[:, 1]
    assert (shares > 0.5).mean() == pytest.approx(0.05, abs=0.01)
    assert np.median(shares) == pytest.approx(1 / (1 + np.exp(SHARPNESS)), rel=0.1)
    assert threshold.median < threshold.threshold
    found = quantize_post(model, spec, choose_representative(normal[:600], 1), Targets(np.zeros(1)))
    predict = predict_int8(found.int8)
    device, odd_device = predict(normal[600:])[:, 1], predict(odd)[:, 1]
    exact = found.model.predict_on_batch(normal[600:])[:, 1]
    assert ((device > 0.5) == (exact > 0.5)).mean() > 0.96
    truth = np.repeat([0, 1], [len(device), len(odd_device)])
    assert roc_auc_score(truth, np.concatenate([device, odd_device])) > 0.95


def test_kinds_ask_for_what_they_take() -> None:
    lstm = SPEC.format(model=KINDS["lstm"], features="", output=CLASSES)
    with pytest.raises(SpecError, match="'aware' is not to be had for 'lstm'"):
        parse_spec(lstm + 'quantization = "aware"\n')
    spectrogram = SPEC.format(
        model=KINDS["spectrogram"], features='[[features]]\nkind = "mav"', output=CLASSES
    )
    with pytest.raises(SpecError, match="takes one feature of kind 'stft_power'"):
        parse_spec(spectrogram)
    with pytest.raises(SpecError, match="has 1 steps, expected 2 to 256"):
        parse_spec(SPEC.format(model='kind = "attention"\nstride = 64', features="", output=CLASSES))


def make_aware(kind: str) -> tuple[PatchSpec, Quantized]:
    """Learn a few steps on noise with values that it holds, with rounding in the way."""
    spec = make_spec(kind, VALUES)
    spec = spec.model_copy(
        update={
            "training": spec.training.model_copy(update={"epochs": 1, "batch_size": 32, "augment": False})
        }
    )
    x = draw_windows(spec, 256)
    y = x.std(axis=(1, 2))[:, :2].astype(np.float64)
    examples = Examples(x, Targets(y).normalize(y), np.ones(len(x), np.float32))
    found = quantize_aware(
        build_awake(spec), spec, choose_representative(x, 1), Targets(y), examples, None, lambda x, _rng: x,
        lambda _text, _share: None,
    )  # fmt: skip
    return spec, found


def test_aware_training_sees_the_words_that_the_device_computes() -> None:
    spec, found = make_aware("tcn, separable")
    assert check_alignment(found.int8, convert_model(found.model, None))
    learned = found.learned.get_layer("output").kernel.numpy()
    assert np.abs(found.model.get_layer("output").kernel.numpy() - learned).max() > 0
    x = draw_windows(spec, 16)
    switch(found.rounded, found.layers, found.layers)
    tapped = [found.rounded.get_layer(f"words_{name}").output for name in found.layers]
    seen = import_tensorflow().keras.Model(found.rounded.input, tapped).predict_on_batch(x)
    graph = read_graph(found.int8)
    ops = [op for op in graph.ops if op.name not in ("PAD", "RESHAPE")]
    assert len(ops) == len(found.layers) - 1
    twin = NetworkTwin(found.int8, np.array([op.outputs[0] for op in ops]))
    words = [twin.run(quantize_input(window, 1 / 128, 0)) for window in x]
    for number, (op, exact) in enumerate(zip(ops, seen[1:], strict=True)):
        made = graph.tensors[op.outputs[0]]
        device = np.stack([layers[number] for layers in words]).astype(float) - made.zero_points[0]
        steps = np.abs(device - exact.reshape(len(x), -1) / made.scales[0])
        # Ties and two roundings in turn part a word in fifty by a step; the format's mean rounds twice, and all stands on it.
        assert steps.mean() < (0.05 if op.name not in ("MEAN", "FULLY_CONNECTED") else 1.2), op.name
        assert steps.max() < 3.5


def test_sensitivity_finds_the_layer_whose_words_are_spoilt() -> None:
    spec = make_spec("tcn")
    x = draw_windows(spec, 200)
    found = quantize_post(build_awake(spec), spec, choose_representative(x, 1), Targets(np.zeros(1, int)))
    examples = Examples(x, np.zeros(len(x), np.int64), np.ones(0, np.float32))
    ranges = read_ranges(found.rounded, found.layers)
    write_ranges(found.rounded, {"conv2": tuple(20 * end for end in ranges["conv2"])})
    report = measure_sensitivity(found, examples, classes=True)
    assert report is not None
    layers = {layer["layer"]: layer for layer in report["layers"]}
    assert list(layers) == list(found.layers)
    assert min(layers.values(), key=lambda layer: layer["alone_snr_db"])["layer"] == "conv2"
    assert max(layers.values(), key=lambda layer: layer["without_snr_db"])["layer"] == "conv2"
    assert all(layer["alone_snr_db"] >= report["all_snr_db"] - 1 for layer in layers.values())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in NEVER_ROUNDED and kind not in SCORED])
def test_ranges_after_training_hold_the_words_and_no_more(kind: str) -> None:
    spec = make_spec(kind)
    x = choose_representative(draw_windows(spec, 100), 1)
    found = quantize_post(build_awake(spec), spec, x, Targets(np.zeros(1, int)))
    graph = read_graph(found.int8)
    steps = [t.scales[0] for op in graph.ops for t in (graph.tensors[op.outputs[0]],)]
    for name, (low, high) in read_ranges(found.rounded, found.layers).items():
        if name != INPUT:
            assert min(abs(step / ((high - low) / 255) - 1) for step in steps) < 1e-3, name
