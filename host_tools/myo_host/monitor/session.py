"""What the monitor knows of a running patch: takes the link's messages, makes the page's packets."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host import messages as m
from myo_host.boards import Board
from myo_host.link import Hello, PatchLink
from myo_host.monitor.packets import Packet, pack_json
from myo_host.monitor.saver import Saver, name_recording
from myo_host.monitor.signals import FILTERED, RAW, Signals
from myo_host.monitor.timing import Timing, scale_ticks
from myo_host.recorder import FrameAssembler, describe_decision, describe_quality_change
from myo_pipeline.bundle import Bundle
from myo_pipeline.twin_config import VALUES, TwinConfig

COUNTERS_EVERY_S = 1.0
KEPT_DECISIONS, KEPT_EVENTS = 1200, 200
_WRAP = 1 << 32


def unwrap(value: int, near: int) -> int:
    """Return the number that a 32-bit counter stands for, next to one that is known."""
    return near + ((value - near + _WRAP // 2) % _WRAP) - _WRAP // 2


class _Run:
    """One run of a board, from START on."""

    def __init__(
        self, link: PatchLink, hello: Hello, signals: Signals, timing: Timing, *, number: int, replayed: str
    ) -> None:
        self.link, self.hello, self.signals, self.timing = link, hello, signals, timing
        self.number, self.replayed = number, replayed
        self.frames = 0  # of the sensor, so far
        self.assemblers = {
            m.Stage.RAW: FrameAssembler(hello.n_channels),
            m.Stage.FILTERED: FrameAssembler(hello.n_filtered),
        }
        self.newest = {m.Stage.RAW: 0, m.Stage.FILTERED: 0}
        self.scores: list[int] = []  # of the window whose decision comes next
        self.sums: list[int] = []
        self.decisions: deque[dict[str, Any]] = deque(maxlen=KEPT_DECISIONS)
        self.fresh: list[dict[str, Any]] = []
        self.quality = bytes(hello.n_channels)  # flags, as the patch told them last
        self.status: dict[str, int] = {}
        self.samples_missing = self.faults = 0
        self.counted_at = time.monotonic()
        self.counted = (0, link.decoder.bytes_seen)
        self.speed = self.bytes_per_s = 0.0

    def count(self, now: float) -> None:
        """Measure how fast samples and bytes come."""
        counted, seconds = (self.frames, self.link.decoder.bytes_seen), now - self.counted_at
        self.speed = (counted[0] - self.counted[0]) / seconds / self.signals.rate_hz
        self.bytes_per_s = (counted[1] - self.counted[1]) / seconds
        self.counted, self.counted_at = counted, now

    def host_counters(self) -> dict[str, int]:
        """Return what this end of the line counted."""
        decoder = self.link.decoder
        return {"frames_lost": decoder.lost, "frames_bad": decoder.frames_bad}


class Session:
    """The state of one monitor; the feed's thread writes it, the server's threads ask for snapshots and give commands."""

    def __init__(
        self, publish: Callable[[Packet], None], bundle: Bundle | None, board: Board | None, save_to: Path
    ) -> None:
        self._publish, self._board, self._save_to, self._bundle = publish, board, save_to, bundle
        self._spec = bundle.spec if bundle else None
        self._config = TwinConfig.load(bundle.path / "twin.npz") if bundle else None
        self._lock = threading.RLock()
        self._run: _Run | None = None
        self._setup = ""
        self._n_events = self._n_marks = 0
        self._events: deque[str] = deque(maxlen=KEPT_EVENTS)
        self._state = ("connecting", "")
        self._saver: Saver | None = None

    # ----- what the feed tells -----

    def begin(self, link: PatchLink, hello: Hello, *, replayed: str, with_filtered: bool) -> float:
        """Begin a run, just before START; return the sample rate."""
        with self._lock:
            exponent = self._config.exponent if self._config else None
            signals = Signals(self._publish, hello, self._spec, exponent, with_filtered=with_filtered)
            timing = Timing(scale_ticks(self._board, hello, self._bundle), hello, signals.rate_hz)
            number = self._run.number + 1 if self._run else 1
            self._run = _Run(link, hello, signals, timing, number=number, replayed=replayed)
            output = self._spec.output if self._spec else None
            labels = (
                self._spec.output_names if self._spec else [f"output {k}" for k in range(hello.n_outputs)]
            )
            self._setup = pack_json(
                "setup",
                run=number, board=hello.board, bundle=hello.bundle_hash[:12], name=self._spec.name if self._spec else "",
                replayed=replayed, streams=signals.streams, rate_hz=signals.rate_hz, hop_s=timing.hop_ms / 1000,
                kind="values" if hello.output_kind == VALUES else "classes", labels=labels,
                value_unit=getattr(output, "unit", ""), vote=self._config.vote if self._config else None,
                time_words=timing.scale.words, quality_words=signals.quality_words,
            )  # fmt: skip
            self._publish(self._setup)
            self.set_state("running", "")
            return signals.rate_hz

    def set_state(self, state: str, text: str) -> None:
        """Tell the pages how the patch is: connecting, running, ended, lost or closed."""
        with self._lock:
            self._state = (state, text)
            self._publish(pack_json("state", state=state, text=text))

    def sent(self, counts: NDArray[np.int32]) -> None:
        """Take raw frames that the host sent itself."""
        with self._lock:
            if self._run:
                self._take_raw(self._run, counts, 0)
                self._run.timing.note_sent(self._run.frames)

    def take(self, message: m.Message, values: dict[str, Any], tail: bytes) -> None:
        """Take a message of the board."""
        with self._lock:
            run = self._run
            if run is None:
                return
            if message is m.TENSOR:
                self._take_tensor(run, values, tail)
            elif message is m.DECISION:
                self._take_decision(run, values)
            elif message is m.STATUS:
                run.status = values
                if self._saver:
                    self._saver.note({"status": values})
            elif message is m.QUALITY:
                run.signals.take_quality(tail, values["n_masked"], gated=bool(values["gated"]))
                if self._saver and (said := describe_quality_change(values, tail, run.quality)):
                    self._saver.annotate(values["end_sample"], said)
                run.quality = tail
            elif message is m.FAULT:
                run.faults += 1
                code = values["code"]
                name = m.Fault(code).name if code in list(m.Fault) else f"code {code}"
                self.tell("fault", f"{name} ({values['argument0']}, {values['argument1']})")

    def tell(self, kind: str, text: str, n_frames: int | None = None) -> None:
        """Note an event now: in the list, on the traces and in the file."""
        with self._lock:
            run = self._run
            frames = run.frames if run else 0
            event = pack_json(
                "event", number=self._n_events, run=run.number if run else 0, kind=kind, text=text, frame=frames,
                clock=f"{dt.datetime.now():%H:%M:%S}",
            )  # fmt: skip
            self._n_events += 1
            self._events.append(event)
            self._publish(event)
            if self._saver:
                self._saver.annotate(frames, text if kind == "mark" else f"{kind} {text}", n_frames)

    def flush(self) -> None:
        """Publish what has come since the last time; the feed calls it some forty times a second."""
        with self._lock:
            run = self._run
            if run is None:
                return
            run.signals.flush()
            if run.fresh:
                self._publish(pack_json("decisions", decisions=run.fresh))
                run.fresh = []
            now = time.monotonic()
            if now - run.counted_at >= COUNTERS_EVERY_S:
                run.count(now)
                self._publish(self._pack_counters(run))
            if self._saver and self._saver.error:
                self._finish("could not be written")

    def end(self, why: str) -> None:
        """End a run: nothing more comes; the file is closed."""
        with self._lock:
            self.flush()
            if self._run:
                self._publish(self._pack_counters(self._run))
            self._finish(why)

    # ----- what the server asks -----

    def snapshot(self) -> list[Packet]:
        """Return what a page that opens now must know."""
        with self._lock:
            state, text = self._state
            packets: list[Packet] = []
            if run := self._run:
                packets += [self._setup, pack_json("decisions", decisions=list(run.decisions))]
                packets += [*run.signals.snapshot(), self._pack_counters(run)]
            return [*packets, *self._events, self._pack_saving(), pack_json("state", state=state, text=text)]

    def obey(self, command: str, text: str) -> None:
        """Do what a page asks: mark, save or finish.

        Raises
        ------
        DataError, OSError
            If the file cannot be made.
        """
        with self._lock:
            run = self._run
            if command == "mark":
                self._n_marks += 1
                self.tell("mark", " ".join(text.split()) or f"mark {self._n_marks}")
            elif command == "save" and run and self._saver is None and self._state[0] == "running":
                path = name_recording(self._save_to, dt.datetime.now())
                meta = {"replayed": run.replayed} if run.replayed else {}
                self._saver = Saver(path, run.hello, self._spec.sensor if self._spec else None, meta)
                self._publish(self._pack_saving())
                self.tell("saving", str(path))
            elif command == "finish":
                self._finish("stopped")

    # ----- inside -----

    def _take_tensor(self, run: _Run, values: dict[str, Any], tail: bytes) -> None:
        stage = m.Stage(values["stage"])
        if stage in run.assemblers:
            run.newest[stage] = unwrap(values["index"], run.newest[stage])
            frames, missing, _ = run.assemblers[stage].take(values | {"index": run.newest[stage]}, tail)
            if stage is m.Stage.RAW:
                self._take_raw(run, frames, -(-missing // run.hello.n_channels))
            else:
                run.signals.take(FILTERED, frames, -(-missing // run.hello.n_filtered))
        elif stage is m.Stage.OUTPUT:
            run.scores = [*(run.scores if values["offset"] else ()), *np.frombuffer(tail, np.int8).tolist()]
        elif stage is m.Stage.DECISION:
            run.sums += np.frombuffer(tail, "<i4").tolist()

    def _take_raw(self, run: _Run, counts: NDArray[np.int32], lost: int) -> None:
        if lost:
            run.samples_missing += lost
            self.tell("gap", f"{lost} frames lost on the line", lost)
        if self._saver:
            self._saver.append(run.frames, counts)
        run.frames += len(counts)
        run.signals.take(RAW, counts, lost)

    def _take_decision(self, run: _Run, values: dict[str, int]) -> None:
        scale = self._config.output_scale if self._config else 1 / 256
        zero = self._config.output_zero_point if self._config else -128
        end = unwrap(values["end_sample"], run.frames)
        latency_ms, load = run.timing.take(values, end)
        row: dict[str, Any] = {
            "window": values["window"], "end": end, "latency_ms": round(latency_ms, 4), "load": round(load, 5),
        }  # fmt: skip
        is_values = run.hello.output_kind == VALUES
        if is_values:
            row["values"] = [(word / max(1, values["n_votes"]) - zero) * scale for word in run.sums]
        else:
            row |= {
                "decided": values["decided"], "raw": values["raw"], "votes": values["n_votes"],
                "confidence": round((values["confidence"] - zero) * scale, 4),
                "scores": [round((word - zero) * scale, 4) for word in run.scores],
            }  # fmt: skip
        if self._saver:
            labels = self._spec.output_names if self._spec else []
            self._saver.annotate(end, describe_decision(values, labels, run.sums if is_values else None))
        run.scores, run.sums = [], []
        run.decisions.append(row)
        run.fresh.append(row)

    def _pack_counters(self, run: _Run) -> str:
        host = run.host_counters() | {"samples_missing": run.samples_missing, "faults": run.faults}
        return pack_json(
            "counters", status=run.status, host=host, speed=run.speed, bytes_per_s=run.bytes_per_s,
            time_s=run.frames / run.signals.rate_hz,
            saving=self._saver.n_frames / self._saver.rate_hz if self._saver else None, **run.timing.summarize(),
        )  # fmt: skip

    def _pack_saving(self) -> str:
        return pack_json("saving", path=str(self._saver.path) if self._saver else "")

    def _finish(self, why: str) -> None:
        saver, self._saver = self._saver, None
        run = self._run
        if saver is None or run is None:
            return
        counters = {"samples_missing": run.samples_missing, "faults": run.faults, "status": run.status}
        saver.close({"ended": why, "host": run.host_counters()} | counters)
        self._publish(self._pack_saving())
        if saver.error:
            self.tell("error", f"{saver.path}: {saver.error}; what it holds is whole")
        else:
            self.tell("saved", f"{saver.path}, {saver.n_frames / saver.rate_hz:.1f} s")
