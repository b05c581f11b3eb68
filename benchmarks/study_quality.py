"""Signal quality on recordings: how many planted faults are told, how soon, and how many are told of untouched ones.

usage: python benchmarks/study_quality.py [--out FILE]

Every second person of a data set chooses the thresholds; rates are of the others. A fault is planted into one channel of
a clean recording from its middle on. It counts as detected where its flag rises within 5 s of its begin; recordings whose
flag was up before are left out. Untouched recordings give the flags risen per channel and hour and the share of time that they
are up: faults that the recordings really have are counted as false alarms too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from myo_pipeline.bundle import write_json
from myo_pipeline.quality import (
    Energies,
    Flag,
    QualityConfig,
    QualitySettings,
    compile_quality,
    measure_periods,
)
from myo_pipeline.quality_flags import flag_energies
from myo_training.datasets import list_places

Floats = NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "quality.json"
PICTURE = ROOT / "docs" / "quality.svg"
DELAY_S = 5.0
ALARMS_AN_HOUR = 1.0  # a channel, that the thresholds may cost on the choosing persons
N_PLANTS = 3  # recordings with each fault, a person


@dataclass(frozen=True)
class Source:
    """A data set; sizes are in counts because nobody knows its microvolts."""

    name: str
    rate_hz: float
    adc_bits: int
    mains_hz: float
    seconds: float  # of a recording with a fault


SOURCES = (Source("myo_readings", 200.0, 8, 50.0, 60.0), Source("elderly_emg_dyn", 2000.0, 12, 60.0, 30.0))


def read_persons(source: Source, folder: Path) -> Iterator[list[NDArray[np.int16]]]:
    """Read each person's recordings, counts (n_frames, n_channels)."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as archive:
            if source.name == "elderly_emg_dyn":
                muscles = [archive[key] for key in archive.files if key.startswith("EM")]
                n = min(len(muscle) for muscle in muscles)
                trials = np.stack(
                    [muscle[:n, :3] for muscle in muscles], axis=-1
                )  # the fourth trial is noise
                yield [np.rint(trials.transpose(1, 0, 2).reshape(-1, 4) / 10).astype(np.int16)]
            else:
                keys = [key for key in archive.files if key.endswith("_emg")]
                sessions = sorted({key.split("_")[0] for key in keys})
                yield [
                    np.concatenate([archive[k] for k in keys if k.startswith(f"{s}_")]).astype(np.int16)
                    for s in sessions
                ]


@dataclass(frozen=True)
class Place:
    """Where a fault goes: the channel's samples, the others', and what the channel is like."""

    x: Floats
    other: Floats
    rms: float
    t: Floats
    mains_hz: float
    top: int
    rng: np.random.Generator

    def hum(self, rms: float) -> Floats:
        """Mains of that size, with a third and a fifth harmonic where the converter sees them."""
        f = self.mains_hz * (1 + self.rng.uniform(-0.002, 0.002))
        phase = self.rng.uniform(0, 2 * np.pi, 3)
        wave = sum(
            a * np.sin(2 * np.pi * f * k * self.t + p)
            for k, a, p in zip((1, 3, 5), (1, 0.15, 0.07), phase, strict=True)
        )
        return np.asarray(rms * np.sqrt(2) * wave)

    def wander(self, rms: float) -> Floats:
        """Noise below 3 Hz of that size."""
        rate = 1 / (self.t[1] - self.t[0])
        slow = signal.sosfilt(
            signal.butter(2, 3.0, fs=rate, output="sos"), self.rng.normal(size=len(self.t) + int(rate))
        )[int(rate) :]
        return np.asarray(rms * slow / slow.std())

    def steps(self, rms: float) -> Floats:
        """Jumps about once a second that an amplifier's high-pass of 1 Hz lets decay."""
        rate = 1 / (self.t[1] - self.t[0])
        jumps = np.where(self.rng.uniform(size=len(self.t)) < 1 / rate, self.rng.normal(size=len(self.t)), 0)
        jumps[0] = 1.0
        decay = signal.lfilter([1.0], [1.0, -np.exp(-2 * np.pi / rate)], jumps)
        return np.asarray(rms * decay / decay.std())


