"""What is chosen for replay covers every person and trial, and follows from the recordings alone."""

from __future__ import annotations

import json

import numpy as np

from myo_pipeline.reference import window_ends
from myo_pipeline.spec import PatchSpec
from myo_training.evaluation import choose_segments, count_windows, evaluate, pack_segments
from myo_training.simulation import SimulatedSet, SimulationSize
from myo_training.windows import cut_recordings


def test_segments_cover_persons_trials_and_sessions(spec: PatchSpec) -> None:
    recordings = list(SimulatedSet(spec, 1, SimulationSize(3, 2, 2)).recordings())
    segments = choose_segments(recordings, spec, target_windows=180)
    assert {(s.recording.person, s.recording.trial) for s in segments} == {
        (r.person, r.trial) for r in recordings
    }
    assert {s.recording.session for s in segments} == {"1", "2"}
    assert segments == choose_segments(list(reversed(recordings)), spec, target_windows=180)
    arrays = pack_segments(segments, spec)
    listing = json.loads(str(arrays["segments"]))
    assert int(arrays["n_segments"]) == len(segments) == len(listing)
    total = 0
    for index, (entry, segment) in enumerate(zip(listing, segments, strict=True)):
        emg, labels = arrays[f"seg{index}_emg"], arrays[f"seg{index}_labels"]
        assert emg.dtype == np.int16
        part = slice(entry["start"], entry["start"] + len(emg))
        np.testing.assert_array_equal(emg, segment.recording.emg[part])
        np.testing.assert_array_equal(labels, segment.recording.labels[part])
        if segment.recording.trial != "0":
            assert set(labels.tolist()) == {0, int(segment.recording.trial)}
        total += len(window_ends(len(emg), spec.window_samples, spec.hop_samples))
    assert total == count_windows(segments, spec) == 180


def test_a_perfect_predictor_scores_one_and_votes_lag(spec: PatchSpec) -> None:
    windows = cut_recordings(
        SimulatedSet(spec, 1, SimulationSize(2, 1, 2)).recordings(), spec, spec.hop_samples
    )
    answers = iter([np.eye(3)[windows.labels.astype(int)]])
    figures = evaluate(windows, lambda _: next(answers), 100.0, spec)
    assert figures["window"]["macro_accuracy"]["mean"] == 1.0
    # A majority of three follows a change one window late; every recording starts its vote anew.
    late = sum(int((np.diff(windows.labels[part]) != 0).sum()) for _, part in windows.parts())
    confusion = np.array(figures["voted"]["confusion"])
    assert confusion.sum() - np.trace(confusion[:, :-1]) == late
