"""The patch in C, from samples on the line to decisions, against a plain model of its contract."""

from __future__ import annotations

import itertools
import struct
from collections import Counter
from typing import Any

import cmsisdsp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_line import Device, Harness, Said, Settings
from myo_host import messages as m

CLASSES, VALUES = 0, 1
ALL_STAGES = 0x3F
# A gentle low-pass and a notch-like section, halved: post_shift 1.
SECTIONS = [
    [72048237, 144096474, 72048237, 1227265968, -448800000],
    [1000000000, -300000000, 1000000000, 290000000, -930000000],
]


def model_front_end(counts: np.ndarray, s: Settings) -> np.ndarray:
    """Filter, take the channels backwards round the ring, keep the last of every factor frames."""
    filtered = model_filter(counts, s)
    if s.n_filtered not in (0, s.n_channels):
        filtered = filtered[:, [s.n_channels - 1 - row % s.n_channels for row in range(s.n_filtered)]]
    return filtered[s.factor - 1 :: s.factor]


def model_filter(counts: np.ndarray, s: Settings) -> np.ndarray:
    x = (counts.astype(np.int64) << s.input_shift).astype(np.int32)
    if not s.sections or not len(x):
        return x
    columns = []
    for channel in range(s.n_channels):
        instance = cmsisdsp.arm_biquad_casd_df1_inst_q31()
        flat = np.array(s.sections, np.int32).ravel()
        state = np.zeros(4 * len(s.sections), np.int32)
        cmsisdsp.arm_biquad_cascade_df1_init_q31(instance, len(s.sections), flat, state, s.post_shift)
        columns.append(cmsisdsp.arm_biquad_cascade_df1_q31(instance, np.ascontiguousarray(x[:, channel])))
    return np.stack(columns, axis=1)


def model_quantize(x_q31: np.ndarray, s: Settings) -> np.ndarray:
    """As the device: each channel has a scale of its own."""
    columns = []
    for channel, x in enumerate(x_q31.T.astype(object)):
        multiplier, shift = s.multiplier - s.multiplier // 8 * (channel % 3), s.shift + channel % 2
        columns.append(((x * multiplier + (1 << (shift - 1))) >> shift) + s.zero_point + channel % 2)
    return np.clip(np.stack(columns, axis=1), -128, 127)


def model_network(window: np.ndarray, s: Settings) -> list[int]:
    flat = window.ravel()
    return [int(min(max(sum(flat[o :: s.n_outputs]) >> 3, -128), 127)) for o in range(s.n_outputs)]


def model_vote(history: list[int], n: int) -> tuple[int, int]:
    """Winner and its votes; equals go to whom was voted for last."""
    recent = [vote for vote in history[-n:] if vote >= 0]
    if not recent:
        return -1, 0
    counted = Counter(recent)
    most = max(counted.values())
    return next(vote for vote in reversed(recent) if counted[vote] == most), most


def gather(said: list[Said], stage: m.Stage, layer: int = 0) -> dict[int, np.ndarray]:
    """Put a stage's pieces together, by index."""
    tensors: dict[int, list[int]] = {}
    for message in said:
        if message.name == "TENSOR" and (message.fields["stage"], message.fields["layer"]) == (stage, layer):
            pieces = tensors.setdefault(message.fields["index"], [])
            assert message.fields["offset"] == len(pieces)
            pieces.extend(message.elements())
    return {index: np.array(pieces) for index, pieces in tensors.items()}


