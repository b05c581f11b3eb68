"""The cost model: counted networks are met, every layer has a figure, and what has no formula says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench_network import build_image, count_instructions, find_m4cost, find_models, missing_tools
from cost_layers import Bench, Shapes
from myo_export import cost_model
from myo_export.cost_events import count_events, kinds_without_formula
from myo_export.cost_model import estimate_code, estimate_layer
from myo_export.cost_plain import count_inside
from myo_export.emit_net import render_network
from myo_export.lowered import Alias, Copy, FullyConnected, Part, Requantize
from myo_export.network_report import report_network
from myo_export.quantized_math import Factor
from nn_models import RandomNetwork

ROOT = Path(__file__).resolve().parents[2]
KINDS = ["conv", "depthwise", "average_pool", "add", "relu", "mean", "dense", "softmax"]
RESULTS = json.loads((ROOT / "benchmarks" / "results" / "network.json").read_text())


def model_bytes(name: str) -> bytes:
    models = find_models()
    if models is None:
        pytest.skip("bench models absent (set MYOPATCH_BENCH)")
    return (models / f"{name}.tflite").read_bytes()


@pytest.mark.parametrize("entry", RESULTS["models"], ids=lambda e: f"{e['model']}-{e['optimize']}")
def test_counted_networks_are_met_within_3_percent(entry):
    report = report_network(render_network(model_bytes(entry["model"]), "", "dsp", entry["optimize"]))
    assert report.cost.is_modelled
    assert report.cost.instructions == pytest.approx(entry["instructions"], rel=0.03)
    assert report.cost.cycles == pytest.approx(entry["cycles"], rel=0.03)
    # Code is all flash but weights and the bench's own start-up, main and memory functions.
    assert 0 < entry["flash_without_model"] - report.code_bytes < 2000


@pytest.mark.parametrize("level", ["-O3", "-Os"])
def test_layers_that_the_fit_never_saw(level, tmp_path):
    counter = find_m4cost()
    if counter is None or missing_tools():
        pytest.skip("needs arm-none-eabi-gcc, qemu-system-arm and m4cost (set MYOPATCH_M4COST)")
    cases = Shapes(77).cases(2)
    counts = Bench(level, tmp_path).measure(cases, counter)
    assert len(counts) == len(cases)
    for case, count in zip(cases, counts, strict=True):
        found = estimate_layer(case.layer, case.form, level)
        what = f"{type(case.layer).__name__} {case.form}: {count}, predicted {found}"
        # Layers that copy short rows or skip exponentials depend on addresses and data.
        share = 0.1 if count.instructions > 1000 else 0.35
        assert found.instructions == pytest.approx(count.instructions, rel=share, abs=60), what
        assert found.cycles == pytest.approx(count.cycles, rel=share, abs=90), what


def test_every_kind_of_layer_has_a_formula():
    assert kinds_without_formula() == ()


def test_every_kind_with_a_formula_has_prices():
    for case in Shapes(5).cases(3):
        events = count_events(case.layer, case.form)
        assert events is not None
        for level in ("-O3", "-Os"):
            assert set(events) <= set(cost_model.read_pieces(level))
            assert estimate_layer(case.layer, case.form, level).is_modelled
            functions, own = estimate_code(case.layer, case.form, level)
            assert own > 0
            assert functions or isinstance(case.layer, Alias | Part | Copy)


def test_a_kind_without_a_formula_is_a_guess_and_says_so():
    class Strange:
        pass

    found = estimate_layer(Strange(), "plain", n_words=100, macs=1000)  # type: ignore[arg-type]
    assert not found.is_modelled
    assert found.instructions > 1000
    assert not cost_model.price(cost_model.Events({"unheard of": 1})).is_modelled


def test_padding_is_not_counted_as_if_it_were_data():
    """Spans of the model against the definition, for every way that a window can lie."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        size, n, stride, dilation, pad = (
            int(rng.integers(low, high)) for low, high in ((1, 6), (1, 12), (1, 4), (1, 4), (0, 5))
        )
        n_out = int(rng.integers(1, 8))
        found = count_inside(n_out, stride, pad, dilation, size, n)
        expected = [sum(0 <= o * stride - pad + k * dilation < n for k in range(size)) for o in range(n_out)]
        assert found == expected


def test_only_the_shape_of_weights_counts():
    """A search over shapes gives weights without values."""
    requantize = Requantize((Factor(1 << 30, -8),) * 16, 0, -128, 127)
    layer = FullyConnected(1, 0, np.empty((16, 40), np.int8), np.empty(16, np.int32), requantize)
    wide, packed = (estimate_layer(layer, form) for form in ("wide", "packed"))
    # Four tiles of ten groups: 11 and 18 instructions a group, 38 and 42 a tile.
    assert packed.instructions - wide.instructions == pytest.approx(4 * (10 * 7 + 4))


def test_a_report_has_costs_of_all_layers():
    report = report_network(render_network(RandomNetwork(11, KINDS, (1, 20, 4)).pack(), "", "dsp"))
    assert all(layer.cost.instructions >= 0 for layer in report.layers)
    assert report.cost.instructions > sum(layer.cost.instructions for layer in report.layers)
    assert report.push_cost is None


@pytest.mark.parametrize("entry", RESULTS["streams"], ids=lambda e: e["model"])
def test_counted_pushes_are_met_within_3_percent(entry):
    report = report_network(render_network(model_bytes(entry["model"]), "", "dsp", "speed", entry["hop"]))
    assert report.push_cost is not None
    assert report.push_cost.instructions == pytest.approx(entry["instructions"], rel=0.03)
    assert report.push_cost.cycles == pytest.approx(entry["cycles"], rel=0.03)


def test_a_push_with_running_sums_is_met_within_3_percent(tmp_path):
    models, counter = find_models(), find_m4cost()
    if models is None or counter is None or missing_tools():
        pytest.skip("needs the bench models, arm-none-eabi-gcc, qemu-system-arm and m4cost")
    image, report = build_image(models, "gesture_small", tmp_path, hop=8)
    assert report.stream is not None
    assert report.stream.sums
    assert report.push_cost is not None
    instructions, cycles = count_instructions(image, counter)
    assert report.push_cost.instructions == pytest.approx(instructions, rel=0.03)
    assert report.push_cost.cycles == pytest.approx(cycles, rel=0.03)
