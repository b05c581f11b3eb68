"""Auxiliary streams in C against the twin: any rates, any blocks, whatever the stream's clock does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aux_case import FAULTS, STAGES, make_samples, make_spec, prove, run_device
from device_line import Harness
from front_end_case import cut_blocks
from myo_pipeline.aux_stream import AuxConfig, AuxSamples, AuxTwin
from myo_pipeline.errors import SpecError

DECIMATION = '[[stage]]\nkind = "lowpass"\ncutoff_hz = 40.0\n[[stage]]\nkind = "decimate"\nfactor = 4\n'


def run_twin(
    config: AuxConfig, samples: AuxSamples, blocks: Sequence[int]
) -> tuple[np.ndarray, list[int], AuxTwin]:
    """Return the twin's words, and of each block the place of its last marked frame, from 1."""
    twin = AuxTwin(config)
    twin.feed(samples)
    words, marks = [np.zeros((0, config.n_outputs), np.int32)], []
    for block in blocks:
        found, marked = twin.resample(block)
        words.append(found)
        marks.append(int(np.flatnonzero(marked)[-1]) + 1 if marked.any() else 0)
    return np.concatenate(words), marks, twin


def check(
    harness: Harness,
    configs: Sequence[AuxConfig],
    samples: Sequence[AuxSamples],
    blocks: list[int],
    offset: int,
) -> None:
    status, runs, counters = run_device(harness, configs, samples, blocks, offset)
    assert status == 0
    for number, (config, stream) in enumerate(zip(configs, samples, strict=True)):
        words, marks, twin = run_twin(config, stream, blocks)
        none = np.zeros((0, config.n_outputs), np.int32)
        np.testing.assert_array_equal(np.concatenate([none, *(run.words[number] for run in runs)]), words)
        assert [run.marks[number] for run in runs] == marks
        assert counters[number] == (twin.n_held, twin.n_dropped, 0)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stages", STAGES)
def test_every_fault_is_the_twins(aux: Harness, stages: str, fault: str) -> None:
    config = prove(make_spec([(100.0, None, stages)]))[0].config
    samples = make_samples(config, 1500, 3, fault)
    check(aux, [config], [samples], cut_blocks(1500, [1, 2, 40, 777]), 0)


@settings(max_examples=80)
@given(st.data())
def test_any_stream_is_the_twins(aux: Harness, data: st.DataObject) -> None:
    draw = data.draw
    emg = draw(st.sampled_from(["", DECIMATION]))
    streams = []
    for _ in range(draw(st.integers(1, 3))):
        rate_hz = draw(st.sampled_from([12.5, 25.0, 99.84, 100.0, 104.0, 148.148, 200.0, 333.333, 1000.0]))
        latency_ms = draw(st.sampled_from([None, 0.0, 3.0, 80.0]))
        streams.append((rate_hz, latency_ms, draw(st.sampled_from(STAGES))))
    try:
        configs = [proved.config for proved in prove(make_spec(streams, emg))]
    except SpecError:  # too fast for the window, or a low-pass above half its rate
        return
    n = draw(st.integers(0, 700))
    frame = configs[0].timing.frame
    samples = [
        make_samples(config, n * frame, draw(st.integers(0, 99)), draw(st.sampled_from(FAULTS)))
        for config in configs
    ]
    blocks = cut_blocks(n, draw(st.lists(st.integers(0, n), max_size=8)))
    check(aux, configs, samples, blocks, draw(st.sampled_from([0, 2**32 - 500, 2**31 - 77])))


def test_reset_forgets_everything(aux: Harness) -> None:
    config = prove(make_spec([(100.0, None, STAGES[2])]))[0].config
    samples = make_samples(config, 600, 5, "gaps")
    blocks = cut_blocks(600, [])
    status, runs, counters = run_device(aux, [config], [samples], [*cut_blocks(333, []), 0, *blocks])
    words, marks, twin = run_twin(config, samples, blocks)
    assert status == 0
    np.testing.assert_array_equal(np.concatenate([run.words[0] for run in runs[-len(blocks) :]]), words)
    assert [run.marks[0] for run in runs[-len(blocks) :]] == marks
    assert counters == [(twin.n_held, twin.n_dropped, 0)]
    assert twin.n_held > 0


