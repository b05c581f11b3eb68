"""Frames: round trips, and hostile bytes that must never pass for a frame."""

from __future__ import annotations

import zlib

from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from myo_host.framing import LONGEST_ENCODED, FrameDecoder, encode_frame
from myo_host.messages import CREDIT, HEADER, HELLO, MAX_PAYLOAD, PROTOCOL_VERSION

settings.register_profile("framing", deadline=None, derandomize=True)
settings.load_profile("framing")

payloads = st.binary(max_size=MAX_PAYLOAD)


@given(st.lists(st.tuples(st.integers(0, 255), payloads), max_size=5), st.data())
def test_round_trip_through_any_chunking(messages: list[tuple[int, bytes]], data: st.DataObject) -> None:
    line = b"".join(encode_frame(kind, n, payload) for n, (kind, payload) in enumerate(messages))
    decoder = FrameDecoder()
    frames, position = [], 0
    while position < len(line):
        step = data.draw(st.integers(1, len(line) - position))
        frames += decoder.feed(line[position : position + step])
        position += step
    assert [(f.type, f.payload) for f in frames] == messages
    assert (decoder.frames_bad, decoder.lost) == (0, 0)


@given(payloads, st.binary(max_size=2000))
def test_garbage_costs_at_most_the_frame_it_touches(payload: bytes, garbage: bytes) -> None:
    decoder = FrameDecoder()
    decoder.feed(garbage)
    decoder.feed(b"\x00")
    frames = decoder.feed(encode_frame(7, 1, payload))
    assert [(f.type, f.payload) for f in frames] == [(7, payload)]


@given(payloads, st.data())
def test_a_flipped_bit_is_never_accepted(payload: bytes, data: st.DataObject) -> None:
    line = bytearray(encode_frame(7, 1, payload))
    bit = data.draw(st.integers(0, 8 * len(line) - 1))
    line[bit // 8] ^= 1 << (bit % 8)
    for frame in FrameDecoder().feed(bytes(line) + b"\x00"):
        raise AssertionError(f"accepted {frame}")


def test_overlong_line_is_bounded_and_recovers() -> None:
    decoder = FrameDecoder()
    for _ in range(1000):
        assert decoder.feed(b"\x01" * 1000) == []
    assert len(decoder._pending) < 2 * LONGEST_ENCODED
    assert len(decoder.feed(b"\x00" + encode_frame(1, 0, b"x"))) == 1
    assert decoder.frames_bad == 1


@given(st.integers(0, 0xFFFF), st.integers(1, 1000))
def test_missing_frames_are_counted_across_the_wrap(first: int, gap: int) -> None:
    decoder = FrameDecoder()
    decoder.feed(encode_frame(1, first, b""))
    decoder.feed(encode_frame(1, first + 1 + gap, b""))
    assert decoder.lost == gap


def test_a_frame_that_comes_twice_is_given_once() -> None:
    decoder = FrameDecoder()
    frames = decoder.feed(encode_frame(CREDIT.type, 7, b"ab") * 2 + encode_frame(CREDIT.type, 8, b"ab"))
    assert [f.sequence for f in frames] == [7, 8]
    assert (decoder.repeated, decoder.lost) == (1, 0)


def test_a_frame_that_comes_late_is_given_and_told() -> None:
    decoder = FrameDecoder()
    line = b"".join(encode_frame(CREDIT.type, n, b"") for n in (0xFFFE, 0, 0xFFFF, 1, 2))
    assert [f.sequence for f in decoder.feed(line)] == [0xFFFE, 0, 0xFFFF, 1, 2]
    assert (decoder.out_of_turn, decoder.lost, decoder.repeated) == (1, 1, 0)


def test_a_board_that_begins_again_is_heard_with_and_without_its_hello() -> None:
    for first in (HELLO, CREDIT):
        decoder = FrameDecoder()
        decoder.feed(encode_frame(CREDIT.type, 500, b""))
        line = (
            encode_frame(first.type, 0, b"")
            + encode_frame(CREDIT.type, 1, b"")
            + encode_frame(CREDIT.type, 2, b"")
        )
        assert len(decoder.feed(line)) == 3
        assert (decoder.lost, decoder.out_of_turn) == (0, first is CREDIT)


def test_two_hellos_are_two() -> None:
    assert len(FrameDecoder().feed(encode_frame(HELLO.type, 0, b"x") * 2)) == 2


@given(st.integers(MAX_PAYLOAD + 1, MAX_PAYLOAD + 6))
def test_a_frame_that_cobs_makes_short_is_still_too_long(n: int) -> None:
    body = HEADER.pack(PROTOCOL_VERSION, 7, 0) + (b"\x01" * 100 + b"\x00") * 6
    body = body[: HEADER.size + n]
    line = cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\x00"
    assert FrameDecoder().feed(line) == []


def test_another_version_is_named() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(encode_frame(1, 0, b"", version=PROTOCOL_VERSION + 1)) == []
    assert decoder.other_version == PROTOCOL_VERSION + 1


def test_layout_is_what_the_page_says() -> None:
    body = cobs.decode(encode_frame(5, 0x1234, b"ab")[:-1])
    assert body[: HEADER.size] == bytes([PROTOCOL_VERSION, 5, 0x34, 0x12])
    assert body[-4:] == zlib.crc32(body[:-4]).to_bytes(4, "little")
