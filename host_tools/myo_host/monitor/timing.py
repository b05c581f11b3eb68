"""How long the patch takes: what its ticks are worth, its latencies, its share of the core."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from myo_host.boards import Board
from myo_host.link import Hello
from myo_host.validate import cycles_each
from myo_pipeline.bundle import Bundle
from myo_pipeline.errors import MyoError

KEPT = 4096  # latencies in the histogram and the percentiles
EDGES_MS = np.logspace(-2, 3, 61)  # of the histogram: 12 bins a decade (``page/plots.js``)
SMOOTHING = 1 / 16  # of the work a window, from one window to the next
PARTS = ("front_end", "network", "decision")


@dataclass(frozen=True)
class TimeScale:
    """What a tick of a board's counter is worth.

    Attributes
    ----------
    ms_per_tick
        Milliseconds, of a virtual board at one cycle an instruction.
    cycles_each
        Cycles of an instruction of each of :data:`PARTS`; 1 where time is measured, or nobody knows.
    words
        How that is known.
    """

    ms_per_tick: float
    cycles_each: dict[str, float]
    words: str


def scale_ticks(board: Board | None, hello: Hello, bundle: Bundle | None) -> TimeScale:
    """Return what ticks are worth: measured time of a real core, an estimate for a virtual one, or its lower bound."""
    plain = dict.fromkeys(PARTS, 1.0)
    if board is None or board.instructions_per_tick is None:
        words = "time of this computer" if board is not None else "measured by the patch"
        return TimeScale(1000 / hello.tick_hz, plain, words)
    ms = board.instructions_per_tick / board.clock_hz * 1000
    clock = f"instructions at {board.clock_hz / 1e6:g} MHz"
    if board.has_cycles and bundle is not None:
        with suppress(MyoError):  # of an older export, which predicts no cycles
            return TimeScale(
                ms, {part: cycles_each(bundle, part) for part in PARTS}, f"estimated from {clock}"
            )
    return TimeScale(ms, plain, f"at least, from {clock}")


class Timing:
    """Collects the times of a run.

    Attributes
    ----------
    hop_ms
        Time between two decisions.
    scale
        What ticks are worth.
    """

    def __init__(self, scale: TimeScale, hello: Hello, rate_hz: float) -> None:
        self.scale = scale
        self.hop_ms = hello.hop_samples * hello.decimation / rate_hz * 1000
        self._busy_ms = float("nan")
        self._latencies: deque[float] = deque(maxlen=KEPT)
        self._round_trips: deque[float] = deque(maxlen=KEPT)
        self._sent: deque[tuple[int, float]] = deque(maxlen=KEPT)  # frames so far, and when

    def note_sent(self, frames: int) -> None:
        """Remember when the host had sent so many frames."""
        self._sent.append((frames, time.monotonic()))

    def take(self, decision: dict[str, int], end_frame: int) -> tuple[float, float]:
        """Take a decision's ticks; return its latency in milliseconds and its share of the core."""
        scale = self.scale
        ticks = sum(decision[f"{part}_ticks"] for part in PARTS)
        busy_ms = (
            sum(decision[f"{part}_ticks"] * scale.cycles_each[part] for part in PARTS) * scale.ms_per_tick
        )
        # What else the latency holds has the mean of the parts' cycles.
        latency_ms = decision["latency_ticks"] * (busy_ms / ticks if ticks else scale.ms_per_tick)
        if decision["window"]:  # the first has a whole window's front end
            before = busy_ms if np.isnan(self._busy_ms) else self._busy_ms
            self._busy_ms = before + (busy_ms - before) * SMOOTHING
        self._latencies.append(latency_ms)
        while self._sent and self._sent[0][0] <= end_frame:
            frames, when = self._sent.popleft()
            if frames == end_frame:
                self._round_trips.append((time.monotonic() - when) * 1000)
        return latency_ms, busy_ms / self.hop_ms

    def summarize(self) -> dict[str, Any]:
        """Return what the page shows; NaN where nothing is known yet."""
        latencies = np.array(self._latencies, np.float64)
        bins = np.histogram(np.clip(latencies, EDGES_MS[0], EDGES_MS[-1]), EDGES_MS)[0]
        return {
            "load": self._busy_ms / self.hop_ms, "busy_ms": self._busy_ms, "hop_ms": self.hop_ms,
            "latency": {
                "n": len(latencies), "bins": bins.tolist(),
                "percentiles": np.percentile(latencies if len(latencies) else [np.nan], (50, 95, 99, 100)).tolist(),
                "round_trip": np.percentile(self._round_trips or [np.nan], (50, 99)).tolist(),
            },
        }  # fmt: skip
