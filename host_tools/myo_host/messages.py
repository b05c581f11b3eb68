"""The link's messages, described once.

This module is the only description of what travels on the serial line. The host packs and unpacks with it, and
:func:`render_c_header` writes ``firmware/core/link/myo_messages.h`` from it (``python -m myo_host.messages``); a test
holds the two together. The schema hash in the hello is the CRC-32 of :func:`describe_schema`, so a firmware built from
another description is refused before any sample is sent.

A frame on the line is ``COBS(header | payload | crc32) 0x00``: the header is version, type and sequence number, the
CRC-32 (IEEE 802.3, little-endian) covers header and payload.
"""

from __future__ import annotations

import struct
import sys
import zlib
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

PROTOCOL_VERSION = 1
HEADER = struct.Struct("<BBH")  # version, type, sequence
CRC = struct.Struct("<I")
MAX_PAYLOAD = (
    512  # bytes after the header: a multiple of 4, small enough for a microcontroller's frame buffer
)


class Stage(IntEnum):
    """What a TENSOR message holds; the trace mask's bit is ``1 << stage``."""

    RAW = 0  # counts as they left the sample ring, int32, (n_frames, n_channels)
    FILTERED = 1  # words behind the front end, then auxiliary streams', int32, (n_frames, n_filtered)
    INPUT = 2  # network input, int8, (window_samples, n_filtered) or (windows, n_components, n_filtered)
    LAYER = 3  # one network layer's output, int8
    OUTPUT = 4  # network output, int8, (n_outputs,)
    DECISION = 5  # smoothed values, int32, (n_outputs,); sent untraced where the output kind is values
    FEATURES = 6  # feature words of a window, between FILTERED and INPUT, int32, (n_components, n_channels)
    SCORES = (
        7  # what a calibrated head gives in OUTPUT's place, int8, (n_outputs,); none where there is no head
    )
    AUX = 8  # a sample as it left its stream's ring: frames of the EMG before it, then its counts, int32, (1 + n_channels,)


class Dtype(IntEnum):
    """Element type of a TENSOR message."""

    INT8 = 0
    INT16 = 1
    INT32 = 2


class Source(IntEnum):
    """Where samples come from."""

    HOST = 0
    ADC = 1


class HelloReason(IntEnum):
    """Why a board says hello."""

    REQUESTED = 0
    BOOT = 1


class ResetKind(IntEnum):
    """What a RESET message asks for."""

    REBOOT = 1


class Fault(IntEnum):
    """Codes of a FAULT message; its two arguments are named in the comment."""

    BAD_VERSION = 1  # version expected, version got
    BAD_MESSAGE = 2  # message type, payload length
    SAMPLE_GAP = 3  # first sample expected, first sample got
    RING_OVERFLOW = 4  # samples lost, samples lost since START
    SEQUENCE_GAP = 5  # sequence expected, sequence got
    NOT_STARTED = 6  # message type, 0
    BAD_SOURCE = 7  # source asked for, 0
    AUX_GAP = 8  # sample of an auxiliary stream expected, got
    AUX_LATE = (
        9  # frames before an auxiliary sample as it says, frames that had come (or as the one before it says)
    )


class CalibrationAction(IntEnum):
    """What a CALIBRATE message asks for."""

    STATUS = 0  # how things stand
    COLLECT = 1  # sum windows that begin from here on, of a class
    END = 2  # windows that end from here on are not summed
    COMMIT = 3  # make a head of what was collected, store it, and use it
    UNDO = 4  # back to the head before; what was collected is forgotten
    FACTORY = 5  # back to the network's own output; what was collected is forgotten
    DISCARD = 6  # forget what was collected
    READ = 7  # send the stored record as HEAD


class CalibrationError(IntEnum):
    """Why a CALIBRATION answer says no."""

    NONE = 0
    BAD_ACTION = 1
    BAD_LABEL = 2
    BUSY = 3  # the action before is not done, or a class is being collected
    TOO_FEW = 4  # a class has too few windows, or nothing was collected
    NOTHING_TO_UNDO = 5
    STORE_FAILED = 6  # the memory could not be written


@dataclass(frozen=True)
class Field:
    """One field of a message: C name, struct code (``B H I b h i``), array length, meaning."""

    name: str
    code: str
    doc: str
    count: int = 1


