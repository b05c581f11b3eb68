"""Law 2 of auxiliary streams: the twin stays within the derived bound of float, whatever the stream's clock does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aux_case import FAULTS, STAGES, make_samples, make_spec, prove
from myo_export.front_end import quantize_front_end
from myo_pipeline.aux_reference import AuxReference
from myo_pipeline.aux_stream import AuxSamples, AuxTwin
from myo_pipeline.chain import bound_peak, design_chain

EMG = ("", '[[stage]]\nkind = "bandpass"\nlow_hz = 20.0\nhigh_hz = 200.0\n', '[[stage]]\nkind = "tkeo"\n')


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    st.sampled_from(EMG), st.sampled_from(STAGES), st.sampled_from([99.84, 104.0, 333.333]),
    st.sampled_from(FAULTS), st.sampled_from([8, 12, 24]), st.integers(0, 99),
)  # fmt: skip
def test_twin_is_within_the_bound(
    emg: str, stages: str, rate_hz: float, fault: str, bits: int, seed: int
) -> None:
    spec = make_spec([(rate_hz, None, stages)], emg, bits=bits)
    front_end, proved = quantize_front_end(spec), prove(spec)[0]
    n = 400
    samples = make_samples(proved.config, n, seed, fault)
    exact = AuxReference(spec).resample([samples], n)
    twin = AuxTwin(proved.config)
    twin.feed(samples)
    words = twin.resample(n)[0] * 2.0**-front_end.exponent
    assert np.abs(words - exact).max() <= proved.error_bound
    peak = bound_peak(design_chain(spec), float(spec.sensor.full_scale_counts))
    assert np.abs(exact).max() <= peak  # so what fits the EMG's words fits its own


def test_the_bound_is_not_idle() -> None:
    """Without stages, all there is to the bound is the last rounding and the weight: noise reaches half of it."""
    proved = prove(make_spec([(99.84, None, "")], bits=12))[0]
    spec = make_spec([(99.84, None, "")], bits=12)
    samples = make_samples(proved.config, 40_000, 8)
    twin = AuxTwin(proved.config)
    twin.feed(samples)
    error = twin.resample(40_000)[0] * 2.0 ** -quantize_front_end(spec).exponent - AuxReference(
        spec
    ).resample([samples], 40_000)
    assert 0.4 < np.abs(error).max() / proved.error_bound <= 1


@pytest.mark.parametrize("rate_hz", [50.0, 100.0])
def test_linear_interpolation_beats_holding(rate_hz: float) -> None:
    """Movement up to 8 Hz against itself, delayed by what each form delays: the reason for the form chosen."""
    spec = make_spec([(rate_hz, 0.0, "")])
    proved = prove(spec)[0]
    timing, n = proved.config.timing, 4000
    t = np.arange(n) / 1000

    def move(time_s: np.ndarray) -> np.ndarray:
        return 9000 * np.sin(2 * np.pi * 1.3 * time_s) + 4000 * np.sin(2 * np.pi * 7.9 * time_s + 1)

    own = np.rint(move(np.arange(timing.count_samples(n)) / rate_hz)).astype(np.int32)
    samples = AuxSamples(np.stack([own, own], axis=1), timing.stamp_samples(len(own)))
    y = AuxReference(spec).resample([samples], n)[200:, 0] / 2.0**proved.gain_bits
    linear = y - move(t - 1 / rate_hz)[200:]
    held = own[(np.arange(n) // (1000 // rate_hz)).astype(int)][200:] - move(t - 0.5 / rate_hz)[200:]
    assert np.std(linear) < np.std(held) / 3
    # a quarter of the second derivative's largest step, and the rounding of a count: T^2 / 8 max |x''| + 1/2
    second = 9000 * (2 * np.pi * 1.3) ** 2 + 4000 * (2 * np.pi * 7.9) ** 2
    assert np.abs(linear).max() <= second / rate_hz**2 / 8 + 0.5
