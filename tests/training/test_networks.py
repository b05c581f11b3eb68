"""Every kind of network: its forms compute the same, it converts op by op, and its C equals the runtime."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from myo_export.emit_net import render_network
from myo_pipeline.errors import SpecError
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_training.convert import check_alignment, convert_model
from myo_training.model import build_model, count_cost
from myo_training.networks.builder import Form, fold_weights
from myo_training.networks.shapes import build_network
from myo_training.quiet import import_tensorflow

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
kind = "classes"
labels = ["rest", "fist", "open"]
[training]
data = "simulated"
"""
TCN = 'kind = "tcn"\nfilters = 8\ndilations = [1, 2, 4]\n'
KINDS = {
    "cnn": 'kind = "cnn"\nfilters = [6, 8]\nstrides = [1, 2]\nkernel = 3\ndense = 6',
    "tcn": TCN,
    "tcn, separable": TCN + 'separable = true\nreadout = "mean"\nstride = 2\ndilations = [1, 2]',
    "tcn, valid": TCN + 'residual = false\npadding = "valid"',
}
KINDS["tcn, separable"] = KINDS["tcn, separable"].replace("dilations = [1, 2, 4]\n", "", 1)
OPERATORS = {
    "tcn": {"PAD": 3, "CONV_2D": 4, "ADD": 3, "STRIDED_SLICE": 1},
    "tcn, separable": {"DEPTHWISE_CONV_2D": 2, "MEAN": 1},
    "tcn, valid": {"PAD": 0, "ADD": 0, "CONV_2D": 4},
}


def make_spec(kind: str) -> PatchSpec:
    return parse_spec(SPEC.format(model=KINDS[kind], features=""))


def draw_windows(spec: PatchSpec, n: int) -> np.ndarray:
    shape = (n, 1, spec.window_samples, spec.front_end_channels)
    x = np.random.default_rng(0).normal(scale=0.4, size=shape)
    return np.clip(x, -1, 127 / 128).astype(np.float32)


def build_awake(spec: PatchSpec) -> Any:  # noqa: ANN401
    """Build the learned form with normalisations that do something."""
    import_tensorflow().keras.utils.set_random_seed(1)
    model, rng = build_model(spec), np.random.default_rng(2)
    for layer in model.layers:
        if "norm" in layer.name:
            layer.set_weights([w + rng.uniform(0.1, 0.9, w.shape) for w in layer.get_weights()])
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_folded_forms_compute_what_was_learned(kind: str) -> None:
    spec = make_spec(kind)
    learned, x = build_awake(spec), draw_windows(spec, 20)
    for form in (Form.FOLDED, Form.ROUNDED):  # whose switches are off at first
        folded, _ = build_network(spec, form)
        fold_weights(learned, folded)
        np.testing.assert_allclose(folded.predict_on_batch(x), learned.predict_on_batch(x), atol=2e-6)
    assert count_cost(spec).n_parameters == build_network(spec, Form.FOLDED)[0].count_params()


@pytest.mark.skipif(host_compiler() is None, reason="needs a host C compiler (apt-get install gcc)")
@pytest.mark.parametrize("kind", KINDS)
def test_c_equals_the_runtime(kind: str, tmp_path: Path) -> None:
    spec = make_spec(kind)
    model = build_awake(spec)
    int8 = convert_model(model, draw_windows(spec, 30))
    ops = check_alignment(int8, convert_model(model, None))
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
        parse_spec(SPEC.format(model=f'kind = "tcn"\n{keys}', features=""))
