"""When auxiliary samples are due: exactly, and never out of place without a mark."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aux_case import FAULTS, STAGES, make_samples, make_spec, prove
from myo_pipeline.aux_reference import align_samples, interpolate, time_aux
from myo_pipeline.aux_sensor import AuxTiming
from myo_pipeline.aux_stream import HELD, Alignment, AuxConfig, AuxTwin
from myo_pipeline.errors import SpecError

TIMINGS = st.builds(
    lambda step, unit, frame, lag: AuxTiming(
        Fraction(step, unit).numerator, Fraction(step, unit).denominator, frame, 1, lag
    ),
    st.integers(1, 40), st.integers(40, 900), st.integers(1, 5), st.integers(0, 60),
)  # fmt: skip


def advance(timing: AuxTiming, stamps: np.ndarray, n_frames: int) -> list[tuple[int, bool, int]]:
    """Return what is due: number, whether faulty, and the frame of the EMG sensor at which it was taken."""
    alignment = Alignment(timing)
    alignment.feed(stamps)
    return [
        (number, fault, (k + 1) * timing.frame - 1)
        for k in range(n_frames)
        for number, fault in alignment.advance()[0]
    ]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(TIMINGS, st.integers(1, 400))
def test_a_stream_that_keeps_its_rate_is_taken_as_it_comes(timing: AuxTiming, n_frames: int) -> None:
    stamps = timing.stamp_samples(timing.count_samples(n_frames * timing.frame))
    assert all(stamps < n_frames * timing.frame)
    due = advance(timing, stamps, n_frames)
    assert [number for number, _, _ in due] == list(range(len(due)))
    assert not any(fault for _, fault, _ in due)
    for number, _, frame in due:  # with the first frame of the window that is late enough
        late = frame - Fraction(number * timing.unit, timing.step) - timing.lag
        assert 0 <= late < timing.frame
    np.testing.assert_array_equal(align_samples(timing, stamps, n_frames), np.arange(len(due)))


@settings(deadline=None, derandomize=True, max_examples=100)
@given(TIMINGS, st.integers(0, 99), st.sampled_from(FAULTS))
def test_whatever_the_clock_does_a_sample_stands_where_it_came_or_is_marked(
    timing: AuxTiming, seed: int, fault: str
) -> None:
    """Taken in place i: it came between a sample's time before it and ``lag`` after, give or take a frame of the window."""
    n_frames = 900
    config = AuxConfig(timing, 1, 8, 0, (), 0, 30)
    stamps = make_samples(config, n_frames * timing.frame, seed, fault).stamps
    due = advance(timing, stamps, n_frames)
    early = timing.max_age - timing.lag  # a sample's time, rounded up, and a frame of the window
    found = [number for number, _, _ in due if number != HELD]
    assert found == sorted(set(found))
    for place, (number, is_fault, frame) in enumerate(due):
        time = Fraction(place * timing.unit, timing.step)
        if number == HELD:
            assert is_fault
            continue
        assert stamps[number] <= frame  # nothing is seen before it came
        assert stamps[number] - time <= timing.lag + timing.frame
        newer_is_there = number + 1 < len(stamps) and stamps[number + 1] <= frame
        if newer_is_there:
            assert time - stamps[number] <= early + timing.frame
    previous = -1
    for number, is_fault, _ in due:
        if number != HELD:
            assert is_fault == (number != previous + 1)  # left out: exactly where numbers jump
            previous = number
    np.testing.assert_array_equal(align_samples(timing, stamps, n_frames), [number for number, _, _ in due])


def test_linear_interpolation_is_exact_on_a_ramp() -> None:
    timing = AuxTiming(13, 125, 2, 3, 10)
    due = np.arange(400)
    ramp = due[2::3, None].astype(float)  # the last of three samples
    y = interpolate(timing, ramp, 1500)[:, 0]
    time = (np.arange(1500) * 2 + 1 - 10) * 13 / 125 - 3  # one sample behind the stages
    settled = time >= 2
    np.testing.assert_allclose(y[settled], time[settled], rtol=0, atol=1e-9)


@pytest.mark.parametrize("fault", FAULTS)
def test_blocks_and_pauses_change_no_word(fault: str) -> None:
    config = prove(make_spec([(104.0, None, STAGES[2])]))[0].config
    samples = make_samples(config, 900, 2, fault)
    whole, parts = AuxTwin(config), AuxTwin(config)
    whole.feed(samples)
    words, marks = whole.resample(900)
    found, at = [], 0
    for n in (1, 0, 7, 300, 1, 591):
        seen = (samples.stamps >= at) & (samples.stamps < at + n)
        parts.feed(type(samples)(samples.counts[seen], samples.stamps[seen]))
        at += n
        found.append(parts.resample(n))
    np.testing.assert_array_equal(np.concatenate([w for w, _ in found]), words)
    np.testing.assert_array_equal(np.concatenate([k for _, k in found]), marks)
    assert marks.any() == bool(fault not in ("", "jitter"))


def test_marks_last_as_long_as_a_held_sample_is_seen() -> None:
    """One sample is missing: marked are the frames that it would have shaped, two of its times, and no other."""
    config = prove(make_spec([(100.0, 0.0, "")]))[0].config
    samples = make_samples(config, 1000, 4)
    keep = np.arange(len(samples)) != 40
    twin = AuxTwin(config)
    twin.feed(type(samples)(samples.counts[keep], samples.stamps[keep]))
    words, marks = twin.resample(1000)
    np.testing.assert_array_equal(np.flatnonzero(marks), np.arange(400, 420))
    assert (twin.n_held, twin.n_dropped) == (1, 0)
    whole = AuxTwin(config)
    whole.feed(samples)
    same = (whole.resample(1000)[0] == words).all(axis=1)
    np.testing.assert_array_equal(
        same, ~marks | (np.arange(1000) == 400)
    )  # a new sample has no weight at first


@pytest.mark.parametrize(
    ("streams", "said"),
    [
        ([(2000.0, None, "")], "faster than the window's frames, 1000 Hz"),
        ([(99.999, None, ""), (100.001, None, "")], "aux[0].rate_hz: 99.999 Hz is 99999 / 1000000"),
        ([(100.0, None, '[[aux.stage]]\nkind = "lowpass"\ncutoff_hz = 60.0\n')], "aux[0].stage[0].cutoff_hz"),
        ([(100.0, -1.0, "")], "aux[0].latency_ms"),
        ([(100.0, None, '[[aux.stage]]\nkind = "dc"\ncutof_hz = 1.0\n')], "did you mean 'cutoff_hz'"),
    ],
)
def test_what_cannot_be_resampled_is_refused(streams: list, said: str) -> None:
    if "99999 / 1000000" in said:  # fine as it is, too long with a decimation of its own
        make_spec(streams)
        streams = [
            (99.999, None, '[[aux.stage]]\nkind = "decimate"\nfactor = 64\nattenuation_db = 0.0\n' * 2)
        ]
    with pytest.raises(SpecError) as caught:
        make_spec(streams)
    assert said in str(caught.value)


def test_timing_follows_from_the_spec() -> None:
    spec = make_spec([(104.0, None, ""), (100.0, 25.5, STAGES[2])], rate_hz=1000.0)
    assert time_aux(spec, spec.aux[0]) == AuxTiming(13, 125, 1, 1, 10)
    assert time_aux(spec, spec.aux[1]) == AuxTiming(1, 10, 1, 3, 26)
    assert spec.front_end_channels == spec.emg_channels + 4
