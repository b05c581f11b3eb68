"""What the product promises, on recorded EMG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from myo_export.front_end import quantize_front_end
from myo_export.front_end_analysis import make_filter_twin
from myo_pipeline.reference import filter_counts
from myo_pipeline.spec import PatchSpec, find_templates, parse_spec
from myo_training.datasets import CATALOGUE, find_dataset
from myo_training.recordings import DataSet

NAME = "myo_readings"
FOLDER = find_dataset(NAME)
pytestmark = pytest.mark.skipif(FOLDER is None, reason=f"{NAME} is not here: myopatch data get {NAME}")


@pytest.fixture(scope="module")
def recordings() -> DataSet:
    assert isinstance(FOLDER, Path)
    return CATALOGUE[NAME].open_folder(FOLDER, "classes")


@pytest.fixture(scope="module")
def spec() -> PatchSpec:
    return parse_spec(find_templates()["gestures"].read_text().replace("@NAME@", "gestures"))


def test_front_end_keeps_both_its_promises_on_every_person(recordings: DataSet, spec: PatchSpec) -> None:
    """At least 100 dB against float64, and inside the derived bound, on one recording of each person."""
    front_end = quantize_front_end(spec)
    twin = make_filter_twin(spec, front_end)
    seen = set()
    for recording in recordings.recordings():
        if recording.person in seen:
            continue
        seen.add(recording.person)
        counts = recording.emg[:4000]
        twin.reset()
        reference = filter_counts(spec, counts)
        error = twin.filter(counts) * 2.0**-front_end.exponent - reference
        snr_db = 10 * np.log10((reference**2).sum() / (error**2).sum())
        assert snr_db > 100, f"{recording.person}: {snr_db:.1f} dB"
        assert np.abs(error).max() <= front_end.error_bound_counts(float(np.abs(counts).max()))
    assert len(seen) == 29


def test_recordings_say_all_of_themselves(recordings: DataSet) -> None:
    first = next(iter(recordings.recordings()))
    assert (first.rate_hz, first.emg.shape[1]) == (200.0, 8)
    assert len(first.labels) == len(first.emg)
    assert first.person
    assert first.session
    assert first.trial
