"""Windows and labels are aligned, and no window spans two recordings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myo_pipeline.errors import DataError
from myo_pipeline.reference import filter_counts
from myo_pipeline.spec import PatchSpec
from myo_pipeline.stages import Decimate
from myo_training.recordings import Recording
from myo_training.windows import choose_balanced, cut_recordings, weigh_classes


def make_recording(n_samples: int, seed: int, trial: str, classes: int = 3, person: str = "a") -> Recording:
    rng = np.random.default_rng(seed)
    return Recording(
        rng.integers(-500, 500, (n_samples, 4)).astype(np.int32),
        rng.integers(0, classes, n_samples),
        200.0, 1.0, person, "1", trial, f"recording {trial}",
    )  # fmt: skip


@pytest.mark.parametrize("hop", [1, 7, 20, 40, 55])
def test_each_window_is_its_own_recordings_filtered_signal_and_last_label(spec: PatchSpec, hop: int) -> None:
    recordings = [make_recording(n, n, str(n)) for n in (39, 40, 41, 260)]  # a window is 40 samples
    windows = cut_recordings(recordings, spec, hop)
    assert sum(windows.lengths) == len(windows.counts) == len(windows.labels)
    assert windows.lengths[0] == 0
    for recording, (person, part) in zip(recordings, windows.parts(), strict=True):
        assert person == recording.person
        filtered = filter_counts(spec, recording.emg).astype(np.float32)
        for k, index in enumerate(range(part.start, part.stop)):
            end = spec.window_samples + k * hop
            assert end <= len(recording.emg)
            np.testing.assert_array_equal(windows.counts[index], filtered[end - spec.window_samples : end])
            assert windows.labels[index] == recording.labels[end - 1]


def test_labels_behind_a_decimation_are_those_of_the_windows_last_sample(spec: PatchSpec) -> None:
    stage = Decimate(kind="decimate", factor=5, attenuation_db=0)
    slower = spec.model_copy(update={"stage": [*spec.stage, stage]})
    recording = make_recording(261, 1, "1")
    windows = cut_recordings([recording], slower, 3)
    assert windows.counts.shape[1:] == (8, 4)  # 200 ms at 40 Hz
    ends = 5 * (8 + 3 * np.arange(len(windows.counts)))
    np.testing.assert_array_equal(windows.labels, recording.labels[ends - 1])
    whole = filter_counts(spec, recording.emg).astype(np.float32)
    np.testing.assert_array_equal(windows.counts[:, -1], whole[ends - 1])


def test_recordings_shorter_than_a_window_say_so(spec: PatchSpec) -> None:
    with pytest.raises(DataError, match="none as long as a window of 200 ms"):
        cut_recordings([make_recording(10, 0, "1")], spec, 20)


def test_counts_and_labels_outside_of_the_spec_are_named(spec: PatchSpec) -> None:
    good = make_recording(50, 0, "1")
    emg = good.emg.copy()
    emg[17, 2] = 512
    with pytest.raises(DataError, match=r"sample 17, channel 2 is 512, outside of -512 .. 511"):
        cut_recordings([Recording(emg, good.labels, 200.0, 1.0, "a", "1", "1", "f")], spec, 20)
    with pytest.raises(DataError, match=r"has label 7, expected 0 .. 2"):
        cut_recordings([Recording(good.emg, np.full(50, 7), 200.0, 1.0, "a", "1", "1", "f")], spec, 20)
    with pytest.raises(DataError, match=r"3 channels, expected 4"):
        cut_recordings([Recording(good.emg[:, :3], good.labels, 200.0, 1.0, "a", "1", "1", "f")], spec, 20)


def test_values_keep_their_columns(make_spec: Callable[..., PatchSpec]) -> None:
    spec = make_spec(output='kind = "values"\nnames = ["x", "y"]')
    emg = make_recording(100, 0, "1").emg
    values = np.stack([np.arange(100.0), -np.arange(100.0)], axis=1)
    windows = cut_recordings([Recording(emg, values, 200.0, 1.0, "a", "1", "1", "f")], spec, 20)
    np.testing.assert_array_equal(windows.labels, values[39::20])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=300), st.integers(0, 9))
def test_balancing_only_thins_large_classes(labels: list[int], seed: int) -> None:
    y = np.array(labels)
    chosen = choose_balanced(y, 4, np.random.default_rng(seed), 2.0)
    assert (np.diff(chosen) > 0).all()
    before, after = np.bincount(y, minlength=4), np.bincount(y[chosen], minlength=4)
    for label in range(4):
        others = np.delete(before, label)
        limit = int(2.0 * others[others > 0].mean()) if (others > 0).any() else len(y)
        assert after[label] == min(before[label], limit)


def test_weights_follow_the_square_root_of_the_class_share() -> None:
    weights = weigh_classes(np.array([0] * 90 + [1] * 10), 3)
    assert weights.mean() == pytest.approx(1.0)
    assert weights[-1] / weights[0] == pytest.approx(3.0)