def test_a_ring_that_is_full_loses_and_comes_back(aux: Harness) -> None:
    """What the ring cannot hold is counted; afterwards the stream stands where it belongs again."""
    config = prove(make_spec([(100.0, 0.0, "")]))[0].config
    n = 60 * config.timing.period_frames
    ramp = np.arange(config.timing.count_samples(4 * n), dtype=np.int32)
    counts = np.stack([ramp, -ramp], axis=1)
    stamps = config.timing.stamp_samples(len(ramp))
    late = (stamps > n) & (stamps < 2 * n)
    stamps[late] = 2 * n  # 59 samples at once
    status, runs, counters = run_device(
        aux, [config], [AuxSamples(counts, stamps)], cut_blocks(4 * n, []), ring_samples=16
    )
    assert status == 0
    held, dropped, lost = counters[0]
    assert (
        0 <= lost - (late.sum() + 1 - 16) <= 4
    )  # with those that come while the block of frames is under way
    assert held > 0
    assert dropped > 0
    words = np.concatenate([run.words[0] for run in runs])[:, 0] * 2.0 ** (
        config.shift - 30 - config.exponent
    )
    time = (np.arange(4 * n) - config.timing.delay_frames) * config.timing.step / config.timing.unit
    ahead = words[-n:] - time[-n:]
    assert np.abs(ahead).max() <= config.timing.max_age * config.timing.step / config.timing.unit + 1e-3
    assert runs[-1].marks == [0]


def test_the_phase_never_drifts(aux: Harness) -> None:
    """A ramp comes out as a ramp after a million frames: 13 / 125 of a sample a frame, to the bit of the last word."""
    config = prove(make_spec([(104.0, 0.0, "")]))[0].config
    n, last = 1_000_000, 2000
    timing = config.timing
    ramp = (np.arange(timing.count_samples(n)) % 30_000).astype(np.int32)
    samples = AuxSamples(np.stack([ramp, ramp], axis=1), timing.stamp_samples(len(ramp)))
    _, runs, counters = run_device(aux, [config], [samples], cut_blocks(n, []))
    words = np.concatenate([run.words[0] for run in runs])[-last:, 0]
    numerator = (np.arange(n - last, n) * timing.step) - timing.unit  # one sample behind
    older, rest = numerator // timing.unit, numerator % timing.unit
    exact = ramp[older] + (ramp[older + 1] - ramp[older]).astype(object) * rest / timing.unit
    unit = 2.0 ** (config.shift - 30 - config.exponent)  # counts of a word
    assert np.abs(words * unit - exact.astype(float)).max() <= 0.5 * unit + 2 * 30_000 * 2.0**-30
    assert counters == [(0, 0, 0)]


@pytest.mark.parametrize(
    "change",
    [
        {"missing_words": 1}, {"rate_mhz": 0}, {"adc_bits": 0}, {"adc_bits": 25}, {"adc_bits": 17}, {"sample_bytes": 3},
        {"n_channels": 0}, {"n_channels": 17}, {"ring_samples": 48}, {"unit": 0}, {"step": 0}, {"unit": 1 << 30},
        {"step": 11}, {"first": 12}, {"frame": 2}, {"max_age": -1}, {"reciprocal_shift": 0}, {"reciprocal_shift": 32},
        {"reciprocal": -1}, {"shift": 0}, {"shift": 62}, {"input_shift": 32},
    ],
    ids=str,
)  # fmt: skip
def test_init_refuses_what_cannot_run(aux: Harness, change: dict[str, int]) -> None:
    config = prove(make_spec([(100.0, None, "")]))[0].config
    samples = make_samples(config, 0, 1)
    assert run_device(aux, [config], [samples], [])[0] == 0
    assert run_device(aux, [config], [samples], [], **change)[0] != 0
