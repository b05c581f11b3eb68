"""The streams of a run: raw, filtered and envelope, and what is computed of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host.link import Hello
from myo_host.monitor.analysis import (
    SPECTRUM_S,
    Envelope,
    QualityWatch,
    Rolling,
    Trend,
    measure_spectrum,
)
from myo_host.monitor.packets import Packet, pack_json, pack_samples, pack_spectrum
from myo_pipeline.quality_gate import name_flags
from myo_pipeline.spec import PatchSpec

RAW, FILTERED, ENVELOPE = 0, 1, 2  # numbers of the streams, as the page knows them
SPECTRUM_EVERY_S = 0.25
TREND_EVERY_S = 1.0  # of patch time
SLOPES_EVERY = 5  # points of the trend
UNKNOWN_LSB = 1.0  # of a spec whose recordings do not say what a count is worth


class Signals:
    """Takes frames as they come, publishes them in portions, and measures them on the way."""

    def __init__(
        self, publish: Callable[[Packet], None], hello: Hello, spec: PatchSpec | None, exponent: int | None,
        *, with_filtered: bool,
    ) -> None:  # fmt: skip
        """Describe the streams.

        Parameters
        ----------
        publish
            Takes packets.
        hello
            Of the board.
        spec, exponent
            Of its bundle; without them counts and words have no worth.
        with_filtered
            Whether the board sends the signal behind the front end.
        """
        self._publish = publish
        sensor = spec.sensor if spec else None
        lsb = sensor.lsb_uv if sensor else UNKNOWN_LSB
        unit = "counts" if lsb == UNKNOWN_LSB else "µV"
        raw_names = [f"EMG {k + 1}" for k in range(hello.n_channels)]
        same = hello.n_filtered == hello.n_channels
        names = raw_names if same else [f"out {k + 1}" for k in range(hello.n_filtered)]
        squared = spec is not None and any(stage.kind == "tkeo" for stage in spec.stage)
        filtered_unit = "words" if exponent is None else f"{unit}²" if squared else unit
        self.rate_hz = sensor.rate_hz if sensor else hello.rate_hz
        self._rates = {RAW: self.rate_hz, FILTERED: self.rate_hz / hello.decimation}
        self._basis = FILTERED if with_filtered else RAW
        basis_names, basis_unit = (names, filtered_unit) if with_filtered else (raw_names, unit)
        self._worth = {
            RAW: lsb,
            FILTERED: 1.0 if exponent is None else 2.0**-exponent * (lsb**2 if squared else lsb),
        }
        shown = (RAW, FILTERED) if with_filtered else (RAW,)
        widths = {RAW: hello.n_channels, FILTERED: hello.n_filtered}
        self._pending: dict[int, list[NDArray[np.float32]]] = {stream: [] for stream in shown}
        self._at = dict.fromkeys((*shown, ENVELOPE), 0)
        self._rolling = {
            stream: Rolling(max(16, round(self._rates[stream] * SPECTRUM_S)), widths[stream]) for stream in shown
        }  # fmt: skip
        self._envelope = Envelope(self._rates[self._basis], len(basis_names))
        self._trend = Trend(len(basis_names))
        self._slopes: list[list[dict[str, float]]] = []
        self._trend_at = round(self._rates[self._basis] * SPECTRUM_S)
        self._spectrum_at = time.monotonic()
        adc_bits = sensor.adc_bits if sensor else 8 * min(3, hello.sample_bytes)
        self._told_by_patch = spec is not None and spec.quality is not None
        watch = (
            None if self._told_by_patch else QualityWatch.open(hello.n_channels, self.rate_hz, adc_bits, lsb)
        )
        self._quality = watch
        self._verdict = ""
        raw = {"id": RAW, "name": "raw", "rate_hz": self.rate_hz, "channels": raw_names, "unit": unit}
        filtered = {
            "id": FILTERED, "name": "filtered", "rate_hz": self._rates[FILTERED], "channels": names,
            "unit": filtered_unit,
        }  # fmt: skip
        envelope = {
            "id": ENVELOPE, "name": "envelope", "rate_hz": self._envelope.rate_hz, "channels": basis_names,
            "unit": basis_unit,
        }  # fmt: skip
        self.streams: list[dict[str, Any]] = [raw, filtered, envelope] if with_filtered else [raw, envelope]
        self.quality_words = (
            "told by the patch" if self._told_by_patch
            else "computed on this computer, with default thresholds" if watch
            else "not computed, the sample rate is too low for the mains"
        )  # fmt: skip

    def take(self, stream: int, words: NDArray[np.int32], lost: int) -> None:
        """Take whole frames of a stream, the first ``lost`` of which the line lost."""
        frames = (words * self._worth[stream]).astype(np.float32)
        frames[:lost] = np.nan
        if len(frames):
            self._pending[stream].append(frames)
        if stream == RAW and self._quality is not None:
            flags = self._quality.push(words)
            if flags is not None:
                self._judge(flags.tobytes(), masked=0, gated=False)

    def take_quality(self, flags: bytes, masked: int, *, gated: bool) -> None:
        """Take the patch's own flags; from now on they are the ones that are shown."""
        self._quality = None
        self._judge(flags, masked, gated)

    def _judge(self, flags: bytes, masked: int, gated: bool) -> None:
        verdict = pack_json("quality", flags=[name_flags(f) for f in flags], masked=masked, gated=gated)
        if verdict != self._verdict:
            self._verdict = verdict
            self._publish(verdict)

    def flush(self) -> None:
        """Publish what has come since the last time, and what follows from it."""
        for stream, pending in self._pending.items():
            if pending:
                frames = np.concatenate(pending)
                pending.clear()
                self._publish(pack_samples(stream, self._at[stream], frames))
                self._at[stream] += len(frames)
                self._rolling[stream].push(frames)
                if stream == self._basis:
                    self._measure(frames)
        if time.monotonic() - self._spectrum_at >= SPECTRUM_EVERY_S:
            self._spectrum_at = time.monotonic()
            for stream, rolling in self._rolling.items():
                newest = rolling.newest()
                if newest is not None and np.isfinite(newest).all():
                    hz, power = measure_spectrum(newest, self._rates[stream])
                    self._publish(pack_spectrum(stream, hz, np.sqrt(power)))

    def snapshot(self) -> list[Packet]:
        """Return trend and flags so far."""
        points = [[time_s, point.tolist()] for time_s, point in self._trend.points()]
        packets: list[Packet] = [pack_json("trend", points=points, slopes=self._slopes)]
        return [*packets, self._verdict] if self._verdict else packets

    def _measure(self, frames: NDArray[np.float32]) -> None:
        if len(rms := self._envelope.push(frames)):
            self._publish(pack_samples(ENVELOPE, self._at[ENVELOPE], rms))
            self._at[ENVELOPE] += len(rms)
        rate, at = self._rates[self._basis], self._at[self._basis]
        if at < self._trend_at:
            return
        self._trend_at = at + round(rate * TREND_EVERY_S)
        newest = self._rolling[self._basis].newest()
        if newest is None or not np.isfinite(newest).all():
            return
        hz, power = measure_spectrum(newest, rate)
        point = self._trend.push(at / rate, power, hz)
        if len(self._trend.points()) % SLOPES_EVERY == 0:
            self._slopes = [[vars(slope) for slope in slopes] for slopes in self._trend.slopes()]
        self._publish(pack_json("trend", points=[[at / rate, point.tolist()]], slopes=self._slopes))
