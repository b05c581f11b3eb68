"""Folding for Helium: the zero point goes into the biases, modulo 2^32, and one source serves every core."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from myo_export.emit_net import render_network
from myo_export.fold_mve import Folded, fold_layer
from myo_export.lowered import FullyConnected, Requantize
from myo_export.quantized_math import Factor

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nn_models import RandomNetwork


@pytest.mark.parametrize("offset", [-127, 0, 1, 128])
def test_a_pure_dot_product_gives_the_same_sums(offset):
    rng = np.random.default_rng(offset + 128)
    weights = rng.integers(-128, 128, (5, 40)).astype(np.int8)
    bias = rng.integers(-(1 << 31), 1 << 31, 5).astype(np.int32)
    requantize = Requantize((Factor(1 << 30, -3),) * 5, 0, -128, 127)
    folded = fold_layer(FullyConnected(1, offset, weights, bias, requantize))
    assert isinstance(folded, Folded)
    x = rng.integers(-128, 128, 40)
    wide = weights.astype(np.int64)
    expected = wide @ (x + offset) + bias
    assert np.array_equal((wide @ x + folded.bias - expected) % (1 << 32), np.zeros(5))


def test_all_cores_share_the_weights():
    """What Helium adds to a source for every core is its biases, not its weights."""
    model = RandomNetwork(5, ["conv", "dense"], (1, 20, 4)).pack()
    text = render_network(model, "test")
    offsets = {step.index: step.layer.input_offset for step in text.network.steps if step.macs}
    assert any(offsets.values())
    for layer, offset in offsets.items():
        assert text.source.count(f"static const int8_t layer_{layer}_weights[") == 1
        assert text.source.count(f"static const int32_t layer_{layer}_bias[") == 1 + (offset != 0)
    for name in ("myo_conv_mve_run", "myo_conv_dsp_run", "myo_conv_run"):
        assert text.source.count(f"{name}(") == 1


def test_a_depthwise_multiplier_runs_plain():
    for seed in range(40):
        text = render_network(RandomNetwork(seed, ["depthwise"], (3, 7, 6)).pack(), "test", "mve")
        layer = next(step.layer for step in text.network.steps if step.macs)
        assert isinstance(text.packed[0], str) == (layer.depth_multiplier != 1)
        assert ("depthwise_conv_mve_run" in text.source) == (layer.depth_multiplier == 1)
