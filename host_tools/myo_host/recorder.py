"""Record a running patch: its own samples, decisions and counters, into a file that is whole at every moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host import messages as m
from myo_host.aux_recorder import AuxRecorder
from myo_host.link import Hello, PatchLink
from myo_host.streaming import read_elements
from myo_pipeline.errors import LinkError
from myo_pipeline.quality_gate import name_flags
from myo_pipeline.recording.edf import EdfWriter
from myo_pipeline.twin_config import VALUES

STATUS_EVERY_S = (
    1.0  # how often the board's counters go into the file, and a STOP without answer goes out again
)
LONGEST_GAP_S = (
    600.0  # of samples lost at once that zeros stand for; beyond, the board has begun to count anew
)


@dataclass
class RecordingSession:
    """What a recording has got so far.

    Attributes
    ----------
    n_samples
        Frames in the file, those that were filled in among them.
    samples_missing
        Frames that the line lost: filled with zeros, each gap with its annotation.
    decisions, faults
        Messages of either kind.
    status
        The board's counters, the latest.
    host
        The host's counters: frames lost by sequence number, and damaged.
    aux
        Of each auxiliary stream: its file, its samples, and those that the line lost.
    """

    n_samples: int = 0
    samples_missing: int = 0
    decisions: int = 0
    faults: int = 0
    status: dict[str, int] = field(default_factory=dict)
    host: dict[str, int] = field(default_factory=dict)
    aux: dict[str, dict[str, Any]] = field(default_factory=dict)


class FrameAssembler:
    """Puts pieces of a stage of samples, which may begin inside a frame, together to whole frames."""

    def __init__(self, n_channels: int, longest_gap: int = 1 << 20) -> None:
        self._n_channels = n_channels
        self._longest_gap = longest_gap * n_channels
        self._words = np.zeros(0, np.int32)
        self._due = 0  # word since START

    def take(self, values: dict[str, int], tail: bytes) -> tuple[NDArray[np.int32], int, int]:
        """Return whole frames, the words missing before this piece, and the frame where the gap began."""
        piece = np.frombuffer(tail, "<i4")
        due = self._due // self._n_channels
        at = m.unwrap_count(values["index"], due) * self._n_channels + values["offset"]
        if at < self._due:  # repeated, or late: zeros stand for it already
            piece = piece[self._due - at :]
            at = self._due
        if at - self._due > self._longest_gap:
            raise LinkError(
                f"samples jump from {due} to {at // self._n_channels}: reset the board and record again"
            )
        missing, gap_at = at - self._due, self._due // self._n_channels
        self._words = np.concatenate([self._words, np.zeros(missing, np.int32), piece])
        self._due = at + len(piece)
        whole = len(self._words) // self._n_channels * self._n_channels
        frames, self._words = self._words[:whole].reshape(-1, self._n_channels), self._words[whole:]
        return frames, missing, gap_at


def describe_board(hello: Hello) -> dict[str, Any]:
    """Return what a recording keeps of the board that it came from."""
    return {"board": hello.board, "bundle_hash": hello.bundle_hash} | {
        "hello": {k: v for k, v in asdict(hello).items() if k not in ("board", "bundle_hash")}
    }


def record_patch(
    link: PatchLink,
    writer: EdfWriter,
    should_stop: Callable[[int], bool],
    labels: list[str] | None = None,
    progress: Callable[[RecordingSession], None] | None = None,
    streams: AuxRecorder | None = None,
) -> RecordingSession:
    """Record a board's own samples until ``should_stop(n_samples)``; the writer is closed in the end, come what may.

    Parameters
    ----------
    link
        A link whose :meth:`PatchLink.say_hello` has succeeded.
    writer
        An open file for the board's channels and rate.
    should_stop
        Asked after each message with the frames so far.
    labels
        Names of the classes; numbers without.
    progress
        Called about once a second.
    streams
        Files of the board's auxiliary streams, closed in the end as well; without, they are not recorded.

    Raises
    ------
    LinkError
        If the board resets or falls silent; the file holds what came before, and says so.
    """
    session = RecordingSession()
    ended = "interrupted"
    try:
        _run(link, writer, should_stop, labels or [], session, progress, streams)
        ended = "stopped"
    except LinkError as error:
        ended = str(error)
        raise LinkError(f"{error}; {writer.path} is whole and holds {writer.n_samples} samples") from None
    finally:
        session.host = {"frames_lost": link.decoder.lost, "frames_bad": link.decoder.frames_bad}
        if streams is not None:
            streams.close()
            session.aux = streams.describe()
        writer.close({"ended": ended} | {k: v for k, v in asdict(session).items() if k != "n_samples"})
    return session


def _run(
    link: PatchLink, writer: EdfWriter, should_stop: Callable[[int], bool], labels: list[str],
    session: RecordingSession, progress: Callable[[RecordingSession], None] | None, streams: AuxRecorder | None,
) -> None:  # fmt: skip
    hello = link.hello
    if hello is None:
        raise LinkError(f"{link.port}: no hello yet: call say_hello first")
    samples = FrameAssembler(hello.n_channels, round(LONGEST_GAP_S * hello.rate_hz))
    sums: list[int] = []
    quality = bytes(hello.n_channels)
    has_streams = streams is not None and streams.n_streams > 0
    link.send(m.START, source=m.Source.ADC, trace_mask=1 << m.Stage.RAW | has_streams << m.Stage.AUX)
    asked = time.monotonic()
    stopping = False
    while True:
        message, values, tail = link.receive()
        if message is m.HELLO:
            raise LinkError(f"{link.port}: the board reset in the middle of a recording: check its supply")
        if message is m.TENSOR:
            elements = read_elements(link.port, values, tail)
        if message is m.TENSOR and values["stage"] == m.Stage.RAW:
            frames, missing, gap_at = samples.take(values, tail)
            if missing:
                n_missing = -(-missing // hello.n_channels)
                session.samples_missing += n_missing
                writer.annotate(
                    gap_at / hello.rate_hz,
                    f"lost {missing} words on the line: zeros",
                    n_missing / hello.rate_hz,
                )
            writer.append(frames)
            session.n_samples = writer.n_samples
        elif message is m.TENSOR and values["stage"] == m.Stage.AUX and streams is not None:
            if said := streams.take(link.port, values, elements):
                writer.annotate(session.n_samples / hello.rate_hz, said)
        elif message is m.TENSOR and values["stage"] == m.Stage.DECISION:
            sums += elements.tolist()
        elif message is m.DECISION:
            session.decisions += 1
            is_values = hello.output_kind == VALUES
            writer.annotate(
                values["end_sample"] / hello.rate_hz,
                describe_decision(values, labels, sums if is_values else None),
            )
            sums = []
        elif message is m.QUALITY:
            if len(tail) != hello.n_channels:
                raise LinkError(
                    f"{link.port}: quality of {len(tail)} channels, the board has {hello.n_channels}: "
                    "build the firmware and the host tools from the same version"
                )
            if said := describe_quality_change(values, tail, quality):
                writer.annotate(values["end_sample"] / hello.rate_hz, said)
            quality = tail
        elif message is m.FAULT:
            session.faults += 1
            code = values["code"]
            name = m.Fault(code).name if code in list(m.Fault) else f"code {code}"
            if code == m.Fault.BAD_SOURCE:
                raise LinkError(
                    f"{link.port}: the board has no converter, or none for this rate, bits and channels: use another board"
                )
            writer.annotate(
                session.n_samples / hello.rate_hz,
                f"fault {name} ({values['argument0']}, {values['argument1']})",
            )
        elif message is m.STATUS:
            session.status = values
            if not values["running"]:
                if stopping:
                    return
                raise LinkError(
                    f"{link.port}: the board reset in the middle of a recording: check its supply"
                )
            writer.note({"status": values})
        now = time.monotonic()
        if not stopping and should_stop(session.n_samples):
            link.send(m.STOP)
            stopping, asked = True, now
        elif now - asked >= STATUS_EVERY_S:
            link.send(m.STOP if stopping else m.STATUS_REQUEST)
            asked = now
            if progress:
                progress(session)


def describe_quality_change(values: dict[str, int], flags: bytes, before: bytes) -> str:
    """Return as an annotation's text which channels' quality has changed; empty if none has."""
    changed = [c for c, (old, new) in enumerate(zip(before, flags, strict=True)) if old != new]
    if not changed:
        return ""
    said = ", ".join(f"channel {c} {' '.join(name_flags(flags[c])) or 'good'}" for c in changed)
    gated = ", no votes" if values["gated"] else ""
    return f"quality: {said}; {values['n_masked']} masked{gated}"


def describe_decision(decision: dict[str, int], labels: list[str], sums: list[int] | None) -> str:
    """Return a decision as an annotation's text; sums where the output is values."""
    if sums is not None:
        return f"decision {decision['window']}: sums {' '.join(map(str, sums))} of {decision['n_votes']}"
    number = decision["decided"]
    name = "none" if number < 0 else labels[number] if number < len(labels) else str(number)
    return f"decision {decision['window']}: {name}"
