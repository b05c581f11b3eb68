"""Integer wavelet energies and segments' powers on recorded EMG: inside their bounds, and errors that no use would notice."""

from __future__ import annotations

import pytest

import bench_wavelet as bench
from feature_errors import find_folder

LARGEST_MEDIAN = (
    0.01  # base-2 logarithm, 0.03 dB; from docs/wavelets.md, with room; packets beyond the filters are empty
)


@pytest.mark.parametrize("source", bench.RECORDINGS, ids=lambda source: source.name)
def test_energies_stay_inside_their_bounds(source) -> None:
    folder = find_folder(source.name)
    if folder is None:
        pytest.skip(f"{source.name} is not here: set MYOPATCH_DATA")
    for error in bench.measure_errors(source, folder):
        assert error.n_windows > 1000
        assert error.largest_share_of_bound <= 1 + 1e-9, error.feature
        if not error.feature.startswith("packet_energy"):
            assert error.median < LARGEST_MEDIAN, error.feature
            assert error.promised_share > 0.9
