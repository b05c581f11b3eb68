"""What the report says that features cost, against m4cost's counts in the benchmarks' results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import bench_wavelet as bench
from myo_export.feature_cost import predict_part_instructions
from myo_pipeline.spectrum import SpectrumFeature, compile_spectrum

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RESULTS: dict[str, Any] = json.loads((BENCHMARKS / "results/front_end.json").read_text())


def test_spectra_cost_what_is_predicted() -> None:
    counted = {s["name"]: s for s in RESULTS["spectrum"]["sets"]}
    features = [SpectrumFeature(kind="mnf"), SpectrumFeature(kind="mdf")]
    for name, window in (("mnf, mdf", 200), ("mnf, mdf of 256", 256), ("mnf, mdf of 400", 400)):
        config = compile_spectrum(features, n_channels=8, window=window, hop=50, rate_hz=1000.0, word_shift=0)
        assert predict_part_instructions(config) == pytest.approx(counted[name]["instructions"], rel=0.03)


@pytest.mark.parametrize(("name", "counted"), list(zip(bench.SETS, RESULTS["wavelets"]["sets"], strict=True)))
def test_wavelets_and_segments_cost_what_is_predicted(name: str, counted: dict[str, Any]) -> None:
    assert name.strip() == counted["name"]
    (part,) = bench.bench_config(*bench.SETS[name]).parts
    assert predict_part_instructions(part) == pytest.approx(counted["instructions"], rel=0.08)
