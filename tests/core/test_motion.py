"""Motion removal in C against the twin: any words, any marks, any blocks, from any reset."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_line import Harness
from front_end_case import cut_blocks
from motion_case import make_words, prove, run_device
from myo_pipeline.motion_twin import MotionConfig, MotionTwin

INT32 = np.iinfo(np.int32)


def check(
    harness: Harness,
    config: MotionConfig,
    words: np.ndarray,
    marks: np.ndarray,
    cuts: list[int],
    reset_at: int,
) -> np.ndarray:
    blocks = [*cut_blocks(reset_at, cuts), 0, *cut_blocks(len(words) - reset_at, cuts)]
    status, got = run_device(harness, config, words, marks, blocks)
    twin = MotionTwin(config)
    first = twin.run(words[:reset_at], marks[:reset_at])
    twin.reset()
    expected = np.concatenate([first, twin.run(words[reset_at:], marks[reset_at:])])
    assert status == 0
    np.testing.assert_array_equal(got, expected)
    return expected


@settings(max_examples=25)
@given(st.data())
def test_any_blocks_are_the_twins(motion: Harness, data: st.DataObject) -> None:
    draw = data.draw
    rates = draw(st.sampled_from([(1000.0, 200.0), (1000.0, 104.0), (200.0, 200.0), (2000.0, 148.148)]))
    keys = f"taps = {draw(st.sampled_from([1, 3, 16]))}\nslowness = {draw(st.integers(0, 8))}\n"
    _, proved = prove(rate_hz=rates[0], own_hz=rates[1], channels=draw(st.integers(1, 3)), motion=keys)
    config = replace(
        proved.config, delay=draw(st.sampled_from([1, 7, proved.config.delay, 100])),
        quiet=draw(st.sampled_from([1, proved.config.quiet, 1 << 56])),
    )  # fmt: skip
    n = draw(st.integers(1, 500))
    words, marks = make_words(config, n, draw(st.integers(0, 99)), draw(st.sampled_from([1e-6, 0.01, 1.0])))
    check(
        motion, config, words, marks, draw(st.lists(st.integers(0, n), max_size=9)), draw(st.integers(0, n))
    )


@pytest.mark.parametrize("seed", range(4))
def test_nothing_overflows_whatever_comes(motion: Harness, seed: int) -> None:
    """Words of full scale that do their worst, against the sanitizer; what is left never leaves the limit."""
    config = prove(motion="taps = 16\nslowness = 0\n")[1].config
    rng = np.random.default_rng(seed)
    n = 3000
    period = rng.integers(1, 40)
    signs = np.sign(
        np.sin(np.arange(n)[:, None] / period + rng.uniform(0, 6, config.n_emg + config.n_reference))
    )
    words = np.where(signs > 0, config.limit, -config.limit).astype(np.int32)
    if seed > 1:
        words[:, config.first :] >>= rng.integers(3, 28)  # a faint reference, so that weights grow
    given = check(motion, replace(config, quiet=1), words, np.zeros(n, bool), [], 0)
    assert np.abs(given[:, : config.n_emg].astype(np.int64)).max() <= config.limit


def test_reference_channels_stay_as_they_are(motion: Harness) -> None:
    config = prove()[1].config
    words, marks = make_words(config, 700, 1)
    given = check(motion, config, words, marks, [3, 500], 0)
    np.testing.assert_array_equal(given[:, config.first :], words[:, config.first :])
    assert (given[config.delay :, : config.n_emg] != words[: -config.delay, : config.n_emg]).any()


@pytest.mark.parametrize(
    "change",
    [
        {"n_words": 100}, {"n_emg": 0}, {"n_emg": 3}, {"first": 1}, {"first": 3}, {"every": 0}, {"every": 257}, {"delay": 0},
        {"delay": 4097}, {"taps": 0}, {"taps": 17}, {"slowness": 9}, {"limit": 5}, {"quiet": 0}, {"quiet_high": 1 << 25},
        {"input_shift": -1}, {"n_reference": 0}, {"n_reference": 2},
    ],
    ids=str,
)  # fmt: skip
def test_init_refuses_what_cannot_run(motion: Harness, change: dict[str, int]) -> None:
    config = prove()[1].config
    words, marks = make_words(config, 1, 1)
    assert run_device(motion, config, words, marks, [])[0] == 0
    assert run_device(motion, config, words, marks, [], **change)[0] != 0
