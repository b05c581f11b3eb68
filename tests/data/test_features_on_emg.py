"""Integer features on recorded EMG: inside their bounds, and small errors where the product promises them."""

from __future__ import annotations

import pytest

import feature_errors as errors

# Relative to the feature's median size. From docs/features.md, with room; log and ratios are worst near silence.
LARGEST_MEDIAN_ERROR = 1e-3
AMPLITUDES = ("iemg", "mav", "mav1", "mav2", "rms", "ssi", "variance", "wl", "dasdv")


@pytest.mark.parametrize("source", errors.SOURCES, ids=lambda source: source.name)
def test_features_stay_inside_their_bounds(source) -> None:
    folder = errors.find_folder(source.name)
    if folder is None:
        pytest.skip(f"{source.name} is not here: set MYOPATCH_DATA")
    found = errors.measure(source, folder)
    assert found.n_windows > 1000
    assert found.share.max() <= 1 + 1e-9
    for name, median in zip(found.config.names, found.median, strict=True):
        if name in AMPLITUDES:
            assert median < LARGEST_MEDIAN_ERROR, name
