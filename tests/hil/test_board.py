"""A board under misuse and on its own samples: it answers clearly, recovers, and computes the same from its ADC."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from myo_host import messages as m
from myo_host.boards import BOARDS, start_board
from myo_host.framing import encode_frame
from myo_host.link import PatchLink
from myo_host.patch import Patch
from myo_host.streaming import stream_segment
from myo_pipeline.errors import LinkError
from myo_pipeline.twin import Twin
from myo_pipeline.twin_config import TwinConfig
from myo_pipeline.vectors import GoldenSegment, load_vectors

Built = Callable[[str, str], Path]
N_WINDOWS = 12


def repeat_virtual_adc(n: int, adc_bits: int, more: int = 0) -> np.ndarray:
    """The documented generator of firmware/ports/myo_virtual_adc.h: xorshift32, upper bits, seeded at START."""
    state, out = 2463534242 + more, []
    for _ in range(n):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        out.append((state - (1 << 32) if state & 0x80000000 else state) >> (32 - adc_bits))
    return np.array(out, np.int32)


def test_adc_samples_take_the_same_path(built: Built, link: PatchLink, board: str) -> None:
    """From the board's own sample interrupt on, the words are the twin's: one data path for ADC and host."""
    if BOARDS[board].firmware == "stm32f405":
        link.send(m.START, source=m.Source.ADC, trace_mask=0)
        assert expect_fault(link, m.Fault.BAD_SOURCE)["argument0"] == m.Source.ADC
        return  # QEMU has nothing of its converter: tests/core/test_stm32_port.py
    bundle = built("classes", board)
    config = TwinConfig.load(bundle / "twin.npz")
    mask = 1 << m.Stage.RAW | 1 << m.Stage.FILTERED | 1 << m.Stage.OUTPUT
    link.send(m.START, source=m.Source.ADC, trace_mask=mask)
    words: dict[int, list[np.ndarray]] = {m.Stage.RAW: [], m.Stage.FILTERED: [], m.Stage.OUTPUT: []}
    decisions: list[dict[str, int]] = []
    status = None
    while status is None:
        message, values, tail = link.receive()
        assert message is not m.FAULT, values
        if message is m.TENSOR:
            words[values["stage"]].append(
                np.frombuffer(tail, "i1" if values["stage"] == m.Stage.OUTPUT else "<i4")
            )
        elif message is m.DECISION:
            decisions.append(values)
            if len(decisions) == N_WINDOWS:
                link.send(m.STOP)
        elif message is m.STATUS:
            status = values
    assert status["samples_lost"] == 0
    raw = np.concatenate(words[m.Stage.RAW]).reshape(-1, config.n_channels)
    np.testing.assert_array_equal(raw.ravel(), repeat_virtual_adc(raw.size, 12))
    twin = Twin(config, (bundle / "model.tflite").read_bytes())
    filtered, windows = twin.push(raw)
    np.testing.assert_array_equal(np.concatenate(words[m.Stage.FILTERED]), filtered.ravel())
    assert len(windows) == len(decisions) >= N_WINDOWS
    for window, decision, output in zip(windows, decisions, words[m.Stage.OUTPUT], strict=True):
        np.testing.assert_array_equal(output, window.output)
        assert (decision["decided"], decision["n_votes"]) == (
            window.decision.decided,
            window.decision.n_votes,
        )


def test_counts_beyond_the_converter_are_limited_as_in_the_twin(patch: Patch) -> None:
    config = TwinConfig.load(patch.bundle.path / "twin.npz")
    counts = np.random.default_rng(1).integers(-32768, 32768, (100, config.n_channels))
    capture = patch.stream(counts, [m.Stage.FILTERED])
    twin = Twin(config, (patch.bundle.path / "model.tflite").read_bytes())
    np.testing.assert_array_equal(capture.filtered_words, twin.push(counts)[0])


def test_start_forgets_everything(patch: Patch, recording: GoldenSegment) -> None:
    first = patch.stream(recording)
    again = patch.stream(recording)
    np.testing.assert_array_equal(first.outputs, again.outputs)
    np.testing.assert_array_equal(first.outputs, recording.outputs)


def test_reset_in_the_middle_is_one_clear_line(link: PatchLink) -> None:
    link.send(m.RESET, kind=m.ResetKind.REBOOT)
    time.sleep(0.5)
    with pytest.raises(LinkError, match="the board reset in the middle of a run"):
        stream_segment(link, np.zeros((100, 3), np.int32))
    assert link.say_hello().board


def test_garbage_does_no_harm(built: Built, link: PatchLink, board: str) -> None:
    """After hostile bytes the next good frame is understood, and the damage is counted."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        link._serial.write(rng.integers(0, 256, 300, dtype=np.uint8).tobytes())
    link._serial.write(b"\x00")
    link.say_hello()
    link.send(m.STATUS_REQUEST)
    while (received := link.receive())[0] is not m.STATUS:
        pass
    assert received[1]["rx_frames_bad"] > 0
    segment = load_vectors(built("classes", board))[0]
    np.testing.assert_array_equal(
        stream_segment(link, segment.counts, 1 << m.Stage.OUTPUT).outputs, segment.outputs
    )


def expect_fault(link: PatchLink, code: m.Fault) -> dict[str, int]:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        message, values, _ = link.receive()
        if message is m.FAULT:
            assert values["code"] == code
            return values
    raise AssertionError("no fault came")


def test_sample_gap_is_told_with_both_numbers(link: PatchLink) -> None:
    link.send(m.START, source=m.Source.HOST, trace_mask=0)
    data = np.zeros(6, "<i2").tobytes()
    link.send(m.SAMPLES, data, first_sample=0, n_frames=2)
    link.send(m.SAMPLES, data, first_sample=5, n_frames=2)
    fault = expect_fault(link, m.Fault.SAMPLE_GAP)
    assert (fault["argument0"], fault["argument1"]) == (2, 5)


def test_another_version_is_refused(link: PatchLink) -> None:
    link._serial.write(encode_frame(m.STATUS_REQUEST.type, 1, b"", version=9))
    fault = expect_fault(link, m.Fault.BAD_VERSION)
    assert (fault["argument0"], fault["argument1"]) == (m.PROTOCOL_VERSION, 9)


def test_samples_before_start_are_refused(link: PatchLink) -> None:
    link.send(m.SAMPLES, np.zeros(3, "<i2").tobytes(), first_sample=0, n_frames=1)
    expect_fault(link, m.Fault.NOT_STARTED)


def test_message_of_wrong_length_is_refused(link: PatchLink) -> None:
    link._serial.write(encode_frame(m.START.type, link._sequence, b"\x00"))
    link._sequence += 1
    expect_fault(link, m.Fault.BAD_MESSAGE)


def test_killed_board_is_one_clear_line(built: Built, board: str) -> None:
    with start_board(BOARDS[board], built("classes", board) / "firmware" / f"{board}.elf") as port:
        link = PatchLink(port)
        link.say_hello()
    with link, pytest.raises(LinkError, match="the port is gone"):
        stream_segment(link, np.zeros((5000, 3), np.int32))
