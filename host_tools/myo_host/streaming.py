"""One segment through a board: samples out under credit, every stage back, nothing lost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host import messages as m
from myo_host.aux_feed import AuxFeed
from myo_host.link import Hello, PatchLink
from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.errors import LinkError


@dataclass(frozen=True)
class Capture:
    """What a board sent while one segment ran through it.

    Attributes
    ----------
    raw, filtered_words
        int32 (n_samples, n_channels), and (n_frames, n_filtered) behind the front end; empty where not traced.
    features
        Feature words, int32, a row a window; empty where not traced or the network takes the window.
    inputs, outputs
        int8, a row a window; empty where not traced.
    layers
        int8, one array a layer, a row a window; empty where not traced.
    decisions
        DECISION's fields, one dictionary a window.
    sums
        int32, a row a window, where the output kind is values.
    status
        STATUS's fields at the end.
    seconds
        Wall time from START to STATUS.
    quality
        int32, a row a period: each channel's flags, masked channels behind the front end, 1 where windows cast no vote;
        empty without ``[quality]``.
    scores
        int8, a row a window that a calibrated head decided; empty where not traced or the network decided all.
    answers
        CALIBRATION's fields, one dictionary a request.
    aux
        int32, an array an auxiliary stream, a row a sample that left its ring: stamp and counts; empty where not traced.
    """

    raw: NDArray[np.int32]
    filtered_words: NDArray[np.int32]
    features: NDArray[np.int32]
    inputs: NDArray[np.int8]
    layers: list[NDArray[np.int8]]
    outputs: NDArray[np.int8]
    decisions: list[dict[str, int]]
    sums: NDArray[np.int32]
    status: dict[str, int]
    seconds: float
    quality: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    scores: NDArray[np.int8] = field(default_factory=lambda: np.zeros((0, 0), np.int8))
    answers: list[dict[str, Any]] = field(default_factory=list)
    aux: list[NDArray[np.int32]] = field(default_factory=list)


@dataclass(frozen=True)
class Request:
    """A CALIBRATE message in a run: sent when so many samples have gone before it."""

    sample: int
    action: m.CalibrationAction
    label: int = 0


_WORD_STAGES = (
    m.Stage.RAW,
    m.Stage.FILTERED,
    m.Stage.FEATURES,
    m.Stage.DECISION,
    m.Stage.AUX,
)  # of int32; others int8


def read_elements(port: str, values: dict[str, int], tail: bytes) -> NDArray[np.int32] | NDArray[np.int8]:
    """Return the elements of a TENSOR message.

    Raises
    ------
    LinkError
        If the stage is unknown here, or its elements are not of its type, or not whole.
    """
    stage, dtype = values["stage"], m.Dtype.INT32 if values["stage"] in _WORD_STAGES else m.Dtype.INT8
    size = 4 if dtype is m.Dtype.INT32 else 1
    if stage not in list(m.Stage) or values["dtype"] != dtype or len(tail) % size:
        raise LinkError(
            f"{port}: TENSOR of stage {stage}, type {values['dtype']}, {len(tail)} bytes is none of this protocol: "
            "build the firmware and the host tools from the same version"
        )
    return np.frombuffer(tail, "<i4" if size == 4 else "i1")


def take_credit(port: str, count: int, consumed: int, sent: int) -> int:
    """Return the samples that a CREDIT says were taken, of which ``consumed`` were before and ``sent`` are out.

    Raises
    ------
    LinkError
        If it is less than before, or more than were sent.
    """
    taken = m.unwrap_count(count, consumed)
    if not consumed <= taken <= sent:
        raise LinkError(
            f"{port}: credit for {taken} samples where {consumed} had been taken and {sent} sent: reset the board and run again"
        )
    return taken


class _Collector:
    """Puts TENSOR pieces together and checks that none is missing."""

    def __init__(self, port: str, hello: Hello) -> None:
        self._port, self._hello = port, hello
        self._pieces: dict[tuple[int, int, int], list[NDArray[Any]]] = {}
        self._samples: dict[int, list[NDArray[Any]]] = {m.Stage.RAW: [], m.Stage.FILTERED: []}
        self._windows: dict[tuple[int, int], list[NDArray[Any]]] = {}
        self.decisions: list[dict[str, int]] = []
        self.answers: list[dict[str, Any]] = []
        self._quality: list[list[int]] = []
        self._aux: list[list[NDArray[Any]]] = [[] for _ in range(hello.n_aux)]

    def take(self, message: m.Message, values: dict[str, Any], tail: bytes) -> None:
        if message is m.TENSOR:
            self._take_tensor(values, read_elements(self._port, values, tail))
        elif message is m.CALIBRATION:
            self.answers.append(
                values | {"windows": np.frombuffer(tail, "<u2").astype(np.int64).reshape(-1, 2)}
            )
        elif message is m.QUALITY:
            if values["period"] != len(self._quality) or len(tail) != self._hello.n_channels:
                raise LinkError(
                    f"{self._port}: quality of period {values['period']} and {len(tail)} channels came where period "
                    f"{len(self._quality)} and {self._hello.n_channels} channels were due: frames were lost, check the line"
                )
            self._quality.append([*tail, values["n_masked"], values["gated"]])
        elif message is m.DECISION:
            if values["window"] != len(self.decisions):
                raise LinkError(
                    f"{self._port}: decision of window {values['window']} came where {len(self.decisions)} was due: "
                    "frames were lost, check the line"
                )
            self.decisions.append(values)
            for (stage, layer, window), pieces in self._pieces.items():
                if window != values["window"]:
                    raise LinkError(
                        f"{self._port}: stage {m.Stage(stage).name} of window {window} came out of turn"
                    )
                self._windows.setdefault((stage, layer), []).append(np.concatenate(pieces))
            self._pieces.clear()

    def _take_tensor(self, values: dict[str, Any], data: NDArray[Any]) -> None:
        stage = m.Stage(values["stage"])
        if stage in self._samples:
            due = sum(map(len, self._samples[stage]))
            width = self._width(stage)
            found = m.unwrap_count(values["index"], due // width) * width + values["offset"]
            if found != due:
                raise LinkError(
                    f"{self._port}: {stage.name} piece at word {found} came where {due} was due: frames were lost, check the line"
                )
            self._samples[stage].append(data)
            return
        if stage is m.Stage.AUX:
            if values["layer"] >= len(self._aux) or values["index"] != len(self._aux[values["layer"]]):
                raise LinkError(
                    f"{self._port}: sample {values['index']} of auxiliary stream {values['layer']} came out of turn: "
                    "frames were lost, check the line"
                )
            self._aux[values["layer"]].append(data)
            return
        pieces = self._pieces.setdefault((stage, values["layer"], values["index"]), [])
        due = sum(map(len, pieces))
        if values["offset"] != due:
            raise LinkError(
                f"{self._port}: {stage.name} {values['layer']} of window {values['index']}: piece at {values['offset']} "
                f"came where {due} was due: frames were lost, check the line"
            )
        pieces.append(data)

    @property
    def quality(self) -> NDArray[np.int32]:
        rows = np.array(self._quality, np.int32)
        return rows if self._quality else np.zeros((0, 0), np.int32)

    @property
    def aux(self) -> list[NDArray[np.int32]]:
        return [np.stack(rows) if rows else np.zeros((0, 0), np.int32) for rows in self._aux]

    def samples(self, stage: m.Stage) -> NDArray[np.int32]:
        words = np.concatenate([np.zeros(0, np.int32), *self._samples[stage]])
        width = self._width(stage)
        return words[: len(words) // width * width].reshape(-1, width)

    def _width(self, stage: m.Stage) -> int:
        return self._hello.n_channels if stage is m.Stage.RAW else self._hello.n_filtered

    def windows(self, stage: m.Stage, layer: int = 0) -> NDArray[Any]:
        rows = self._windows.get((stage, layer), [])
        if len({len(row) for row in rows}) > 1:
            raise LinkError(
                f"{self._port}: {stage.name} {layer} has {min(map(len, rows))} to {max(map(len, rows))} elements a window: "
                "frames were lost, check the line"
            )
        return np.stack(rows) if rows else np.zeros((0, 0), np.int8)


def stream_segment(
    link: PatchLink,
    counts: NDArray[np.integer],
    trace_mask: int = 0,
    *,
    aux: Sequence[AuxSamples] = (),
    lockstep: bool = False,
    pace_hz: float | None = None,
    requests: Sequence[Request] = (),
) -> Capture:
    """Feed a segment to a board from reset, under its credit, and collect all that it sends.

    Parameters
    ----------
    link
        A link whose :meth:`PatchLink.say_hello` has succeeded.
    counts
        Integer counts, shape (n_samples, n_channels).
    trace_mask
        Sum of ``1 << Stage`` for the stages to be sent back; decisions always are.
    aux
        The board's auxiliary streams beside the counts, or none.
    lockstep
        Wait for each window's decision before more samples are sent, so that no sample queues behind a running network and
        the board's latency is what a patch has at its own sample rate.
    pace_hz
        Send no sample before its time at this rate; as fast as it goes without.
    requests
        What to ask of calibration, in the order of their samples; the run waits for each answer.

    Raises
    ------
    LinkError
        If the board resets, faults, falls silent, or loses anything.
    """
    hello = link.hello
    if hello is None:
        raise LinkError(f"{link.port}: no hello yet: call say_hello first")
    if counts.ndim != 2 or counts.shape[1] != hello.n_channels:
        raise LinkError(
            f"{link.port}: signal of shape {counts.shape}, the board takes (n, {hello.n_channels})"
        )
    dtype = np.dtype("<i2" if hello.sample_bytes == 2 else "<i4")
    collector = _Collector(link.port, hello)
    frame_bytes = hello.n_channels * hello.sample_bytes
    chunk = max(
        1, min((hello.max_payload - m.SAMPLES.struct.size) // frame_bytes, hello.credit_frames // 2 or 1)
    )
    feed = AuxFeed(link, hello, aux)
    sent = consumed = 0
    began = time.monotonic()
    link.send(m.START, source=m.Source.HOST, trace_mask=trace_mask)
    window_end = hello.window_samples * hello.decimation if lockstep else len(counts)
    pending = list(requests)

    def take_messages() -> None:
        nonlocal consumed
        for message, values, tail in _next_messages(link):
            if message is m.CREDIT:
                consumed = take_credit(link.port, values["consumed_frames"], consumed, sent)
            collector.take(message, values, tail)

    def ask_due() -> None:
        while pending and pending[0].sample <= sent:
            request = pending.pop(0)
            link.send(m.CALIBRATE, action=request.action, label=request.label)
            due = len(collector.answers) + 1
            while len(collector.answers) < due:
                take_messages()

    ask_due()
    while sent < len(counts):
        n = min(chunk, len(counts) - sent, window_end - sent, *(r.sample - sent for r in pending[:1]))
        due = len(collector.decisions) + 1 if lockstep and sent + n == window_end else 0
        while sent + n - consumed > hello.credit_frames:
            take_messages()
        if pace_hz is not None:
            time.sleep(max(0.0, began + (sent + n) / pace_hz - time.monotonic()))
        feed.send_before(sent + n)
        data = counts[sent : sent + n].astype(dtype).tobytes()
        link.send(m.SAMPLES, data, first_sample=sent & 0xFFFFFFFF, n_frames=n)
        sent += n
        while len(collector.decisions) < due:
            take_messages()
        ask_due()
        if lockstep and sent == window_end:
            window_end += hello.hop_samples * hello.decimation
    link.send(m.STOP)
    status: dict[str, int] | None = None
    while status is None:
        for message, values, tail in _next_messages(link):
            collector.take(message, values, tail)
            if message is m.STATUS:
                status = values
    seconds = time.monotonic() - began
    _check_nothing_lost(link, status, sent)
    n_layers = hello.n_layers if trace_mask & (1 << m.Stage.LAYER) else 0
    return Capture(
        collector.samples(m.Stage.RAW), collector.samples(m.Stage.FILTERED),
        collector.windows(m.Stage.FEATURES).astype(np.int32), collector.windows(m.Stage.INPUT),
        [collector.windows(m.Stage.LAYER, k) for k in range(n_layers)], collector.windows(m.Stage.OUTPUT),
        collector.decisions, collector.windows(m.Stage.DECISION).astype(np.int32), status, seconds,
        collector.quality, collector.windows(m.Stage.SCORES), collector.answers,
        collector.aux,
    )  # fmt: skip


def _next_messages(link: PatchLink) -> Iterator[tuple[m.Message, dict[str, Any], bytes]]:
    """Yield the next message, after refusing what must not come while a segment runs."""
    message, values, tail = link.receive()
    if message is m.HELLO:
        raise LinkError(
            f"{link.port}: the board reset in the middle of a run: check its supply, then run again"
        )
    if message is m.FAULT:
        code = values["code"]
        name = m.Fault(code).name if code in list(m.Fault) else f"code {code}"
        raise LinkError(
            f"{link.port}: the board reports {name} ({values['argument0']}, {values['argument1']}): "
            "check the line and run again"
        )
    yield message, values, tail


def _check_nothing_lost(link: PatchLink, status: dict[str, int], sent: int) -> None:
    losses = {
        key: status[key]
        for key in (
            "samples_lost",
            "rx_bytes_lost",
            "rx_frames_bad",
            "rx_sequence_gaps",
            "tx_frames_dropped",
            "faults",
        )
        if status[key]
    }
    if link.decoder.lost or link.decoder.frames_bad:
        losses |= {"host_frames_lost": link.decoder.lost, "host_frames_bad": link.decoder.frames_bad}
    if status["samples_processed"] != sent & 0xFFFFFFFF:
        losses["samples_unprocessed"] = sent - status["samples_processed"]
    if losses:
        counted = ", ".join(f"{key} {value}" for key, value in losses.items())
        raise LinkError(f"{link.port}: the line lost something ({counted}): check the cable and run again")
