"""The front end in C against the twin: any chain, any blocks, from any reset."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_line import Harness
from front_end_case import FILTERS, OTHERS, chains, cut_blocks, fits, quantize_chain, run_device
from myo_export.front_end_analysis import make_filter_twin
from myo_pipeline.steps import Kind, Step


def check(
    harness: Harness, stages: tuple[str, ...], counts: np.ndarray, cuts: list[int], reset_at: int
) -> None:
    spec, front_end = quantize_chain(stages)
    twin = make_filter_twin(spec, front_end)
    blocks = [*cut_blocks(reset_at, cuts), 0, *cut_blocks(len(counts) - reset_at, cuts)]
    status, given = run_device(harness, front_end, counts, blocks)
    assert status == 0
    first = twin.filter(counts[:reset_at])
    twin.reset()
    expected = np.concatenate([first, twin.filter(counts[reset_at:])])
    got = np.concatenate([np.zeros((0, front_end.n_out), np.int32), *given])
    np.testing.assert_array_equal(got, expected)


def full_scale_noise(seed: int, n: int) -> np.ndarray:
    """Counts of a 12-bit converter, half of them at its ends."""
    rng = np.random.default_rng(seed)
    ends = rng.choice([-2048, 2047], (n, 3))
    return np.where(rng.random((n, 3)) < 0.5, ends, rng.integers(-2048, 2048, (n, 3)))


@pytest.mark.parametrize("stage", [stage for stage in FILTERS + OTHERS if fits((stage,))])
def test_each_stage_is_the_twins(front_end: Harness, stage: str) -> None:
    check(front_end, (stage,), full_scale_noise(1, 400), [1, 2, 33, 77], 150)


@pytest.mark.parametrize("taps", ["n_taps = 21", "n_taps = 40", "n_taps = 2"])
@pytest.mark.parametrize("factor", [2, 3, 64])
def test_a_fir_that_decimates_is_the_twins(front_end: Harness, taps: str, factor: int) -> None:
    stages = (
        f'kind = "fir"\n{taps}\nedges_hz = [35.0]\n',
        f'kind = "decimate"\nfactor = {factor}\nattenuation_db = 0\n',
    )
    assert len(quantize_chain(stages)[1].steps) == 1
    check(front_end, stages, full_scale_noise(2, 400), [1, 2, 33, 77, 80, 81], 150)


@settings(max_examples=80)
@given(chains(), st.integers(0, 99), st.lists(st.integers(0, 120), max_size=8), st.integers(0, 120))
def test_any_chain_is_the_twins(
    front_end: Harness, stages: tuple[str, ...], seed: int, cuts: list[int], reset_at: int
) -> None:
    check(front_end, stages, full_scale_noise(seed, 240), cuts, reset_at)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (Kind.MATRIX, {"shift": 32}),
        (Kind.MATRIX, {"words": np.zeros(9, np.int32)}),
        (Kind.MEAN, {"count": 1}),
        (Kind.MEAN, {"shift": 0}),
        (Kind.FIR, {"shift": 63}),
        (Kind.FIR, {"count": 513}),
        (Kind.TKEO, {"shift": 0}),
        (Kind.SOS, {"count": 33}),
        (Kind.SOS, {"align": 32}),
        (Kind.SOS_WIDE, {"count": 33}),
        (Kind.SOS_WIDE, {"shift": 31}),
        (Kind.RECTIFY, {"n_in": 2}),
        (Kind.RECTIFY, {"n_out": 65}),
        (Kind.DECIMATE, {"decimation": 1}),
    ],
    ids=str,
)
def test_what_cannot_run_is_refused(front_end: Harness, kind: Kind, change: dict[str, object]) -> None:
    stage = next(
        stage
        for stage in OTHERS + FILTERS
        if fits((stage,)) and any(step.kind is kind for step in quantize_chain((stage,))[1].device_steps)
    )
    found = quantize_chain((stage,))[1]
    steps: list[Step] = [
        dataclasses.replace(step, **change) for step in found.device_steps if step.kind is kind
    ]
    proved = [dataclasses.replace(found.steps[0], step=step) for step in steps]
    status, _ = run_device(front_end, dataclasses.replace(found, steps=tuple(proved)), np.zeros((0, 3)), [])
    assert status == 2


def test_memory_that_is_too_small_is_refused(front_end: Harness) -> None:
    found = quantize_chain((FILTERS[0],))[1]
    status, _ = run_device(front_end, found, np.zeros((0, 3)), [], found.state_words - 1)
    assert status not in (0, 2)
