"""The patch in C with its quality gate: flags, masked words and windows that cast no vote, whatever the blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_line import Device, Harness, Said, Settings, pack_gate, pack_stage
from feature_case import all_features
from myo_host import messages as m
from myo_pipeline.quality import Flag, QualitySettings, compile_quality
from myo_pipeline.quality_gate import GateTwin, QualityGate
from myo_pipeline.reference import cut_windows
from quality_case import faulty_counts
from test_patch import (
    SECTIONS,
    VALUES,
    gather,
    model_front_end,
    model_network,
    model_quantize,
    model_vote,
    replay,
)
from test_patch_features import make_stage

RATE_HZ = 200.0
TRACED = 1 << m.Stage.INPUT | 1 << m.Stage.OUTPUT


def make_gate(s: Settings, seed: int, max_masked: int = 0) -> QualityGate:
    """Give a gate whose flags change often; a channel behind the front end is one of the sensor, backwards round the ring."""
    rng = np.random.default_rng(seed)
    thresholds = QualitySettings(
        periods_on=int(rng.integers(1, 3)), periods_off=int(rng.integers(1, 3)), period_ms=80.0,
        settle_periods=3, off_share=0.3, duplicated_share=0.1,
    )  # fmt: skip
    checks = int(rng.integers(1, sum(Flag) + 1))
    config = compile_quality(
        thresholds, n_channels=s.n_channels, rate_hz=RATE_HZ, adc_bits=s.adc_bits,
        lsb_uv=4000.0 / (1 << s.adc_bits), checks=checks,
    )  # fmt: skip
    reach = np.eye(s.n_channels, dtype=bool)
    if s.n_filtered not in (0, s.n_channels):
        reach = np.zeros((s.n_channels, s.n_filtered), bool)
        for row in range(s.n_filtered):
            reach[s.n_channels - 1 - row % s.n_channels, row] = True
    mask_flags = checks & int(rng.integers(0, sum(Flag) + 1))
    return QualityGate(config, mask_flags, max_masked, reach, s.factor)


def rows_said(said: list[Said]) -> np.ndarray:
    """What the device told of each period, as the twin's rows."""
    found = [x for x in said if x.name == "QUALITY"]
    assert [x.fields["period"] for x in found] == list(range(len(found)))
    return np.array([[*x.tail, x.fields["n_masked"], x.fields["gated"]] for x in found])


