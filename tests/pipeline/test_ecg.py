"""Removal of the heart: integers within the bound of float where both decide alike, and what is left of the heart."""

from __future__ import annotations

import numpy as np
import pytest

from myo_export.front_end import quantize_front_end
from myo_export.front_end_analysis import make_filter_twin
from myo_pipeline.ecg import EcgSettings, find_beats, remove_beats
from myo_pipeline.errors import SpecError
from myo_pipeline.reference import filter_counts
from myo_pipeline.spec import PatchSpec, parse_spec

RATE_HZ, SECONDS, BAND = 1000, 40, '[[stage]]\nkind = "highpass"\ncutoff_hz = 20.0\norder = 2\n'


def make_spec(stages: str, rate_hz: float = RATE_HZ, bits: int = 12) -> PatchSpec:
    return parse_spec(
        f'format = 1\nname = "test"\n[sensor]\nchannels = 3\nrate_hz = {rate_hz}\nlsb_uv = 1.0\nadc_bits = {bits}\n{stages}'
        '[window]\nwindow_ms = 100.0\nhop_ms = 50.0\n[output]\nkind = "classes"\nlabels = ["a", "b"]\n'
        '[training]\ndata = "none"\n'
    )


def make_heart(n: int, rate_hz: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return three leads of a heart, in which beats have other shapes and breathe, and the times of its beats."""
    seconds, beats = np.arange(n) / rate_hz, np.cumsum(rng.normal(0.85, 0.04, int(n / rate_hz * 1.4)))
    beats = beats[beats < n / rate_hz - 0.5]
    leads = np.zeros((n, 3))
    for beat in beats:
        near = (seconds - beat) / 0.008
        breath = 1 + 0.1 * np.sin(2 * np.pi * 0.25 * beat + np.arange(3))
        waves = np.stack([np.exp(-(near**2)), near * np.exp(-(near**2)), np.exp(-((near - 1) ** 2))], axis=1)
        leads += breath * waves
    return leads, beats


def mix(rate_hz: float, bits: int, seed: int, heart: float = 0.5, muscle: float = 0.02) -> np.ndarray:
    """Return counts of a heart in noise, as shares of full scale; the last channel has both ends of the converter."""
    rng = np.random.default_rng(seed)
    n, full_scale = round(SECONDS * rate_hz), 1 << (bits - 1)
    leads, _ = make_heart(n, rate_hz, rng)
    x = heart * leads + muscle * rng.standard_normal((n, 3))
    x[:, 2] = np.where(rng.random(n) < 0.3, np.sign(x[:, 2]), x[:, 2])
    return np.clip(np.round(x * full_scale), -full_scale, full_scale - 1).astype(np.int64)


@pytest.mark.parametrize(("rate_hz", "bits"), [(200.0, 8), (1000.0, 12), (2000.0, 24)])
@pytest.mark.parametrize("stages", ["", BAND], ids=["counts", "behind a high-pass"])
def test_integers_stay_within_their_bound_of_float(rate_hz: float, bits: int, stages: str) -> None:
    spec = make_spec(stages + '[[stage]]\nkind = "ecg"\nreference = 0\n', rate_hz, bits)
    front_end = quantize_front_end(spec)
    counts = mix(rate_hz, bits, seed=1)
    reference = filter_counts(spec, counts)
    error = np.abs(make_filter_twin(spec, front_end).filter(counts) * 2.0**-front_end.exponent - reference)
    bound = front_end.error_bound_counts(float(spec.sensor.full_scale_counts))
    assert error.max() <= bound * (1 + 1e-9) + 1e-9
    assert front_end.steps[-1].peak < 1
    # Something was removed, so that the bound says something of the removal.
    late = round(0.16 * rate_hz)
    before = filter_counts(make_spec(stages, rate_hz, bits), counts)[:-late]
    assert (reference[late:, 0] ** 2).sum() < 0.5 * (before[:, 0] ** 2).sum()


def test_beats_are_found_where_they_are() -> None:
    rng = np.random.default_rng(2)
    settings = EcgSettings(0, 70, 90, 5, 250, 2000)
    n = SECONDS * RATE_HZ
    leads, beats = make_heart(n, RATE_HZ, rng)
    ends = np.array(find_beats(leads[:, 0] + 0.04 * rng.standard_normal(n), settings))
    expected = np.round(beats * RATE_HZ).astype(int)[beats > 2.1] + settings.after - 1
    assert len(ends) == len(expected)
    assert np.abs(ends - expected).max() <= 8


def test_the_heart_goes_and_the_muscle_stays() -> None:
    """At least 12 dB of the heart is gone where it is as strong as the muscle, and of the muscle less than 6 % with it."""
    rng = np.random.default_rng(3)
    settings, n = EcgSettings(0, 70, 90, 5, 250, 2000), SECONDS * RATE_HZ
    heart, _ = make_heart(n, RATE_HZ, rng)
    muscle = rng.standard_normal((n, 3))
    muscle *= heart[:, 1:].std() / muscle.std() * np.array([0.1, 1.0, 1.0])
    given = remove_beats(heart + muscle, settings)[settings.window :]
    left = (given - muscle[: -settings.window])[10_000:, 1:]
    assert 10 * np.log10((heart[10_000:, 1:] ** 2).mean() / (left**2).mean()) > 12


def test_without_a_heart_nothing_changes_but_the_delay() -> None:
    spec = make_spec('[[stage]]\nkind = "ecg"\nreference = 2\n')
    front_end = quantize_front_end(spec)
    counts = np.random.default_rng(4).integers(-2048, 2048, (5000, 3))
    counts[:, 2] = 7  # a level that no beat exceeds: magnitudes are all alike, and the first reach it
    words = make_filter_twin(spec, front_end).filter(counts) * 2.0**-front_end.exponent
    late = round(0.16 * RATE_HZ)
    np.testing.assert_array_equal(words[late:2000], counts[: 2000 - late])


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("reference = 3\n", "reference: 3 does not exist, 3 channels come in"),
        ("reference = 0\nafter_ms = 3.0\n", "after_ms: a beat of 70 and 3 samples"),
        ("reference = 0\nbeats = 9\n", "beats"),
    ],
)
def test_what_cannot_be_is_refused(stage: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make_spec(f'[[stage]]\nkind = "ecg"\n{stage}')