@dataclass(frozen=True)
class Message:
    """One message: fixed fields, then, where ``tail`` names it, raw elements to the end of the payload."""

    name: str
    type: int
    doc: str
    fields: tuple[Field, ...] = ()
    tail: str = ""

    @property
    def struct(self) -> struct.Struct:
        """The packed layout of the fixed fields."""
        return struct.Struct("<" + "".join(f"{f.count}s" if f.count > 1 else f.code for f in self.fields))

    def pack(self, tail: bytes = b"", **values: Any) -> bytes:  # noqa: ANN401
        """Return the payload for ``values`` (every fixed field) and ``tail``."""
        return self.struct.pack(*(values[f.name] for f in self.fields)) + tail

    def unpack(self, payload: bytes) -> tuple[dict[str, Any], bytes]:
        """Return the fixed fields by name and the tail.

        Raises
        ------
        ValueError
            If the payload's length does not fit the message.
        """
        size = self.struct.size
        if len(payload) < size or (not self.tail and len(payload) != size):
            raise ValueError(
                f"{self.name} of {len(payload)} bytes, expected {size}{' or more' if self.tail else ''}"
            )
        values = self.struct.unpack_from(payload)
        return dict(zip((f.name for f in self.fields), values, strict=True)), payload[size:]


HELLO_REQUEST = Message(
    "HELLO_REQUEST",
    0x01,
    "Asks for HELLO; sequence numbers of both directions start again.",
    (Field("protocol", "B", "version that the host speaks"),),
)
START = Message(
    "START",
    0x02,
    "Resets filters, window, vote and counters, and starts taking samples from a source.",
    (Field("source", "B", "Source"), Field("trace_mask", "I", "bit 1 << Stage: stages to send as TENSOR")),
)
SAMPLES = Message(
    "SAMPLES",
    0x03,
    "Sample frames from the host, interleaved counts.",
    (
        Field("first_sample", "I", "index of the first frame since START"),
        Field("n_frames", "H", "frames in this message"),
    ),
    tail="n_frames x n_channels counts, int16 or int32 as HELLO's sample_bytes says",
)
AUX_SAMPLES = Message(
    "AUX_SAMPLES",
    0x07,
    "Samples of an auxiliary stream from the host, before the SAMPLES that they precede.",
    (
        Field("stream", "B", "number of the stream, as in the spec"),
        Field("first_sample", "I", "index of the first sample since START"),
        Field("n_samples", "H", "samples in this message"),
    ),
    tail="of each sample, the frames of SAMPLES before it since START, uint32, and its counts, as wide as its adc_bits ask",
)
STOP = Message(
    "STOP", 0x04, "Stops taking samples; what is in the ring is still processed; answered by STATUS."
)
STATUS_REQUEST = Message("STATUS_REQUEST", 0x05, "Asks for STATUS.")
RESET = Message("RESET", 0x06, "Resets the board.", (Field("kind", "B", "ResetKind"),))
CALIBRATE = Message(
    "CALIBRATE",
    0x08,
    "Calibration of a patch with [calibration]; done when all frames before it are processed, then answered by CALIBRATION.",
    (Field("action", "B", "CalibrationAction"), Field("label", "H", "class, for COLLECT; else 0")),
)