def _gain(place: Place, share: float) -> Floats:
    """Amplify until that share of the samples is at the ends."""
    return np.asarray(place.x * place.top / max(float(np.quantile(np.abs(place.x), 1 - share)), 0.5))


FAULTS: dict[str, tuple[Flag, Callable[[Place], Floats]]] = {
    "electrode off, mains 2 x EMG": (Flag.OFF, lambda p: p.hum(2 * p.rms) + p.wander(2 * p.rms)),
    "electrode off, mains 5 x EMG": (Flag.OFF, lambda p: p.hum(5 * p.rms) + p.wander(3 * p.rms)),
    "electrode off, into the ends": (Flag.SATURATED, lambda p: p.hum(2.0 * p.top) + p.wander(p.top)),
    "gain, 1 % at the ends": (Flag.SATURATED, lambda p: _gain(p, 0.01)),
    "gain, 5 % at the ends": (Flag.SATURATED, lambda p: _gain(p, 0.05)),
    "dead, constant": (Flag.FLAT, lambda p: np.full_like(p.x, np.round(p.rng.uniform(-20, 20)))),
    "dead, last bit toggles": (Flag.FLAT, lambda p: (p.rng.uniform(size=len(p.x)) < 0.1) * 1.0),
    "duplicated": (Flag.DUPLICATED, lambda p: p.other),
    "bridged, 2 % of other energy": (
        Flag.DUPLICATED, lambda p: p.other + p.rng.normal(0, np.sqrt(0.02) * p.other.std(), len(p.x))
    ),
    "mains 0.5 x EMG": (Flag.MAINS, lambda p: p.x + p.hum(0.5 * p.rms)),
    "mains 1 x EMG": (Flag.MAINS, lambda p: p.x + p.hum(p.rms)),
    "mains 2 x EMG": (Flag.MAINS, lambda p: p.x + p.hum(2 * p.rms)),
    "mains 4 x EMG": (Flag.MAINS, lambda p: p.x + p.hum(4 * p.rms)),
    "wander 1 x EMG": (Flag.MOTION, lambda p: p.x + p.wander(p.rms)),
    "wander 3 x EMG": (Flag.MOTION, lambda p: p.x + p.wander(3 * p.rms)),
    "steps 3 x EMG": (Flag.MOTION, lambda p: p.x + p.steps(3 * p.rms)),
}  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """A recording's energies with a fault from a period on."""

    fault: str
    energies: Energies
    channel: int
    first: int


