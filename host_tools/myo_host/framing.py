"""Frames on the serial line: COBS, CRC-32, version and sequence."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from cobs import cobs

from myo_host.messages import CRC, HEADER, HELLO, MAX_PAYLOAD, PROTOCOL_VERSION

_LONGEST_FRAME = HEADER.size + MAX_PAYLOAD + CRC.size
LONGEST_ENCODED = (
    _LONGEST_FRAME + _LONGEST_FRAME // 254 + 2
)  # COBS adds a byte in 254, and one; then the zero
LATE_AT_MOST = 16  # frames behind their turn; further back, the sender has begun again


@dataclass(frozen=True)
class Frame:
    """One checked frame."""

    type: int
    sequence: int
    payload: bytes


def encode_frame(message_type: int, sequence: int, payload: bytes, version: int = PROTOCOL_VERSION) -> bytes:
    """Return a frame as it goes on the line, closing zero included.

    Raises
    ------
    ValueError
        If the payload is longer than the protocol's :data:`~myo_host.messages.MAX_PAYLOAD`.
    """
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"payload of {len(payload)} bytes, at most {MAX_PAYLOAD}")
    body = HEADER.pack(version, message_type, sequence & 0xFFFF) + payload
    return bytes(cobs.encode(body + CRC.pack(zlib.crc32(body)))) + b"\x00"


@dataclass
class FrameDecoder:
    """Turns bytes into frames; whatever is damaged is counted and skipped up to the next zero.

    Attributes
    ----------
    bytes_seen
        Bytes fed since the start.
    frames_good, frames_bad
        Frames accepted; pieces between zeros that were no frame.
    other_version
        Version of the last frame that was whole but of another protocol version, or None.
    lost
        Frames that jumps in the sequence number show as missing; one that comes late stays counted.
    repeated
        Frames that came twice in a row; the second is dropped.
    out_of_turn
        Frames whose sequence number went back: late ones, or of a board that has begun again unheard.
    """

    bytes_seen: int = 0
    frames_good: int = 0
    frames_bad: int = 0
    other_version: int | None = None
    lost: int = 0
    repeated: int = 0
    out_of_turn: int = 0
    _pending: bytearray = field(default_factory=bytearray)
    _overlong: bool = False
    _expected: int | None = None
    _last: Frame | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes from the line and return the frames that they complete."""
        self.bytes_seen += len(data)
        frames: list[Frame] = []
        *whole, rest = data.split(b"\x00")
        for piece in whole:
            encoded, self._pending = bytes(self._pending) + piece, bytearray()
            overlong, self._overlong = self._overlong or len(encoded) >= LONGEST_ENCODED, False
            if not encoded and not overlong:
                continue  # zeros between frames are padding
            frame = None if overlong else self._decode(encoded)
            if frame is None:
                self.frames_bad += 1
            elif self._take_turn(frame):
                self.frames_good += 1
                frames.append(frame)
        self._pending += rest
        if len(self._pending) >= LONGEST_ENCODED:
            self._pending.clear()
            self._overlong = True
        return frames

    def restart_sequence(self) -> None:
        """Expect any sequence number next, as after a hello."""
        self._expected = self._last = None

    def _take_turn(self, frame: Frame) -> bool:
        """Count what the sequence number tells; False for a frame that came twice."""
        if frame.type == HELLO.type:
            self.restart_sequence()  # as its sender did
        elif frame == self._last:
            self.repeated += 1
            return False
        self._last = frame
        ahead = 0 if self._expected is None else (frame.sequence - self._expected) & 0xFFFF
        if ahead >= 0x8000:
            self.out_of_turn += 1
            if ahead >= 0x10000 - LATE_AT_MOST:
                return True
        else:
            self.lost += ahead
        self._expected = (frame.sequence + 1) & 0xFFFF
        return True

    def _decode(self, encoded: bytes) -> Frame | None:
        try:
            body = cobs.decode(encoded)
        except cobs.DecodeError:
            return None
        if not HEADER.size + CRC.size <= len(body) <= _LONGEST_FRAME:
            return None  # where zeros shorten it, COBS lets a frame pass that is a byte or two too long
        if CRC.unpack(body[-CRC.size :])[0] != zlib.crc32(body[: -CRC.size]):
            return None
        version, message_type, sequence = HEADER.unpack_from(body)
        if version != PROTOCOL_VERSION:
            self.other_version = version
            return None
        return Frame(message_type, sequence, body[HEADER.size : -CRC.size])