HELLO = Message(
    "HELLO",
    0x81,
    "Who the board is, what it runs, and how much it can take; sent at boot and on request.",
    (
        Field("protocol", "B", "version that the board speaks"),
        Field("reason", "B", "HelloReason"),
        Field("n_channels", "H", "counts in a frame"),
        Field("schema_hash", "I", "CRC-32 of the message description"),
        Field("bundle_hash", "B", "SHA-256 of the bundle that the firmware was built from", 32),
        Field("board", "B", "board name, zero-padded", 16),
        Field("rate_mhz", "I", "sample rate, millihertz"),
        Field("tick_hz", "I", "rate of the tick counter, hertz"),
        Field("window_samples", "H", "frames that a decision sees, behind the front end"),
        Field("hop_samples", "H", "frames between decisions, behind the front end"),
        Field("decimation", "H", "frames of SAMPLES for one behind the front end"),
        Field("n_filtered", "H", "channels behind the front end, auxiliary ones as well"),
        Field("n_layers", "H", "layers of the network"),
        Field("n_outputs", "H", "network outputs"),
        Field("credit_frames", "H", "frames that may be under way"),
        Field("max_payload", "H", "largest payload, bytes"),
        Field("sample_bytes", "B", "bytes of a count in SAMPLES: 2 or 4"),
        Field("output_kind", "B", "0 classes, 1 values"),
        Field("n_aux", "B", "auxiliary streams"),
        Field("aux_wide", "B", "bit k: a count of auxiliary stream k takes 4 bytes, else 2"),
    ),
)
CREDIT = Message(
    "CREDIT",
    0x82,
    "Flow control: frames taken out of the sample ring since START.",
    (Field("consumed_frames", "I", "cumulative, wraps"),),
)
TENSOR = Message(
    "TENSOR",
    0x83,
    "A piece of a stage's output.",
    (
        Field("stage", "B", "Stage"),
        Field("dtype", "B", "Dtype"),
        Field("layer", "H", "layer index where stage is LAYER, stream where it is AUX, else 0"),
        Field(
            "index", "I", "first sample index for RAW and FILTERED, of the stream for AUX, else window number"
        ),
        Field("offset", "I", "elements before this piece"),
    ),
    tail="elements",
)
DECISION = Message(
    "DECISION",
    0x84,
    "One window's decision and what it cost.",
    (
        Field("window", "I", "window number since START"),
        Field("end_sample", "I", "samples since START at the window's end"),
        Field("decided", "h", "class after the vote; -1 none"),
        Field("raw", "h", "class of this window alone; -1 where it was gated, and for values"),
        Field("confidence", "h", "int8 network output of the raw class"),
        Field("n_votes", "H", "votes for the winner; for values, windows summed"),
        Field("front_end_ticks", "I", "front end since the last window"),
        Field("network_ticks", "I", "network"),
        Field("decision_ticks", "I", "argmax and vote, or sums"),
        Field(
            "latency_ticks", "I", "from the arrival of the window's last sample in the ring to this message"
        ),
        Field("aux_marks", "B", "bit k: auxiliary stream k lacked or left out a sample that the window sees"),
    ),
)
STATUS = Message(
    "STATUS",
    0x85,
    "Counters since START; stack since boot.",
    (
        Field("samples_received", "I", "frames put into the ring"),
        Field("samples_processed", "I", "frames taken out of the ring"),
        Field("samples_lost", "I", "frames lost: ring overflow or gap"),
        Field("windows", "I", "windows decided"),
        Field("rx_bytes_lost", "I", "bytes lost before the frame decoder"),
        Field("rx_frames_bad", "I", "frames with a wrong COBS code, CRC, length or version"),
        Field("rx_sequence_gaps", "I", "jumps in the host's sequence numbers"),
        Field("tx_frames_dropped", "I", "frames that the board could not send"),
        Field("faults", "I", "FAULT messages raised"),
        Field("stack_bytes", "I", "stack size"),
        Field("stack_used_bytes", "I", "deepest use since boot, by painting"),
        Field("aux_held", "I", "auxiliary samples that were not there when due, all streams"),
        Field("aux_dropped", "I", "auxiliary samples left out as they came too early for their place"),
        Field("aux_lost", "I", "auxiliary samples lost: ring overflow or gap"),
        Field("running", "B", "1 while samples are taken"),
    ),
)
FAULT = Message(
    "FAULT",
    0x86,
    "Something that should not happen did.",
    (
        Field("code", "H", "Fault"),
        Field("count", "H", "times since START"),
        Field("argument0", "I", "see Fault"),
        Field("argument1", "I", "see Fault"),
    ),
)

QUALITY = Message(
    "QUALITY",
    0x87,
    "What is wrong with each channel, after each period of a patch with [quality].",
    (
        Field("period", "I", "period number since START"),
        Field("end_sample", "I", "samples since START at the period's end"),
        Field("n_masked", "H", "channels behind the front end that are masked from here on"),
        Field("gated", "B", "1 where windows that end from here on cast no vote"),
    ),
    tail="n_channels flags, uint8: 1 saturated, 2 flat, 4 off, 8 mains, 16 motion, 32 duplicated, 64 low_snr",
)

CALIBRATION = Message(
    "CALIBRATION",
    0x88,
    "The answer to CALIBRATE: how calibration stands.",
    (
        Field("action", "B", "CalibrationAction that it answers"),
        Field("error", "B", "CalibrationError"),
        Field("collecting", "h", "class that is being collected; -1 none"),
        Field("sequence", "I", "of the head in use; 0: none, the network decides"),
        Field("foreign", "B", "1: the store holds another bundle's head, which is refused"),
        Field("outlives_power", "B", "1: the board's store outlives power; 0: a reset, and no more"),
        Field(
            "left_out", "I", "windows of spans that were not summed: signal quality, or the class was full"
        ),
        Field("sample", "I", "samples since START when it was done"),
        Field("work_ticks", "I", "what doing it took"),
        Field("n_words", "H", "words of an embedding"),
    ),
    tail="of each class, uint16: windows that the head is made of or will be, and those of them since the last commit",
)
HEAD = Message(
    "HEAD",
    0x89,
    "A piece of what the head in use is made of, before the CALIBRATION that answers READ.",
    (Field("sequence", "I", "of the head; 0 none"), Field("offset", "I", "bytes before this piece")),
    tail="bytes of the record: sums int32 (n_outputs, n_words), then windows of each class uint16, then zeros",
)

