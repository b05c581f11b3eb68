"""What the removal of motion is worth, and what it costs of the muscle: beside the band-pass alone and an LMS at the EMG's rate.

usage: python benchmarks/study_motion.py [--out FILE]

Recorded muscle (1 kHz, a minute of each channel, read as in study_front_end.py) with a planted artefact. Twice a second a step
shakes the sensor: decaying oscillations of 4 to 12, 15 to 30 and 30 to 70 Hz, each with its own mixture of three axes, at 4 kHz.
Each electrode makes an artefact of them by two low-passes of its own on every axis, whose shares drift by half over the
minute, and a tenth of its square. The accelerometer has its own low-pass at 0.4 of its rate and noise, and comes a sample late.
What counts is what is left from the tenth second on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal

sys.path.insert(0, str(Path(__file__).resolve().parent))
from myo_export.aux_streams import quantize_aux
from myo_export.front_end import quantize_front_end
from myo_export.front_end_analysis import make_filter_twin
from myo_export.motion import quantize_motion
from myo_pipeline.aux_stream import AuxSamples, AuxTwin
from myo_pipeline.bundle import write_json
from myo_pipeline.motion_twin import MotionTwin
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_training.datasets import list_places
from study_front_end import BAND, BITS, LOUDEST, RATE_HZ, SECONDS, SETTLED_S, read_muscles

Floats = NDArray[np.float64]
RESULTS = Path(__file__).resolve().parent / "results" / "motion_study.json"
FAST_HZ = 4000
#: Of the artefact before any filter over the muscle, decibels.
LEVELS_DB = (-6, 0, 10)
SHAKES = ((4, 12, 0.08, 1.0), (15, 30, 0.04, 0.6), (30, 70, 0.02, 0.5))  # from, to, decay in s, size
STREAM_LOUDEST = 6000  # counts of the accelerometer, of 16 bits
#: Rate of the stream, taps and slowness; the first is the product's default.
FORMS = ((200, 3, 2), (100, 3, 2), (400, 3, 2), (200, 1, 2), (200, 3, 1), (200, 3, 3))
LMS = ((64, 4),)  # taps of each axis, and right shift of the step


def make_spec(own_hz: float, taps: int, slowness: int) -> PatchSpec:
    """Return a spec of one channel with a removal."""
    return parse_spec(
        f'format = 1\nname = "study"\n[sensor]\nchannels = 1\nrate_hz = {RATE_HZ}\nlsb_uv = 1.0\nadc_bits = {BITS}\n{BAND}'
        f'[[aux]]\nname = "wrist"\nkind = "accelerometer"\nchannels = 3\nrate_hz = {own_hz}\nlsb = 0.0005\nadc_bits = 16\n'
        f'[motion]\nreference = "wrist"\ntaps = {taps}\nslowness = {slowness}\n[window]\nwindow_ms = 100.0\nhop_ms = 50.0\n'
        '[output]\nkind = "classes"\nlabels = ["a", "b"]\n[training]\ndata = "none"\n'
    )


def shake(n: int, rng: np.random.Generator) -> Floats:
    """Return acceleration of three axes for n frames of the EMG, at 4 kHz."""
    seconds, per_frame = np.arange(FAST_HZ * 2 // 5) / FAST_HZ, FAST_HZ // RATE_HZ
    moved = np.zeros((n * per_frame + len(seconds), 3))
    at = 0.0
    while at < n / RATE_HZ:
        start, way = int(at * FAST_HZ), rng.normal(size=3) * (1, 0.6, 0.6)
        for low, high, decay, size in SHAKES:
            f, own = rng.uniform(low, high), size * rng.uniform(0.3, 1) * (way + 0.3 * rng.normal(size=3))
            wave = np.exp(-seconds / decay) * np.sin(2 * np.pi * f * seconds)
            span = moved[start : start + len(wave)]
            span += np.outer(wave, own)[: len(span)]
        at += 0.5 * (1 + 0.1 * rng.normal())
    return moved[: n * per_frame]


def feel(moved: Floats, rng: np.random.Generator) -> Floats:
    """Return what an electrode makes of acceleration, of unit power, (n,), at the EMG's rate."""
    turn = 2 * np.pi * np.arange(len(moved)) / len(moved)
    felt = np.zeros(len(moved))
    for axis in moved.T:
        for order, low, high, size in ((1, 15, 60, 1.0), (2, 20, 80, 0.5)):
            share = size * rng.normal() * (1 + 0.5 * np.sin(turn + rng.uniform(0, 2 * np.pi)))
            felt += share * signal.lfilter(*signal.butter(order, rng.uniform(low, high), fs=FAST_HZ), axis)
    felt /= felt.std()
    felt += 0.1 * (felt**2 - 1)
    return np.asarray(felt[:: FAST_HZ // RATE_HZ], dtype=np.float64)


def sense(moved: Floats, own_hz: float, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return an accelerometer's counts."""
    low = signal.sosfilt(signal.butter(2, 0.4 * own_hz, fs=FAST_HZ, output="sos"), moved, axis=0)
    own = low[np.round(np.arange(0, len(low) - 1, FAST_HZ / own_hz)).astype(int)]
    own += 0.002 * own.std() * rng.normal(size=own.shape)
    return np.round(own / np.abs(own).max() * STREAM_LOUDEST).astype(np.int32)


class Product:
    """The removal in integers, behind front end and stream, with the EMG's delay."""

    def __init__(self, own_hz: float, taps: int, slowness: int) -> None:
        self._spec = make_spec(own_hz, taps, slowness)
        self._front_end = quantize_front_end(self._spec)
        self._aux = quantize_aux(self._spec, self._front_end)
        motion = quantize_motion(self._spec, self._front_end, self._aux)
        if motion is None:  # pragma: no cover - the spec has one
            raise ValueError("no [motion]")
        self._config = motion.config
        self.delay = motion.plan.delay
        self._last: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]] | None = None

    def resample(self, own: NDArray[np.int32], n: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Return the stream's words on the EMG's frames, and their marks; of the stream that was last asked for at once."""
        if self._last is not None and self._last[0] is own and len(self._last[1]) == n:
            return self._last[1], self._last[2]
        config = self._aux[0].config
        twin = AuxTwin(config)
        twin.feed(AuxSamples(own, config.timing.stamp_samples(len(own))))
        words, marks = twin.resample(n)
        self._last = (own, words, marks)
        return words, marks

    def run(self, mixed: Floats, own: NDArray[np.int32]) -> Floats:
        """Return counts behind the removal, late by ``delay``."""
        emg = make_filter_twin(self._spec, self._front_end).filter(np.round(mixed).astype(np.int64)[:, None])
        words, marks = self.resample(own, len(mixed))
        given = MotionTwin(self._config).run(np.concatenate([emg, words], axis=1), marks)
        return np.asarray(given[:, 0] * 2.0**-self._front_end.exponent, dtype=np.float64)


def run_lms(x: Floats, reference: Floats, taps: int, slow: int) -> Floats:
    """Normalised LMS at the EMG's rate, in float; the muscle half the filter's length late."""
    past = np.concatenate([np.zeros((taps, reference.shape[1])), reference])
    late = np.concatenate([np.zeros(taps // 2), x])[: len(x)]
    weights, given, power = np.zeros(taps * reference.shape[1]), np.zeros(len(x)), 1e-9
    for n in range(len(x)):
        seen = past[n + 1 : n + 1 + taps].ravel()
        power = max(float(seen @ seen), power * (1 - 2**-12))
        given[n] = late[n] - seen @ weights
        weights += 2.0**-slow * given[n] / power * seen
    return given


def list_methods() -> dict[str, tuple[float, int, Callable[[Floats, NDArray[np.int32]], Floats]]]:
    """Return methods by name: rate of the stream, delay, and what gives the cleaned signal, band-pass and all."""
    sos = signal.butter(4, (20, 450), "bandpass", fs=RATE_HZ, output="sos")
    found: dict[str, tuple[float, int, Callable[[Floats, NDArray[np.int32]], Floats]]] = {
        "band-pass alone": (200, 0, lambda x, own: np.asarray(signal.sosfilt(sos, x)))
    }
    for own_hz, taps, slowness in FORMS:
        product = Product(own_hz, taps, slowness)
        found[f"{own_hz} Hz, {taps} taps, slowness {slowness}"] = (own_hz, product.delay, product.run)
    stream = Product(200, 3, 2)
    for taps, slow in LMS:

        def run(x: Floats, own: NDArray[np.int32], taps: int = taps, slow: int = slow) -> Floats:
            words = stream.resample(own, len(x))[0].astype(np.float64)
            return run_lms(np.asarray(signal.sosfilt(sos, x)), signal.sosfilt(sos, words, axis=0), taps, slow)

        found[f"LMS at 1 kHz, {taps} taps an axis, step 2^-{slow}"] = (200, taps // 2, run)
    return found


def decibels(a: Floats, b: Floats) -> float:
    """Return the power of a over that of b."""
    return float(10 * np.log10((a**2).sum() / (b**2).sum()))


def settle(left: Floats, power: Floats) -> float:
    """Return the seconds until what is left is within 1 dB of the end; it and the artefact before are (channels, seconds)."""
    share = 10 * np.log10(left.sum(axis=0) / power.sum(axis=0))
    smooth = np.convolve(share, np.ones(5) / 5, "valid")
    return float(np.argmax(smooth <= smooth[-20:].mean() + 1.0) + 2.5)


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--each", type=int, default=2, help="take one channel of so many: minutes each")
    arguments = parser.parse_args()
    root = next((place for place in list_places(None) if (place / "uci_lower_limb").is_dir()), None)
    if root is None:
        print("study_motion: uci_lower_limb is not here (set $MYOPATCH_DATA)")
        return 0
    muscles = [muscle[: SECONDS * RATE_HZ] for muscle in read_muscles(root)][:: arguments.each]
    sos = signal.butter(4, (20, 450), "bandpass", fs=RATE_HZ, output="sos")
    rows: dict[str, dict[str, object]] = {}
    for name, (own_hz, delay, run) in list_methods().items():
        gone: dict[str, list[float]] = {str(level): [] for level in LEVELS_DB}
        kept: dict[str, list[float]] = {"nothing moves": [], "the sensor moves, the electrode does not": []}
        left_s, power_s = [], []
        for number, muscle in enumerate(muscles):
            rng = np.random.default_rng(number)
            n = len(muscle)
            moved = shake(n, rng)
            felt = feel(moved, rng) * muscle.std()
            own = sense(moved, own_hz, rng)
            tail = slice(SETTLED_S * RATE_HZ, None)
            for level in LEVELS_DB:
                artefact = felt * 10 ** (level / 20)
                scale = LOUDEST / np.abs(muscle + artefact).max()
                clean = np.concatenate([np.zeros(delay), signal.sosfilt(sos, muscle * scale)])[:n]
                left = run((muscle + artefact) * scale, own) - clean
                gone[str(level)].append(decibels(artefact[tail] * scale, left[tail]))
                if level == 0:
                    whole = n // RATE_HZ * RATE_HZ
                    left_s.append(
                        (left[:whole].reshape(-1, RATE_HZ) ** 2).sum(axis=1) / scale**2 / muscle.var()
                    )
                    power_s.append((artefact[:whole].reshape(-1, RATE_HZ) ** 2).sum(axis=1) / muscle.var())
            scale = LOUDEST / np.abs(muscle).max()
            clean = np.concatenate([np.zeros(delay), signal.sosfilt(sos, muscle * scale)])[:n]
            still = np.round(rng.normal(0, 3, own.shape)).astype(np.int32)  # 0.05 % of the range: noise
            for what, stream in zip(kept, (still, own), strict=True):
                lost = run(muscle * scale, stream) - clean
                kept[what].append(decibels(clean[tail], lost[tail]) if lost[tail].any() else 200.0)
        shortest = min(map(len, left_s))
        seconds = settle(np.array([x[:shortest] for x in left_s]), np.array([x[:shortest] for x in power_s]))
        rows[name] = {
            "gone_db": gone,
            "kept_db": kept,
            "settled_s": seconds,
            "delay_ms": delay * 1000 / RATE_HZ,
        }
        told = " | ".join(f"{np.mean(x):.1f} ({min(x):.1f})" for x in gone.values())
        costs = " | ".join(f"{np.mean(x):.0f} ({min(x):.0f})" for x in kept.values())
        print(f"{name}: gone {told}; kept {costs}; settled in {seconds:.1f} s; {delay} ms late", flush=True)
    write_json(
        arguments.out,
        {
            "how": "benchmarks/study_motion.py",
            "channels": len(muscles),
            "levels_db": list(LEVELS_DB),
            "methods": rows,
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
