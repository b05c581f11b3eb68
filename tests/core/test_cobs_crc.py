"""COBS, CRC-32 and frames in C against the cobs package and zlib, on good, cut and hostile bytes."""

from __future__ import annotations

import struct
import zlib

import pytest
from cobs import cobs
from hypothesis import example, given
from hypothesis import strategies as st

from device_line import Harness, line_frame
from myo_host import messages as m

# Runs around 254 bytes, where COBS opens a block without a zero, and zeros everywhere.
PAYLOADS = st.one_of(
    st.binary(max_size=600),
    st.lists(st.sampled_from([b"\0", b"a", b"b" * 253, b"c" * 254, b"d" * 255, b"\xff"]), max_size=4).map(
        b"".join
    ),
)


def decode(parts: Harness, line: bytes, capacity: int = 4096) -> list[tuple[int, bytes]]:
    answer, results = parts.ask("d", struct.pack("<I", capacity) + line), []
    while answer:
        result, length = struct.unpack_from("<II", answer)
        results.append((result, answer[8 : 8 + length]))
        answer = answer[8 + length :]
    return results


FRAME, EMPTY, BAD = 1, 2, 3


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_crc_is_zlibs_and_continues(parts: Harness, first: bytes, second: bytes) -> None:
    begun = zlib.crc32(first)
    assert parts.ask("c", struct.pack("<I", 0) + first) == struct.pack("<I", begun)
    assert parts.ask("c", struct.pack("<I", begun) + second) == struct.pack("<I", zlib.crc32(first + second))


@given(PAYLOADS)
@example(b"")
@example(b"x" * 254)
@example(b"x" * 508 + b"\0")
def test_cobs_encodes_as_the_package(parts: Harness, payload: bytes) -> None:
    expected = cobs.encode(payload) + b"\0"
    assert parts.ask("e", struct.pack("<I", len(expected)) + payload) == expected
    assert parts.ask("e", struct.pack("<I", len(expected) - 1) + payload) == b""
    assert len(expected) - 1 <= len(payload) + max(1, -(-len(payload) // 254))  # MYO_COBS_MAX_ENCODED


@given(st.lists(PAYLOADS, max_size=3), st.integers(0, 700))
def test_cobs_decodes_frames_that_fit(parts: Harness, payloads: list[bytes], capacity: int) -> None:
    line = b"\0".join(cobs.encode(payload) for payload in payloads) + b"\0"
    expected = [(FRAME, p) if len(p) <= capacity else (BAD, b"") for p in payloads] or [(EMPTY, b"")]
    assert decode(parts, line, capacity) == expected


@given(st.binary(max_size=600))
def test_cobs_judges_any_bytes_as_the_package(parts: Harness, noise: bytes) -> None:
    expected = []
    for chunk in (noise + b"\0").split(b"\0")[:-1]:
        try:
            expected.append((FRAME, cobs.decode(chunk)) if chunk else (EMPTY, b""))
        except cobs.DecodeError:
            expected.append((BAD, b""))
    assert decode(parts, noise + b"\0") == expected


def decode_frames(parts: Harness, line: bytes) -> tuple[int, list[tuple[int, int, int, bytes]]]:
    answer, frames = parts.ask("D", line), []
    n_bad = struct.unpack_from("<I", answer)[0]
    answer = answer[4:]
    while answer:
        _, version, kind, sequence, length = struct.unpack_from("<IBBHI", answer)
        frames.append((version, kind, sequence, answer[12 : 12 + length]))
        answer = answer[12 + length :]
    return n_bad, frames


@given(st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=600), st.integers(0, 600))
def test_frame_encodes_as_described(
    parts: Harness, kind: int, sequence: int, payload: bytes, cut: int
) -> None:
    request = struct.pack("<III", kind, sequence, min(cut, len(payload))) + payload
    expected = line_frame(kind, sequence, payload) if len(payload) <= m.MAX_PAYLOAD else b""
    assert parts.ask("E", request) == expected


@given(st.binary(max_size=700), st.lists(st.binary(max_size=m.MAX_PAYLOAD), min_size=1, max_size=3))
def test_frame_decoder_is_in_step_after_the_next_zero(
    parts: Harness, noise: bytes, payloads: list[bytes]
) -> None:
    frames = b"".join(line_frame(7, number, payload) for number, payload in enumerate(payloads))
    n_bad, got = decode_frames(parts, noise + b"\0" + frames)
    assert got[-len(payloads) :] == [(1, 7, number, payload) for number, payload in enumerate(payloads)]
    assert n_bad <= noise.count(0) + 1


@given(st.binary(max_size=m.MAX_PAYLOAD), st.data())
def test_frame_with_a_changed_byte_never_passes(parts: Harness, payload: bytes, data: st.DataObject) -> None:
    good = line_frame(3, 9, payload)
    at = data.draw(st.integers(0, len(good) - 2))
    flip = data.draw(st.integers(1, 255))
    n_bad, got = decode_frames(parts, good[:at] + bytes([good[at] ^ flip]) + good[at + 1 :] + good)
    assert got == [(1, 3, 9, payload)]
    assert n_bad >= 1


@pytest.mark.parametrize("length", [0, 1, 3, 7])
def test_short_frames_are_bad(parts: Harness, length: int) -> None:
    assert decode_frames(parts, cobs.encode(b"\1" * length) + b"\0") == (1, [])


def test_frames_of_another_version_are_told_and_counted(parts: Harness) -> None:
    assert decode_frames(parts, line_frame(1, 5, b"x", version=9)) == (1, [(9, 1, 5, b"x")])


def test_frames_beyond_the_largest_payload_are_bad(parts: Harness) -> None:
    line = line_frame(1, 0, bytes(m.MAX_PAYLOAD + 1)) + line_frame(1, 1, bytes(m.MAX_PAYLOAD))
    assert decode_frames(parts, line) == (1, [(1, 1, 1, bytes(m.MAX_PAYLOAD))])