def replay(device: Device, counts: np.ndarray, cuts: list[int], trace_mask: int) -> list[Said]:
    said = device.start(trace_mask=trace_mask)
    assert [(x.name, x.fields) for x in said] == [("CREDIT", {"consumed_frames": 0})]
    bounds = [0, *cuts, len(counts)]
    frame_bytes = device.settings.n_channels * device.settings.sample_bytes
    most = min(device.settings.ring_frames, (m.MAX_PAYLOAD - m.SAMPLES.struct.size) // frame_bytes)
    for begin, end in itertools.pairwise(bounds):
        for at in range(begin, end, most):
            said += device.samples(counts[at : min(end, at + most)])
    return said + device.send(m.STOP)


@settings(max_examples=60)
@given(st.data())
def test_patch_follows_its_contract(device: Harness, data: st.DataObject) -> None:
    draw = data.draw
    s = Settings(
        n_channels=draw(st.integers(1, 9)),
        window_samples=draw(st.integers(1, 40)),
        hop_samples=draw(st.integers(1, 50)),
        n_outputs=draw(st.integers(1, 6)),
        sample_bytes=draw(st.sampled_from([2, 4])),
        output_kind=draw(st.sampled_from([CLASSES, VALUES])),
        vote=draw(st.integers(1, 31)),
        reject_below=draw(st.sampled_from([-128, -20, 0, 5, 127])),
        sections=SECTIONS[: draw(st.integers(0, 2))],
        ring_frames=draw(st.sampled_from([1, 4, 32, 64])),
        multiplier=draw(st.sampled_from([1 << 24, -(1 << 22), 1 << 26])),
        n_filtered=draw(st.sampled_from([0, 1, 2, 12])),
        factor=draw(st.sampled_from([1, 1, 2, 5])),
    )
    s.streams = int(s.hop_samples <= s.window_samples and draw(st.booleans()))
    n_samples = data.draw(st.integers(0, 180))
    counts = np.random.default_rng(data.draw(st.integers(0, 99))).integers(
        -512, 512, (n_samples, s.n_channels)
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, n_samples), max_size=5)))
    patch = Device(device, s)
    assert patch.status == 0
    replay(patch, counts[: n_samples // 2], [], 0)  # START after it must forget all of it
    said = replay(patch, counts, cuts, ALL_STAGES)

    filtered = model_front_end(counts, s)
    quantized = model_quantize(filtered, s)
    for stage, expected in ((m.Stage.RAW, counts), (m.Stage.FILTERED, filtered)):
        blocks = gather(said, stage)
        assert sorted(blocks) == list(blocks)
        width = expected.shape[1]
        assert list(blocks) == list(np.cumsum([0, *(len(b) // width for b in blocks.values())])[:-1])
        words = np.concatenate(list(blocks.values())) if blocks else np.zeros(0)
        np.testing.assert_array_equal(words, expected.ravel())

    ends = list(range(s.window_samples, len(filtered) + 1, s.hop_samples))
    decisions = [x.fields for x in said if x.name == "DECISION"]
    assert [(d["window"], d["end_sample"]) for d in decisions] == [
        (k, end * s.factor) for k, end in enumerate(ends)
    ]
    inputs, outputs = gather(said, m.Stage.INPUT), gather(said, m.Stage.OUTPUT)
    layers = [gather(said, m.Stage.LAYER, layer) for layer in (0, 1)]
    sums = gather(said, m.Stage.DECISION)
    votes: list[int] = []
    history: list[list[int]] = []
    for k, (end, decision) in enumerate(zip(ends, decisions, strict=True)):
        window = quantized[end - s.window_samples : end]
        output = model_network(window, s)
        history.append(output)
        assert list(inputs[k]) == list(window.ravel())
        assert list(layers[0][k]) == [~v for v in window.ravel()]
        assert list(layers[1][k]) == list(outputs[k]) == output
        got = tuple(decision[name] for name in ("decided", "raw", "confidence", "n_votes"))
        if s.output_kind == VALUES:
            assert list(sums[k]) == [sum(column) for column in zip(*history[-s.vote :], strict=True)]
            assert got == (-1, -1, 0, min(k + 1, s.vote))
        else:
            raw = output.index(max(output))
            votes.append(raw if max(output) >= s.reject_below else -1)
            decided, n_votes = model_vote(votes, s.vote)
            assert got == (decided, raw, max(output), n_votes)
    assert s.output_kind == VALUES or not sums
    status = said[-1].fields
    assert said[-1].name == "STATUS"
    assert (status["samples_received"], status["samples_processed"]) == (n_samples, n_samples)
    assert (status["windows"], status["samples_lost"], status["faults"]) == (len(ends), 0, 0)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 31), st.data())
def test_vote_ties_and_rejections(parts: Harness, classes: list[int], n: int, data: st.DataObject) -> None:
    confidences = data.draw(
        st.lists(st.sampled_from([-100, 9, 10, 11]), min_size=len(classes), max_size=len(classes))
    )
    outputs = np.full((len(classes), 4), -128, np.int8)
    outputs[np.arange(len(classes)), classes] = confidences
    answer = parts.ask("v", struct.pack("<IIiI", CLASSES, n, 10, 4) + outputs.tobytes())
    got = np.frombuffer(answer[4:], "<i2").reshape(-1, 4)
    votes = [c if confidence >= 10 else -1 for c, confidence in zip(classes, confidences, strict=True)]
    for k, row in enumerate(got):
        decided, n_votes = model_vote(votes[: k + 1], n)
        assert tuple(row) == (decided, classes[k], confidences[k], n_votes)


def test_equal_outputs_give_the_lowest_index(parts: Harness) -> None:
    answer = parts.ask("v", struct.pack("<IIiI", CLASSES, 1, -128, 3) + bytes([7, 7, 7, 0, 9, 9]))
    assert list(np.frombuffer(answer[4:], "<i2").reshape(-1, 4)[:, 1]) == [0, 1]


BAD_SETTINGS = [
    {"window_samples": 0}, {"hop_samples": 0}, {"n_outputs": 0}, {"sample_bytes": 3}, {"adc_bits": 0},
    {"adc_bits": 25}, {"sample_bytes": 2, "adc_bits": 17}, {"output_kind": 2}, {"vote": 0}, {"vote": 32},
    {"shift": 0}, {"shift": 63}, {"input_shift": 32}, {"post_shift": 32, "sections": SECTIONS}, {"factor": 65_536},
    {"ring_frames": 12},
    {"rx_bytes": 1000}, {"tx_bytes": 512}, {"n_channels": 65},
    {"streams": 1, "hop_samples": 13},
]  # fmt: skip


@pytest.mark.parametrize("change", BAD_SETTINGS, ids=str)
def test_init_refuses_what_cannot_run(device: Harness, change: dict[str, Any]) -> None:
    assert Device(device, Settings(**change)).status != 0


@pytest.mark.parametrize("change", [{"n_channels": 64}, {"n_channels": 64, "sample_bytes": 4}], ids=str)
def test_the_widest_frame_that_fits_a_message_runs(device: Harness, change: dict[str, int]) -> None:
    patch = Device(device, Settings(**change, window_samples=2, hop_samples=1, ring_frames=4))
    counts = np.arange(4 * change["n_channels"]).reshape(4, -1)
    patch.start(trace_mask=1)
    said = [x for row in counts for x in patch.samples(row[None])]
    assert np.array_equal(np.concatenate(list(gather(said, m.Stage.RAW).values())), counts.ravel())
