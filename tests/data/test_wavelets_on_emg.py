"""Integer wavelet energies and segments' powers on recorded EMG: inside their bounds, and errors that no use would notice."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
LARGEST_MEDIAN = (
    0.01  # base-2 logarithm, 0.03 dB; from docs/wavelets.md, with room; packets beyond the filters are empty
)


def load_bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_wavelet", ROOT / "benchmarks" / "bench_wavelet.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_wavelet"] = module
    spec.loader.exec_module(module)
    return module


bench = load_bench()


@pytest.mark.parametrize("source", bench.RECORDINGS, ids=lambda source: source.name)
def test_energies_stay_inside_their_bounds(source) -> None:
    folder = bench.find_folder(source.name)
    if folder is None:
        pytest.skip(f"{source.name} is not here: set MYOPATCH_DATA")
    for error in bench.measure_errors(source, folder):
        assert error.n_windows > 1000
        assert error.largest_share_of_bound <= 1 + 1e-9, error.feature
        if not error.feature.startswith("packet_energy"):
            assert error.median < LARGEST_MEDIAN, error.feature
            assert error.promised_share > 0.9