def plant_faults(
    source: Source, config: QualityConfig, recordings: list[NDArray[np.int16]], seed: int
) -> Iterator[Planted]:
    """Plant every fault into clean stretches of a person's recordings."""
    rng = np.random.default_rng([seed, len(recordings)])
    n = int(source.seconds * source.rate_hz) // config.period_frames * config.period_frames
    top = (1 << (source.adc_bits - 1)) - 1
    for fault, (_, make) in FAULTS.items():
        for _ in range(N_PLANTS):
            whole = recordings[rng.integers(len(recordings))]
            begin = int(rng.integers(0, max(1, len(whole) - n)))
            x = whole[begin : begin + n].astype(np.float64)
            channel, onset = (
                int(rng.integers(x.shape[1])),
                len(x) // 2 + int(rng.integers(0, config.period_frames)),
            )
            other = x[:, (channel + int(rng.integers(1, x.shape[1]))) % x.shape[1]]
            t = np.arange(len(x) - onset) / source.rate_hz
            rms = float(x[:, channel].std()) + 0.1
            place = Place(x[onset:, channel], other[onset:], rms, t, source.mains_hz, top, rng)
            x[onset:, channel] = make(place)
            counts = np.clip(np.rint(x), -top - 1, top).astype(np.int32)
            yield Planted(fault, measure_periods(config, counts), channel, onset // config.period_frames)


def detect(source: Source, config: QualityConfig, planted: Planted) -> float | None:
    """Delay in seconds from a fault's begin; infinite where it is not told in time, None where its flag was up."""
    flags = flag_energies(config, planted.energies)[:, planted.channel] & FAULTS[planted.fault][0]
    if flags[: planted.first].any():
        return None
    up = np.flatnonzero(flags[planted.first :])
    period_s = config.period_frames / source.rate_hz
    delay = (up[0] + 0.5) * period_s if len(up) else np.inf  # a fault begins anywhere in its period
    return float(delay) if delay <= DELAY_S + period_s else np.inf


def count_alarms(config: QualityConfig, untouched: list[Energies]) -> dict[Flag, tuple[int, float]]:
    """Count the flags risen, and the share of time that they are up."""
    flags = [flag_energies(config, energies) for energies in untouched]
    found = {}
    for flag in Flag:
        ups = [(f & flag) != 0 for f in flags]
        risen = sum(int((np.diff(up.astype(int), axis=0, prepend=0) > 0).sum()) for up in ups)
        found[flag] = (risen, float(np.concatenate([up.ravel() for up in ups]).mean()))
    return found


# Thresholds that are tried, from the most eager to the most reluctant. SATURATED is not chosen by alarms: samples at the
# ends are a fact, and the recordings have them. OFF, which is a kind of MAINS, is chosen after it.
GRID: dict[Flag, tuple[str, tuple[float, ...]]] = {
    Flag.FLAT: ("flat_uv", (0.5, 0.4, 0.3, 0.2, 0.1)),
    Flag.OFF: ("off_share", (0.2, 0.15, 0.1, 0.05, 0.02)),
    Flag.MAINS: ("mains_share", (0.25, 0.35, 0.5, 0.65, 0.8)),
    Flag.MOTION: ("motion_share", (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)),
    Flag.DUPLICATED: ("duplicated_share", (0.1, 0.05, 0.03, 0.02, 0.01, 0.001)),
    Flag.LOW_SNR: ("snr_db", (10.0, 8.0, 6.0, 4.0, 3.0, 2.0)),
}


def _without_worst(alarms: list[dict[Flag, tuple[int, float]]], hours: list[float], flag: Flag) -> float:
    """Alarms a channel-hour of all persons but that with the most."""
    worst = max(range(len(alarms)), key=lambda k: alarms[k][flag][0] / hours[k])
    kept = [k for k in range(len(alarms)) if k != worst]
    return sum(alarms[k][flag][0] for k in kept) / sum(hours[k] for k in kept)


def choose(
    compile_with: Callable[[QualitySettings], QualityConfig],
    persons: list[list[Energies]],
    period_hours: float,
    rms: float,
) -> QualitySettings:
    """Take for each flag the most eager threshold that keeps within the alarms allowed.

    The worst person of each flag is left out: recordings have faults, and one bad person would decide (R45678 of
    myo_readings has channels with mains in up to 74 % of a session).
    """
    chosen = replace(QualitySettings(), off_uv=1.5 * rms, mains_uv=0.5 * rms, motion_uv=0.5 * rms)
    for pending in ({f: row for f, row in GRID.items() if f != Flag.OFF}, {Flag.OFF: GRID[Flag.OFF]}):
        for step in range(max(len(values) for _, values in GRID.values())):
            trial = {name: values[min(step, len(values) - 1)] for name, values in pending.values()}
            chosen = replace(chosen, **trial)  # type: ignore[arg-type]
            config = compile_with(chosen)
            alarms = [count_alarms(config, person) for person in persons]
            hours = [sum(e.total.size for e in person) * period_hours for person in persons]
            for flag in [f for f in pending if _without_worst(alarms, hours, f) <= ALARMS_AN_HOUR]:
                del pending[flag]
            if not pending:
                break
    return chosen


def study(source: Source, folder: Path) -> dict[str, object]:
    """Choose thresholds on half of the persons, and measure on the others."""
    persons = list(read_persons(source, folder))
    n_channels = persons[0][0].shape[1]

    def compile_with(settings: QualitySettings) -> QualityConfig:
        return compile_quality(
            settings, n_channels=n_channels, rate_hz=source.rate_hz, adc_bits=source.adc_bits, lsb_uv=1.0,
            mains_hz=source.mains_hz,
        )  # fmt: skip

    config = compile_with(QualitySettings())
    halves = [
        [[measure_periods(config, x) for x in person] for person in persons[half::2]] for half in (0, 1)
    ]
    hours = [
        sum(e.total.size for person in half for e in person) * config.period_frames / source.rate_hz / 3600
        for half in halves
    ]
    choosing = [e for person in halves[0] for e in person]
    rms = float(np.sqrt(np.median(np.concatenate([e.rest.ravel() for e in choosing])) / config.period_looks))
    settings = choose(compile_with, halves[0], config.period_frames / source.rate_hz / 3600, rms)
    config = compile_with(settings)
    alarms = count_alarms(config, [e for person in halves[1] for e in person])
    delays: dict[str, list[float]] = {fault: [] for fault in FAULTS}
    by_person: dict[str, list[float]] = {fault: [] for fault in FAULTS}
    for seed, person in enumerate(persons[1::2]):
        mine: dict[str, list[float]] = {fault: [] for fault in FAULTS}
        for planted in plant_faults(source, config, person, seed):
            delay = detect(source, config, planted)
            if delay is not None:
                mine[planted.fault].append(delay)
        for fault, found in mine.items():
            delays[fault] += found
            if found:
                by_person[fault].append(float(np.mean(np.isfinite(found))))
    return {
        "choosing_persons": len(halves[0]), "reported_persons": len(halves[1]),
        "channel_hours": round(hours[1], 2), "typical_rms_counts": round(rms, 2),
        "settings": {name: getattr(settings, name) for name in settings.__dataclass_fields__},
        "faults": {
            fault: {
                "flag": FAULTS[fault][0].name, "planted": len(found),
                "detected": float(np.mean(np.isfinite(found))) if found else None,
                "median_delay_s": float(np.median([d for d in found if np.isfinite(d)] or [np.nan])),
                "worst_person": min(by_person[fault], default=None),
            }
            for fault, found in delays.items()
        },
        "untouched": {
            str(flag.name): {"alarms_a_channel_hour": risen / hours[1], "share_of_time": share}
            for flag, (risen, share) in alarms.items()
        },
    }  # fmt: skip


def draw(results: dict[str, dict[str, dict[str, dict[str, float]]]]) -> str:
    """Draw the detection rates as an SVG: one bar a fault and data set."""
    width, left, row, bar = 760, 230, 30, 10
    height = 40 + row * len(FAULTS)
    colours = dict(zip(results, ("#2a6f97", "#e07a3f"), strict=False))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for k, (name, colour) in enumerate(colours.items()):
        parts.append(f'<rect x="{left + 170 * k}" y="10" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{left + 170 * k + 15}" y="19">{name}</text>')
    for k, fault in enumerate(FAULTS):
        y = 35 + row * k
        parts.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{fault}</text>')
        for j, (name, colour) in enumerate(colours.items()):
            rate = results[name]["faults"][fault]["detected"] or 0.0
            length = (width - left - 60) * rate
            parts.append(
                f'<rect x="{left}" y="{y + bar * j}" width="{length:.1f}" height="{bar - 1}" fill="{colour}"/>'
                f'<text x="{left + length + 4:.1f}" y="{y + bar * j + 8}" font-size="9">{rate:.0%}</text>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> int:
    """Study the data sets that are here, print tables, write results and picture."""
    parser = argparse.ArgumentParser(description="Signal quality on recordings with planted faults.")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    results = {}
    for source in SOURCES:
        folder = next((p / source.name for p in list_places() if (p / source.name).is_dir()), None)
        if folder is None:
            print(f"study_quality: {source.name} is not here (set $MYOPATCH_DATA); left out")
            continue
        found: dict = study(source, folder)
        results[source.name] = found
        print(f"{source.name}: {found['reported_persons']} persons, {found['channel_hours']} channel-hours")
        for fault, row in found["faults"].items():
            rate = "-" if row["detected"] is None else f"{row['detected']:.1%}"
            print(
                f"  {fault:32} {row['flag']:10} {rate:>7} of {row['planted']:3}  {row['median_delay_s']:.2f} s"
            )
        for flag, row in found["untouched"].items():
            print(
                f"  untouched, {flag:10} {row['alarms_a_channel_hour']:8.2f} a channel-hour, {row['share_of_time']:.3%} of time"
            )
        print("  ", found["settings"])
    if not results:
        return 2
    write_json(arguments.out, results)
    if arguments.out == RESULTS:
        PICTURE.write_text(draw(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
