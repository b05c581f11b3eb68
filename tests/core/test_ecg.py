"""The heart's removal in C against the twin: long enough for beats, any blocks, reset between."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_line import Harness
from front_end_case import cut_blocks, make_chain, run_device
from myo_export.front_end import quantize_front_end
from myo_export.front_end_analysis import make_filter_twin

RATE_HZ, N = 250.0, 2200
STAGE = 'kind = "ecg"\nreference = 1\nbeats = 8\n'


def pulses(seed: int, loudest: int) -> np.ndarray:
    """Counts of 12 bits: pulses of full scale about every 0.8 s in noise, and whole bursts of full scale."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-loudest, loudest, (N, 3), endpoint=True)
    for at in np.cumsum(rng.integers(150, 240, 12)):
        x[at : at + 8] = [2047, -2048, 1800]
    x[1500:1520] = -2048
    return x


@pytest.mark.parametrize(
    "window", ["", "before_ms = 8.0\nafter_ms = 20.0\n", "before_ms = 100.0\nafter_ms = 150.0\n"]
)
@settings(max_examples=8)
@given(
    st.integers(0, 99),
    st.sampled_from([3, 300, 2047]),
    st.lists(st.integers(0, N), max_size=60),
    st.integers(1, 400),
)
def test_removal_is_the_twins_for_any_blocks(
    front_end: Harness, window: str, seed: int, loudest: int, cuts: list[int], reset_at: int
) -> None:
    spec = make_chain([STAGE + window], rate_hz=RATE_HZ)
    found = quantize_front_end(spec)
    counts, twin = pulses(seed, loudest), make_filter_twin(spec, found)
    blocks = [*cut_blocks(reset_at, cuts), 0, *cut_blocks(len(counts) - reset_at, cuts)]
    status, given_words = run_device(front_end, found, counts, blocks)
    assert status == 0
    first = twin.filter(counts[:reset_at])
    twin.reset()
    rest = twin.filter(counts[reset_at:])
    np.testing.assert_array_equal(np.concatenate(given_words), np.concatenate([first, rest]))


@pytest.mark.parametrize(
    ("place", "value"), [(0, 3), (1, 0), (2, 4), (2, 5000), (3, 11), (4, 20), (5, 62)], ids=str
)
def test_settings_that_cannot_be_are_refused(front_end: Harness, place: int, value: int) -> None:
    found = quantize_front_end(make_chain([STAGE], rate_hz=RATE_HZ))
    words = found.steps[0].step.words.copy()
    words[place] = value
    step = dataclasses.replace(found.steps[0].step, words=words)
    changed = dataclasses.replace(found, steps=(dataclasses.replace(found.steps[0], step=step),))
    assert run_device(front_end, changed, np.zeros((0, 3)), [], 40_000)[0] == 2
