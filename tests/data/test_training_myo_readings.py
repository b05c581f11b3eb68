"""The shared copy of ``myo_readings``: what its README states, its pinned content, and its text form."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from myo_training.datasets import find_dataset
from myo_training.myo_readings import LABELS, PackedMyoReadings, parse_text, read_pins
from myo_training.recordings import digest_listing, digest_recording
from myo_training.split import split_sessions

FOLDER = find_dataset("myo_readings")
pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="myo_readings is not on this machine: `myopatch data get myo_readings`"
)


@pytest.fixture(scope="module")
def data() -> PackedMyoReadings:
    return PackedMyoReadings(FOLDER or Path(os.devnull))


def test_every_person_has_the_pinned_content(data: PackedMyoReadings) -> None:
    pins = read_pins()
    assert data.persons() == sorted(pins)
    for person in data.persons():
        assert digest_listing(map(digest_recording, data.recordings([person]))) == pins[person], person


def test_labels_and_known_faults_are_as_stated(data: PackedMyoReadings) -> None:
    persons = ["R10000", "R69069", "R40052", "R56912"]
    for recording in data.recordings(persons):
        gesture = int(recording.trial)
        expected = {0, 2 if recording.key == ("R69069", "1", "3") else gesture}
        assert set(np.unique(recording.labels).tolist()) == expected, recording.key
        assert recording.emg.shape[1] == 8
        assert len(LABELS) == 8
    sessions = dict.fromkeys(persons, "")
    for person, session in data.sessions():
        if person in sessions:
            sessions[person] += session
    assert sessions == {"R10000": "123", "R69069": "123", "R40052": "012", "R56912": "12345"}


def test_a_recording_written_as_public_text_reads_back(data: PackedMyoReadings) -> None:
    recording = next(iter(data.recordings(["L6666"])))
    lines = [
        ",".join(map(str, [*row, label])) for row, label in zip(recording.emg, recording.labels, strict=True)
    ]
    emg, labels = parse_text("\n".join(lines), "f")
    np.testing.assert_array_equal(emg, recording.emg)
    np.testing.assert_array_equal(labels, recording.labels)


def test_default_split_holds_out_whole_persons(
    data: PackedMyoReadings,
) -> None:
    split = split_sessions(data.sessions(), 6, 3, 1)
    held_out = {person for person, _ in split.across_persons}
    assert len(held_out) == 6
    assert sum(person in held_out for person, _ in data.sessions()) == len(split.across_persons)
