"""What the quality gate is worth: gestures decided with faulty channels, without a gate and with several.

usage: python benchmarks/study_quality_gate.py [BUNDLE] [--out FILE]

Persons that trained the bundle's model choose the flags' thresholds, by the rule of study_quality.py; the persons that chose
its epoch choose which flags mask; figures are of the persons that neither has seen. A fault is planted into one or two
channels of a stretch of a recording, 5 s after its begin, for 15 s; every window from the fault's first sample on counts, so the
time that a flag takes to rise counts against the gate. Every fourth window is decided by itself, without a vote, by the
twin's integers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))
from myo_pipeline.bundle import open_bundle, write_json
from myo_pipeline.quality import Flag, QualityConfig, QualitySettings, compile_quality, measure_periods
from myo_pipeline.quality_gate import GateTwin, QualityGate, name_flags, trace_channels
from myo_pipeline.reference import cut_windows, vote_classes, window_ends
from myo_pipeline.twin import FrontEndTwin
from myo_pipeline.twin_config import TwinConfig
from myo_training.datasets import resolve_dataset
from myo_training.recordings import Recording
from myo_training.runtime import run_model
from study_quality import FAULTS, Place, choose

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "quality_gate.json"
SECONDS, ONSET_S = 20.0, 5.0
STEP = 4  # hops between windows that are decided
N_PLANTS = 3  # of each fault and number of channels, a person
PLANTED = (
    "electrode off, mains 2 x EMG", "electrode off, mains 5 x EMG", "electrode off, into the ends", "gain, 5 % at the ends",
    "dead, constant", "duplicated", "mains 1 x EMG", "mains 4 x EMG", "wander 3 x EMG", "steps 3 x EMG",
)  # fmt: skip
SURE = int(Flag.SATURATED | Flag.FLAT | Flag.OFF)


class Gate(NamedTuple):
    """What masks, how many masked channels are allowed, and the share of samples at the ends that is saturated."""

    flags: int
    max_masked: int = 8
    saturated_share: float = QualitySettings.saturated_share


GATES: dict[str, Gate] = {
    "no gate": Gate(0),
    "saturated, flat, off": Gate(SURE),
    "saturated 5 %, flat, off": Gate(SURE, saturated_share=0.05),
    "saturated 20 %, flat, off": Gate(SURE, saturated_share=0.2),
    "flat, off": Gate(int(Flag.FLAT | Flag.OFF)),
    "+ duplicated": Gate(SURE | Flag.DUPLICATED),
    "+ mains": Gate(SURE | Flag.MAINS),
    "+ motion": Gate(SURE | Flag.MOTION),
    "saturated 20 %, flat, off; at most 2": Gate(SURE, 2, 0.2),
    "saturated, flat, off; at most 2": Gate(SURE, 2),
    "saturated, flat, off; at most 1": Gate(SURE, 1),
    "saturated, flat, off; none": Gate(SURE, 0),
}


@dataclass(frozen=True)
class Stretch:
    """Counts with a fault, and what should be decided."""

    fault: str
    n_bad: int
    counts: NDArray[np.int32]
    labels: NDArray[np.int64]


def plant(recordings: list[Recording], seed: int, rate_hz: float, adc_bits: int) -> Iterator[Stretch]:
    """Give stretches of one person, untouched and with each fault in one and in two channels."""
    rng = np.random.default_rng([seed, 77])
    n, onset, top = int(SECONDS * rate_hz), int(ONSET_S * rate_hz), (1 << (adc_bits - 1)) - 1
    for fault in ("none", *PLANTED):
        for n_bad in (0,) if fault == "none" else (1, 2):
            for _ in range(N_PLANTS):
                whole = recordings[int(rng.integers(len(recordings)))]
                begin = int(rng.integers(0, max(1, len(whole.emg) - n)))
                x = whole.emg[begin : begin + n].astype(np.float64)
                if len(x) < n:
                    continue
                sound = x.copy()
                channels = rng.permutation(x.shape[1])
                t = np.arange(n - onset) / rate_hz
                for k in range(n_bad):
                    c, other = int(channels[k]), sound[onset:, int(channels[n_bad + k])]
                    rms = float(sound[:, c].std()) + 0.1
                    place = Place(sound[onset:, c], other, rms, t, 50.0, top, rng)
                    x[onset:, c] = FAULTS[fault][1](place)
                counts = np.clip(np.rint(x), -top - 1, top).astype(np.int32)
                yield Stretch(fault, n_bad, counts, np.asarray(whole.labels[begin : begin + n], np.int64))


class Decider:
    """The bundle's patch with gates that can be exchanged."""

    def __init__(self, bundle: Path) -> None:
        self.spec, self.config = open_bundle(bundle).spec, TwinConfig.load(bundle / "twin.npz")
        self._model = (bundle / "model.tflite").read_bytes()
        self._shape = (-1, 1, self.config.window_samples, self.config.front_end_channels)
        if self.config.features is not None:
            self._shape = (-1, 1, self.config.features.config.n_components, self.config.front_end_channels)

    def gate(self, quality: QualityConfig, what: Gate) -> QualityGate:
        """Return a gate of this patch."""
        config = self.config
        reach = trace_channels(config.n_channels, config.steps)
        return QualityGate(quality, int(what.flags), what.max_masked, reach, config.decimation)

    def decide(
        self, stretch: Stretch, gates: dict[str, QualityGate]
    ) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Decide every window from the fault on, by each gate: right (1), wrong (-1), none (0)."""
        config = self.config
        front_end = FrontEndTwin(config)
        filtered = front_end.filter(stretch.counts)
        hop = STEP * config.hop_samples
        ends = window_ends(len(filtered), config.window_samples, hop)
        truth = stretch.labels[ends * config.decimation - 1]
        is_after = ends * config.decimation > ONSET_S * self.spec.sensor.rate_hz
        rows: dict[QualityConfig, NDArray[np.int64]] = {}
        known: dict[bytes, NDArray[np.generic]] = {}
        stage = config.features
        words = stage.to_words(filtered) if stage else front_end.quantize(filtered)
        for name, gate in gates.items():
            if gate.config not in rows:
                twin = GateTwin(gate)
                twin.push(stretch.counts)
                rows[gate.config] = twin.rows
            # Flags are of the channel alone; what they mask is each gate's own.
            told = gate.judge(rows[gate.config][:, : config.n_channels])
            masked, gated = gate.mask_windows(told, ends), gate.gate_windows(told, ends)
            of_frames = gate.mask_frames(told, 0, len(filtered))
            key = of_frames.tobytes()
            if key not in known:
                if stage is None:
                    seen = np.where(of_frames, np.int8(config.zero_point), words)
                    windows = cut_windows(seen, config.window_samples, hop)
                else:
                    pieces = cut_windows(words, config.window_samples, hop)
                    windows = np.stack([stage.normalize(stage.compute(x.astype(np.int16))) for x in pieces])
                    windows = np.where(masked[:, None, :], np.int8(config.zero_point), windows)
                known[key] = run_model(self._model, np.ascontiguousarray(windows).reshape(self._shape))
            outputs = known[key].astype(np.float64)
            decided = vote_classes(outputs, 1, config.reject_below, gated)[0]
            yield name, np.where(decided < 0, 0, np.where(decided == truth, 1, -1))[is_after]


def study(bundle: Path) -> dict[str, object]:
    """Choose on the model's own persons, measure on the others."""
    decider = Decider(bundle)
    spec = decider.spec
    roles = open_bundle(bundle).read_json("training.json")["split"]
    data = resolve_dataset(spec.training.data)
    sensor = spec.sensor

    def compile_with(settings: QualitySettings) -> QualityConfig:
        return compile_quality(
            settings, n_channels=sensor.channels, rate_hz=sensor.rate_hz, adc_bits=sensor.adc_bits, lsb_uv=sensor.lsb_uv
        )  # fmt: skip

    def read(role: str) -> dict[str, list[Recording]]:
        persons = sorted({person for person, _ in roles[role]})
        return {person: list(data.recordings({person})) for person in persons}

    base = compile_with(QualitySettings())
    energies = [[measure_periods(base, r.emg) for r in found] for found in read("train").values()]
    rest = np.concatenate([e.rest.ravel() for person in energies for e in person])
    rms = float(np.sqrt(np.median(rest) / base.period_looks)) * sensor.lsb_uv
    settings = choose(compile_with, energies, base.period_frames / sensor.rate_hz / 3600, rms)
    gates = {
        name: decider.gate(compile_with(replace(settings, saturated_share=gate.saturated_share)), gate)
        for name, gate in GATES.items()
    }
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for role in ("validation", "across_persons"):
        kept: dict[tuple[str, str], list[NDArray[np.int64]]] = {}
        for seed, recordings in enumerate(read(role).values()):
            for stretch in plant(recordings, seed, sensor.rate_hz, sensor.adc_bits):
                row = f"{stretch.fault}, {stretch.n_bad}" if stretch.n_bad else "none"
                for name, outcome in decider.decide(stretch, gates):
                    kept.setdefault((row, name), []).append(outcome)
        found[role] = {}
        for (row, name), outcomes in kept.items():
            joined = np.concatenate(outcomes)
            found[role].setdefault(row, {})[name] = {
                "right": float((joined == 1).mean()), "wrong": float((joined == -1).mean()), "none": float((joined == 0).mean()),
            }  # fmt: skip
    return {
        "settings": {name: getattr(settings, name) for name in settings.__dataclass_fields__},
        "typical_rms_uv": rms,
        "gates": {
            name: {
                "mask": name_flags(int(gate.flags)),
                "max_masked": gate.max_masked,
                "saturated_share": gate.saturated_share,
            }
            for name, gate in GATES.items()
        },
        "persons": {role: len(read(role)) for role in ("train", "validation", "across_persons")},
        **found,
    }