@settings(max_examples=50)
@given(st.data())
def test_patch_gates(device: Harness, data: st.DataObject) -> None:
    draw = data.draw
    window, has_features = draw(st.integers(17, 60)), draw(st.booleans())
    hop, n_windows = draw(st.integers(5, window)), draw(st.sampled_from([1, 2, 4])) if has_features else 1
    s = Settings(
        n_channels=draw(st.integers(1, 6)),
        window_samples=window + (n_windows - 1) * hop,
        hop_samples=hop,
        n_outputs=draw(st.integers(1, 4)),
        output_kind=draw(st.sampled_from([0, VALUES])),
        vote=draw(st.integers(1, 6)),
        reject_below=draw(st.sampled_from([-128, -20])),
        sections=SECTIONS[: draw(st.integers(0, 2))],
        ring_frames=draw(st.sampled_from([1, 8, 64])),
        n_filtered=draw(st.sampled_from([0, 1, 2, 7])),
        factor=draw(st.sampled_from([1, 1, 2])),
        has_features=int(has_features),
        streams=0 if has_features else int(draw(st.booleans())),
        has_quality=1,
    )
    seed = draw(st.integers(0, 9999))
    gate = make_gate(s, seed, draw(st.integers(0, 3)))
    features = all_features(threshold=40.0)[:4]
    stage = make_stage(features, s, seed, n_windows=n_windows) if has_features else None
    s = replace(s, gate=pack_gate(gate), stage=pack_stage(stage) if stage else b"")
    period = gate.config.period_frames
    n = period * draw(st.integers(0, 14)) + draw(st.integers(0, period))
    counts = faulty_counts(np.random.default_rng(seed), n, s.n_channels, RATE_HZ, s.adc_bits, period)
    patch = Device(device, s)
    assert patch.status == 0
    replay(patch, counts[: n // 2], [], 0)  # START after it must forget all of it
    said = replay(patch, counts, sorted(draw(st.lists(st.integers(0, n), max_size=5))), TRACED)

    twin = GateTwin(gate)
    for piece in np.array_split(counts, draw(st.integers(1, 9))):
        twin.push(piece)
    np.testing.assert_array_equal(rows_said(said).reshape(-1, s.n_channels + 2), twin.rows)
    ends_said = [x.fields["end_sample"] for x in said if x.name == "QUALITY"]
    assert ends_said == [(k + 1) * period for k in range(n // period)]

    filtered = model_front_end(counts, s)
    inputs, outputs, sums = (gather(said, x) for x in (m.Stage.INPUT, m.Stage.OUTPUT, m.Stage.DECISION))
    decisions = [x.fields for x in said if x.name == "DECISION"]
    ends = np.arange(s.window_samples, len(filtered) + 1, s.hop_samples)
    assert len(decisions) == len(ends) == len(inputs)
    own_ends = np.arange(window, len(filtered) + 1, hop)
    masked, gated = gate.mask_windows(twin.rows, own_ends), gate.gate_windows(twin.rows, own_ends)
    if stage is not None:
        words = cut_windows(stage.to_words(filtered.astype(np.int32)), window, hop)
        vectors = [stage.normalize(stage.compute(x.astype(np.int16))).astype(np.int64) for x in words]
        for x, mask in zip(vectors, masked, strict=True):
            x[:, mask] = stage.normalization.zero_point
        # A window is of several: what one of them was masked or gated by stays as long as it does.
        expected = [np.stack(vectors[k : k + n_windows]) for k in range(len(ends))]
        gated = np.array([gated[k : k + n_windows].any() for k in range(len(ends))], bool)
    else:
        zero_points = s.zero_point + np.arange(filtered.shape[1]) % 2
        of_frames = gate.mask_frames(twin.rows, 0, len(filtered))
        quantized = np.where(of_frames, zero_points, model_quantize(filtered, s))
        expected = [quantized[end - s.window_samples : end] for end in ends]
    votes: list[int] = []
    history: list[list[int] | None] = []
    for k, decision in enumerate(decisions):
        np.testing.assert_array_equal(inputs[k], expected[k].ravel())
        output = model_network(expected[k], s)
        assert list(outputs[k]) == output
        history.append(None if gated[k] else output)
        got = tuple(decision[name] for name in ("decided", "raw", "confidence", "n_votes"))
        if s.output_kind == VALUES:
            counted = [x for x in history[-s.vote :] if x is not None]
            assert list(sums[k]) == np.sum([[0] * s.n_outputs, *counted], axis=0).tolist()
            assert got == (-1, -1, 0, len(counted))
            continue
        raw = -1 if gated[k] else output.index(max(output))
        votes.append(raw if max(output) >= s.reject_below else -1)
        decided, n_votes = model_vote(votes, s.vote)
        assert got == (decided, raw, 0 if gated[k] else max(output), n_votes)


def test_a_gated_window_gates_every_decision_that_holds_its_features(device: Harness) -> None:
    n_windows, n_by_older = 4, 0
    s = Settings(n_channels=4, window_samples=20 + 3 * 8, hop_samples=8, has_features=1, has_quality=1)
    for seed in range(12):
        gate = make_gate(s, seed, 1)
        stage = make_stage(all_features(threshold=40.0)[:2], s, seed, n_windows=n_windows)
        n = 20 * gate.config.period_frames
        counts = faulty_counts(
            np.random.default_rng(seed), n, 4, RATE_HZ, s.adc_bits, gate.config.period_frames
        )
        patch = Device(device, replace(s, gate=pack_gate(gate), stage=pack_stage(stage)))
        said = replay(patch, counts, [], 0)
        twin = GateTwin(gate)
        twin.push(counts)
        alone = gate.gate_windows(twin.rows, np.arange(20, n + 1, 8))
        held = np.lib.stride_tricks.sliding_window_view(alone, n_windows).any(axis=1)
        raw = np.array([x.fields["raw"] for x in said if x.name == "DECISION"])
        np.testing.assert_array_equal(raw < 0, held)
        n_by_older += int((held & ~alone[n_windows - 1 :]).sum())
    assert n_by_older > 20


def test_the_gate_is_not_silent() -> None:
    """What the test above compares: every flag, masks and gates come and go."""
    rows, changes = [], 0
    for seed in range(60):
        s = Settings(n_channels=4, has_quality=1)
        gate = make_gate(s, seed, 1)
        twin = GateTwin(gate)
        twin.push(
            faulty_counts(np.random.default_rng(seed), 300, 4, RATE_HZ, s.adc_bits, gate.config.period_frames)
        )
        rows.append(twin.rows)
        changes += int(np.abs(np.diff(twin.rows[:, -1])).sum())
    flags = np.concatenate(rows)
    assert np.bitwise_or.reduce(flags[:, :-2], axis=None) == sum(Flag)
    assert set(flags[:, -1]) == {0, 1}
    assert set(flags[:, -2]) >= {0, 1, 2, 3}
    assert changes > 20


@pytest.mark.parametrize(
    "change",
    [{"n_channels": 4}, {"missing_channels": 1}, {"reach": True}, {"adc_bits": 25}],
    ids=str,
)
def test_init_refuses_a_gate_that_cannot_run(device: Harness, change: dict[str, int]) -> None:
    s = Settings(has_quality=1)
    gate = make_gate(s, 1)
    assert Device(device, replace(s, gate=pack_gate(gate))).status == 0
    if "n_channels" in change:
        gate = make_gate(replace(s, **change), 1)
    if "reach" in change:
        gate = replace(gate, reach=np.ones((3, 4), bool))
    if "adc_bits" in change:
        gate = replace(gate, config=replace(gate.config, adc_bits=25))
    packed = pack_gate(gate, change.get("missing_channels", 0))
    assert Device(device, replace(s, gate=packed)).status != 0