MESSAGES: tuple[Message, ...] = (
    HELLO_REQUEST,
    START,
    SAMPLES,
    AUX_SAMPLES,
    STOP,
    STATUS_REQUEST,
    RESET,
    CALIBRATE,
    HELLO,
    CREDIT,
    TENSOR,
    DECISION,
    STATUS,
    FAULT,
    QUALITY,
    CALIBRATION,
    HEAD,
)
BY_TYPE: dict[int, Message] = {message.type: message for message in MESSAGES}
_ENUMS: tuple[type[IntEnum], ...] = (
    Stage,
    Dtype,
    Source,
    HelloReason,
    ResetKind,
    Fault,
    CalibrationAction,
    CalibrationError,
)
_C_TYPES = {"B": "uint8_t", "H": "uint16_t", "I": "uint32_t", "b": "int8_t", "h": "int16_t", "i": "int32_t"}


def unwrap_count(count: int, near: int) -> int:
    """Return the whole number of which a message tells the lowest 32 bits: the one nearest to another, and not below 0."""
    whole = near + ((count - near + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
    return whole if whole >= 0 else whole + (1 << 32)


def describe_schema() -> str:
    """Return the canonical text of the description, over which the schema hash is taken."""
    lines = [f"version {PROTOCOL_VERSION} header {HEADER.format} max_payload {MAX_PAYLOAD}"]
    lines += [f"{enum.__name__}.{item.name}={item.value}" for enum in _ENUMS for item in enum]
    for message in MESSAGES:
        fields = " ".join(f"{f.name}:{f.code}{f.count}" for f in message.fields)
        lines.append(f"{message.name}={message.type} {fields} tail:{bool(message.tail)}")
    return "\n".join(lines) + "\n"


SCHEMA_HASH = zlib.crc32(describe_schema().encode())


def _snake(name: str) -> str:
    return "".join(("_" if i and c.isupper() else "") + c for i, c in enumerate(name)).upper()


def render_c_header() -> str:
    """Return the text of ``firmware/core/link/myo_messages.h``."""
    out = [
        "/* The link's messages. Generated from host_tools/myo_host/messages.py by `python -m myo_host.messages`;",
        "   do not edit. Packed structs in the byte order of the line (little-endian); copy in and out with memcpy. */",
        "/* clang-format off */",
        "#ifndef MYO_MESSAGES_H",
        "#define MYO_MESSAGES_H",
        "",
        "#include <stdint.h>",
        "",
        f"#define MYO_PROTOCOL_VERSION {PROTOCOL_VERSION}u",
        f"#define MYO_SCHEMA_HASH 0x{SCHEMA_HASH:08x}u",
        f"#define MYO_MAX_PAYLOAD {MAX_PAYLOAD}u",
        "",
        "typedef struct __attribute__((packed)) {",
        "    uint8_t version;",
        "    uint8_t type; /* myo_message_type_t */",
        "    uint16_t sequence;",
        "} myo_frame_header_t;",
        "",
        "typedef enum {",
        *(f"    MYO_MESSAGE_{m.name} = 0x{m.type:02x}," for m in MESSAGES),
        "} myo_message_type_t;",
        "",
    ]
    for enum in _ENUMS:
        prefix = f"MYO_{_snake(enum.__name__)}"
        out += ["typedef enum {", *(f"    {prefix}_{item.name} = {item.value}," for item in enum)]
        out += [f"}} {prefix.lower()}_t;", ""]
    for message in MESSAGES:
        if not message.fields:
            continue
        out += [f"/* {message.doc}{' Then: ' + message.tail + '.' if message.tail else ''} */"]
        out += ["typedef struct __attribute__((packed)) {"]
        for field in message.fields:
            array = f"[{field.count}]" if field.count > 1 else ""
            out.append(f"    {_C_TYPES[field.code]} {field.name}{array}; /* {field.doc} */")
        name = message.name.lower()
        out += [
            f"}} myo_{name}_message_t;",
            f'_Static_assert(sizeof(myo_{name}_message_t) == {message.struct.size}, "{name}");',
            "",
        ]
    out += ["#endif", ""]
    return "\n".join(out)


def main() -> None:
    """Write the C header into the firmware tree beside this package."""
    path = Path(__file__).resolve().parents[2] / "firmware/core/link/myo_messages.h"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_c_header(), encoding="utf-8")
    sys.stdout.write(f"wrote {path}\n")


if __name__ == "__main__":
    main()
