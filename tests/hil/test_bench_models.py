"""The bench models on the virtual Cortex-M4F: all recorded outputs, word for word."""

from __future__ import annotations

import pytest

import bench_network as bench

MODELS = bench.find_models()

pytestmark = [
    pytest.mark.skipif(bool(bench.missing_tools()), reason=f"not found: {', '.join(bench.missing_tools())}"),
    pytest.mark.skipif(MODELS is None, reason="bench models absent (set MYOPATCH_BENCH)"),
]


@pytest.mark.parametrize("name", ["autoenc", "feat_mlp", "gesture_ds", "gesture_small", "lstm"])
def test_recorded_outputs_on_the_virtual_board(name, tmp_path):
    image, report = bench.build_image(MODELS, name, tmp_path)
    differing, equal, total = bench.run_image(image)
    assert differing == 0
    assert equal == total == 64
    assert report.arena_bytes <= 1.05 * report.arena_lower_bound_bytes


@pytest.mark.parametrize("name", ["gesture_ds", "gesture_small", "lstm"])
def test_recorded_outputs_push_by_push(name, tmp_path):
    image, _ = bench.build_image(MODELS, name, tmp_path, hop=bench.STREAM_HOP)
    assert bench.run_image(image) == (0, 64, 64)


@pytest.mark.parametrize(
    ("name", "hop"), [("gesture_ds", None), ("gesture_small", bench.STREAM_HOP), ("lstm", None)]
)
def test_recorded_outputs_on_helium(name, hop, tmp_path):
    image, _ = bench.build_image(MODELS, name, tmp_path, hop=hop, machine=bench.HELIUM_MACHINE, kernels="mve")
    assert bench.run_image(image, bench.HELIUM_MACHINE) == (0, 64, 64)


def test_a_wrong_word_is_counted(tmp_path, monkeypatch):
    """The checker checked: one recorded word made wrong has to be seen."""
    load = bench.np.load

    def altered(path):
        words = load(path).copy()
        if "outputs" in str(path):
            words[7, 0] ^= 1
        return words

    monkeypatch.setattr(bench.np, "load", altered)
    image, _ = bench.build_image(MODELS, "autoenc", tmp_path)
    assert bench.run_image(image) == (1, 63, 64)
