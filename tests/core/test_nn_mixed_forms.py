"""A budget may hold some layers' weights wide and others packed: every word of such networks against the runtime."""

from __future__ import annotations

import pytest

from myo_export.emit_net import render_network
from nn_models import RandomNetwork
from nn_run import EMULATED_DSP, build_kernels, compare, run_c, run_tflm, varied_inputs


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    return build_kernels(tmp_path_factory.mktemp("kernels"), EMULATED_DSP)


@pytest.mark.parametrize("seed", range(4))
def test_wide_and_packed_layers_in_one_network(seed, kernels, tmp_path):
    model = RandomNetwork(seed, ["conv", "depthwise", "conv", "mean", "dense", "dense"], (3, 12, 6)).pack()
    forms = ["size" if (k + seed) % 2 else "speed" for k in range(6)]
    text = render_network(model, "test", "both", forms)
    widths = {packed.weights.itemsize for packed in text.packed if not isinstance(packed, str)}
    assert widths == {1, 2}
    assert "myo_nn_wide_weights" in text.source
    assert "myo_nn_packed_weights" in text.source
    source = text.network.graph.tensors[text.network.graph.input]
    inputs = varied_inputs(source.size, source.quantization.zero_point, seed)
    names = [op.name for op in text.network.graph.ops]
    compare(run_tflm(model, inputs), run_c(text, inputs, kernels, tmp_path), names)