def main() -> int:
    """Study the bundles that are here, print tables, write results."""
    parser = argparse.ArgumentParser(description="What the quality gate is worth.")
    parser.add_argument("bundles", type=Path, nargs="*", default=[ROOT / "build" / "gestures"])
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    results = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    n_studied = 0
    for bundle in arguments.bundles:
        if not (bundle / "manifest.json").is_file():
            print(f"study_quality_gate: {bundle} is no bundle (make demo); left out")
            continue
        found = results[bundle.name] = study(bundle)
        n_studied += 1
        print(bundle.name, found["settings"])
        for role in ("validation", "across_persons"):
            print(role)
            rows: dict[str, dict[str, dict[str, float]]] = found[role]  # type: ignore[assignment]
            for row, by_gate in rows.items():
                cells = "  ".join(
                    f"{100 * v['right']:4.1f}/{100 * v['wrong']:4.1f}" for v in by_gate.values()
                )
                print(f"  {row:34} {cells}")
            means = {
                name: np.mean([by_gate[name]["right"] for row, by_gate in rows.items() if row != "none"])
                for name in GATES
            }
            print("  mean right:", "  ".join(f"{name}: {100 * v:.1f}" for name, v in means.items()))
    if n_studied:
        write_json(arguments.out, results)
    return 0 if n_studied else 2


if __name__ == "__main__":
    sys.exit(main())
