"""The board's end of the link: hello, credits, faults, waiting, dropping, and whatever a line may bring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_line import Device, Harness, Said, Settings, line_frame
from myo_host import messages as m

ROW = np.array([[1, -2, 3]])


def faults(said: list[Said]) -> list[tuple[int, int, int, int]]:
    return [tuple(x.fields.values()) for x in said if x.name == "FAULT"]


def only(said: list[Said], name: str) -> dict[str, int]:
    (message,) = (x for x in said if x.name == name)
    return message.fields


def test_hello_says_who_and_what(device: Harness) -> None:
    patch = Device(device, Settings(ring_frames=64))
    hello = only(patch.send(m.HELLO_REQUEST, protocol=1), "HELLO")
    assert hello["board"] == b"a board with a l"
    assert hello["bundle_hash"] == bytes([1, 2, 3]) + bytes(29)
    assert hello["schema_hash"] == m.SCHEMA_HASH
    assert (hello["protocol"], hello["reason"], hello["credit_frames"]) == (1, m.HelloReason.REQUESTED, 64)
    assert (hello["n_channels"], hello["window_samples"], hello["hop_samples"], hello["n_outputs"]) == (
        3,
        12,
        5,
        4,
    )
    assert (hello["rate_mhz"], hello["tick_hz"], hello["max_payload"]) == (1000000, 1000, m.MAX_PAYLOAD)


def test_hello_starts_the_sequence_numbers_again(device: Harness) -> None:
    patch = Device(device, Settings())
    patch.send(m.HELLO_REQUEST, protocol=1)
    patch.send(m.STATUS_REQUEST)
    patch.sequence = 0
    said = patch.send(m.HELLO_REQUEST, protocol=1) + patch.send(
        m.STATUS_REQUEST
    )  # Device checks the answers' numbers
    assert [x.name for x in said] == ["HELLO", "STATUS"]
    assert faults(said) == []


def test_a_jump_in_the_sequence_is_told_once(device: Harness) -> None:
    patch = Device(device, Settings())
    patch.sequence = 5
    said = patch.send(m.STATUS_REQUEST) + patch.send(m.STATUS_REQUEST)
    assert faults(said) == [(m.Fault.SEQUENCE_GAP, 1, 0, 5)]
    assert said[-1].fields["rx_sequence_gaps"] == 1


def test_another_version_is_refused(device: Harness) -> None:
    patch = Device(device, Settings())
    said = patch.raw(line_frame(m.START.type, 0, b"anything", version=2))
    assert faults(said) == [(m.Fault.BAD_VERSION, 1, 1, 2)]
    assert only(patch.send(m.STATUS_REQUEST), "STATUS")["rx_frames_bad"] == 1


@pytest.mark.parametrize(
    ("kind", "payload"),
    [(m.START.type, b""), (m.START.type, bytes(6)), (m.SAMPLES.type, bytes(5)), (m.SAMPLES.type, bytes(7)),
     (m.STOP.type, b"x"), (m.STATUS_REQUEST.type, b"x"), (m.RESET.type, b"\2"), (m.HELLO_REQUEST.type, b""),
     (0x81, b""), (0x77, b"")],
)  # fmt: skip
def test_a_malformed_message_is_a_fault(device: Harness, kind: int, payload: bytes) -> None:
    patch = Device(device, Settings())
    assert faults(patch.raw(line_frame(kind, 0, payload))) == [(m.Fault.BAD_MESSAGE, 1, kind, len(payload))]


def test_samples_want_a_start(device: Harness) -> None:
    patch = Device(device, Settings())
    assert faults(patch.samples(ROW)) == [(m.Fault.NOT_STARTED, 1, m.SAMPLES.type, 0)]
    patch.start()
    assert faults(patch.samples(ROW)) == []
    assert only(patch.send(m.STOP), "STATUS")["running"] == 0
    assert faults(patch.samples(ROW)) == [(m.Fault.NOT_STARTED, 1, m.SAMPLES.type, 0)]


def test_start_refuses_an_unknown_source(device: Harness) -> None:
    patch = Device(device, Settings())
    assert faults(patch.send(m.START, source=9, trace_mask=0)) == [(m.Fault.BAD_SOURCE, 1, 9, 0)]
    assert only(patch.send(m.STATUS_REQUEST), "STATUS")["running"] == 0


def test_a_gap_in_the_samples_is_not_taken(device: Harness) -> None:
    patch = Device(device, Settings())
    patch.start()
    patch.samples(ROW)
    patch.sent_samples = 4
    assert faults(patch.samples(np.repeat(ROW, 2, axis=0))) == [(m.Fault.SAMPLE_GAP, 1, 1, 4)]
    patch.sent_samples = 1
    assert faults(patch.samples(ROW)) == []
    status = only(patch.send(m.STOP), "STATUS")
    assert (status["samples_received"], status["samples_processed"], status["samples_lost"]) == (2, 2, 2)


def test_more_than_the_credit_is_refused_whole(device: Harness) -> None:
    patch = Device(device, Settings(ring_frames=4))
    patch.start()
    assert faults(patch.samples(np.repeat(ROW, 5, axis=0))) == [(m.Fault.RING_OVERFLOW, 1, 5, 5)]
    assert only(patch.send(m.STOP), "STATUS")["samples_received"] == 0


def test_credit_reaches_every_frame(device: Harness) -> None:
    patch = Device(device, Settings(ring_frames=16))
    patch.start()
    consumed = 0
    for n in (1, 16, 3, 8):
        said = patch.samples(np.repeat(ROW, n, axis=0))
        credits = [x.fields["consumed_frames"] for x in said if x.name == "CREDIT"]
        consumed += n
        assert credits == sorted(credits)
        assert credits[-1] == consumed


def test_a_stalled_line_stops_the_patch_and_loses_nothing(device: Harness) -> None:
    s = Settings(window_samples=1, hop_samples=1, ring_frames=64)
    counts = np.random.default_rng(0).integers(-500, 500, (60, 3))
    patch = Device(device, s)
    patch.start(trace_mask=0x3F)
    free = patch.samples(counts)
    patch.start(trace_mask=0x3F)
    patch.stall()
    stalled = patch.samples(counts)
    assert patch.counters()["waits"] > 0
    patch.stall(0xFFFFFFFF)
    stalled += patch.service()
    assert [(x.name, x.tail) for x in stalled] == [(x.name, x.tail) for x in free]
    assert patch.rest == b""


def test_the_adc_never_waits_and_drops_tensors_first(device: Harness) -> None:
    s = Settings(window_samples=4, hop_samples=4, ring_frames=16, tx_bytes=1024)
    patch = Device(device, s)
    patch.start(m.Source.ADC, 0x3F)
    assert patch.counters()["adc"] == 1
    patch.stall()
    said: list[Said] = []
    for _ in range(12):
        patch.interrupt(np.repeat(ROW, 4, axis=0))
        said += patch.service()
    assert patch.counters()["waits"] == 0
    patch.stall(0xFFFFFFFF)
    said += patch.service()
    status = only(patch.send(m.STOP), "STATUS")
    decided = [x.fields["window"] for x in said if x.name == "DECISION"]
    assert decided[:5] == [0, 1, 2, 3, 4]  # tensors left them room
    assert status["tx_frames_dropped"] > 0
    assert (status["windows"], status["samples_lost"], status["faults"]) == (12, 0, 0)
    assert patch.counters()["adc"] == 0


def test_an_overflow_in_the_interrupt_is_told_from_the_loop(device: Harness) -> None:
    patch = Device(device, Settings(ring_frames=8))
    patch.start(m.Source.ADC)
    patch.interrupt(np.repeat(ROW, 11, axis=0))
    assert faults(patch.service()) == [(m.Fault.RING_OVERFLOW, 1, 3, 3)]
    patch.interrupt(np.repeat(ROW, 9, axis=0))
    assert faults(patch.service()) == [(m.Fault.RING_OVERFLOW, 2, 1, 4)]
    assert only(patch.send(m.STOP), "STATUS")["samples_lost"] == 4
    assert only(patch.start() + patch.send(m.STOP), "STATUS")["samples_lost"] == 0


def test_bytes_beyond_the_serial_ring_are_counted(device: Harness) -> None:
    patch = Device(device, Settings(rx_bytes=256))
    patch.raw(b"\1" * 300 + b"\0")
    assert patch.raw(b"\0") == []
    assert only(patch.send(m.STATUS_REQUEST), "STATUS")["rx_bytes_lost"] == 45


def test_reset_resets(device: Harness) -> None:
    patch = Device(device, Settings())
    patch.start(m.Source.ADC)
    patch.send(m.RESET, kind=m.ResetKind.REBOOT)
    assert patch.counters()["resets"] == 1
    assert patch.counters()["adc"] == 0


def samples_frame(first: int, n: int) -> bytes:
    return line_frame(m.SAMPLES.type, 0, m.SAMPLES.pack(bytes(6 * n), first_sample=first, n_frames=n))


def start_frame(source: int, mask: int) -> bytes:
    return line_frame(m.START.type, 0, m.START.pack(source=source, trace_mask=mask))


KINDS = st.sampled_from([message.type for message in m.MESSAGES] + [0, 0x55])
CHUNKS = st.one_of(
    st.binary(max_size=60),
    st.builds(line_frame, KINDS, st.integers(0, 3), st.binary(max_size=40), st.sampled_from([1, 1, 1, 2])),
    st.builds(samples_frame, st.integers(0, 9), st.integers(0, 40)),
    st.builds(start_frame, st.integers(0, 2), st.integers(0, 63)),
)


@given(st.lists(CHUNKS, max_size=12))
def test_whatever_the_line_brings_the_board_answers_afterwards(device: Harness, chunks: list[bytes]) -> None:
    patch = Device(device, Settings(window_samples=2, hop_samples=1))
    for chunk in chunks:
        patch.raw(chunk)
    patch.raw(b"\0")
    patch.sequence = 0
    assert [x.name for x in patch.send(m.HELLO_REQUEST, protocol=1)][-1] == "HELLO"
    said = patch.start() + patch.samples(np.repeat(ROW, 2, axis=0)) + patch.send(m.STOP)
    status = only(said, "STATUS")
    assert (status["samples_processed"], status["windows"], status["faults"]) == (2, 1, 0)
