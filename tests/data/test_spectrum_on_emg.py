"""Integer spectral features on recorded EMG: inside their bounds, and errors in hertz that no use would notice."""

from __future__ import annotations

import pytest

import bench_spectrum as bench
from feature_errors import find_folder

LARGEST_MEDIAN_HZ = 0.05  # from docs/features.md, with room


@pytest.mark.parametrize("source", bench.RECORDINGS, ids=lambda source: source.name)
@pytest.mark.parametrize("taper", ["none", "hann"])
def test_spectra_stay_inside_their_bounds(source, taper) -> None:
    folder = find_folder(source.name)
    if folder is None:
        pytest.skip(f"{source.name} is not here: set MYOPATCH_DATA")
    for error in bench.measure_errors(source, folder, taper):
        assert error.n_windows > 1000
        assert error.largest_share_of_bound <= 1 + 1e-9, error.feature
        if error.feature in ("mnf", "mdf"):
            assert error.median < LARGEST_MEDIAN_HZ
            assert error.promised_share > 0.9
