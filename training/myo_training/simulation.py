"""Simulated surface EMG, for where no recordings are at hand, and for tests.

What it is: per channel, a carrier of band-limited Gaussian noise times the square root of a weighted sum of
muscle activations, plus electrode noise and mains, rounded to the converter's counts. Each person has muscles
at slightly other places, other strengths and other noise; each gesture activates the muscles by a fixed
pattern that persons vary. It is no biophysical model: there are no motor units, no action potentials, no
crosstalk by volume conduction. A model trained on it says that the path works, and nothing about people.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from myo_pipeline.aux_reference import time_aux
from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.errors import DataError
from myo_pipeline.spec import PatchSpec
from myo_training.recordings import AuxInfo, DataSet, DataSetInfo, Recording

NAME = "simulated"
N_MUSCLES = 6
BOUT_S = 2.5  # rest and contraction alternate
RISE_S = 0.15  # time constant of a muscle's activation


@dataclass(frozen=True)
class SimulationSize:
    """How much is simulated: persons, sessions a person, and bouts of rest and contraction a recording."""

    n_persons: int = 20
    n_sessions: int = 2
    n_bouts: int = 4


def _generator(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def simulate_drive(
    labels: NDArray[np.int64], patterns: NDArray[np.float64], rate_hz: float
) -> NDArray[np.float64]:
    """Return muscle activations that follow class labels.

    Parameters
    ----------
    labels
        Class of each sample, shape (n_samples,).
    patterns
        Activation of each muscle in each class, 0 .. 1, shape (n_classes, n_muscles).
    rate_hz
        Samples a second.

    Returns
    -------
    NDArray[np.float64]
        Activations, shape (n_samples, n_muscles), smoothed by a first-order lag.
    """
    decay = np.exp(-1 / (RISE_S * rate_hz))
    drive: NDArray[np.float64] = signal.lfilter([1 - decay], [1, -decay], patterns[labels], axis=0)
    return np.clip(drive, 0, 1)


def simulate_emg(
    drive: NDArray[np.float64], weights: NDArray[np.float64], rng: np.random.Generator, rate_hz: float,
    lsb_uv: float, adc_bits: int, noise_uv: float = 3.0, mains_uv: float = 2.0,
) -> NDArray[np.int32]:  # fmt: skip
    """Return multi-channel EMG counts for muscle activations.

    Parameters
    ----------
    drive
        Activations 0 .. 1, shape (n_samples, n_muscles).
    weights
        RMS amplitude in microvolts at each electrode of each fully active muscle, shape (n_channels,
        n_muscles).
    rng
        Generator of everything random.
    rate_hz, lsb_uv, adc_bits
        Sampling rate, microvolts a count, and bits of the signed converter, which saturates.
    noise_uv, mains_uv
        RMS of the electrode noise; amplitude of the 50 Hz mains.

    Returns
    -------
    NDArray[np.int32]
        Counts, shape (n_samples, n_channels).
    """
    n_samples, n_channels = len(drive), len(weights)
    top_hz = min(450.0, 0.45 * rate_hz)
    band = signal.butter(2, (min(20.0, top_hz / 4), top_hz), "bandpass", fs=rate_hz, output="sos")
    sources = signal.sosfilt(band, rng.standard_normal((n_samples, drive.shape[1])), axis=0)
    sources /= sources.std(axis=0) + 1e-12
    emg = (sources * np.sqrt(drive)) @ weights.T
    emg += noise_uv * rng.standard_normal((n_samples, n_channels))
    time_s = np.arange(n_samples) / rate_hz
    emg += mains_uv * np.sin(2 * np.pi * (50 * time_s[:, None] + rng.random(n_channels)))
    full = 1 << (adc_bits - 1)
    counts: NDArray[np.int32] = np.clip(np.rint(emg / lsb_uv), -full, full - 1).astype(np.int32)
    return counts


class SimulatedSet(DataSet):
    """Simulated recordings that fit a spec: its channels, rate, converter and outputs.

    Parameters
    ----------
    spec
        The patch to simulate for.
    seed
        Seed of everything random.
    size
        How much to simulate.
    reason
        Why nothing recorded is used, in words; carried into reports.
    """

    def __init__(
        self, spec: PatchSpec, seed: int = 0, size: SimulationSize | None = None, reason: str = "asked for"
    ) -> None:
        self._spec, self._seed, self._size = spec, seed, size or SimulationSize()
        if spec.output.kind not in ("classes", "values"):
            raise DataError(f"cannot simulate output.kind {spec.output.kind!r}; use 'classes' or 'values'")
        self.info = DataSetInfo(
            name=NAME,
            description="noise carriers shaped by muscle activations: tests the path, not people",
            rate_hz=spec.sensor.rate_hz,
            lsb_uv=spec.sensor.lsb_uv,
            n_channels=spec.sensor.channels,
            kind=spec.output.kind,
            outputs=tuple(spec.output_names),
            licence="none needed",
            citation="MyoPatch's own simulation",
            source=f"SIMULATED, no person was measured ({reason})",
            simulated=True,
            aux=tuple(AuxInfo(s.name, s.kind, s.channels, s.rate_hz, s.lsb) for s in spec.aux),
        )

    def sessions(self) -> list[tuple[str, str]]:
        """Return every simulated (person, session)."""
        size = self._size
        return [
            (f"S{p:02d}", str(s)) for p in range(1, size.n_persons + 1) for s in range(1, size.n_sessions + 1)
        ]

    def recordings(self, persons: Collection[str] | None = None) -> Iterator[Recording]:
        """Yield the recordings of the persons given (of all without)."""
        for number, person in enumerate(self.persons()):
            if persons is not None and person not in persons:
                continue
            for session in range(1, self._size.n_sessions + 1):
                trials = range(len(self.info.outputs)) if self.info.kind == "classes" else range(2)
                for trial in trials:
                    yield self._simulate(number, person, session, trial)

    def _simulate(self, number: int, person: str, session: int, trial: int) -> Recording:
        sensor, n_outputs = self._spec.sensor, len(self.info.outputs)
        classes = self.info.kind == "classes"
        patterns = _generator(self._seed, 0).random((n_outputs, N_MUSCLES)) ** 2
        if classes:
            patterns[0] = 0.02
        body = _generator(self._seed, 1, number)
        patterns = np.clip(patterns * np.exp(0.25 * body.standard_normal(patterns.shape)), 0, 1)
        turn = (
            0.3 * body.standard_normal() + 0.1 * _generator(self._seed, 2, number, session).standard_normal()
        )
        electrode = np.arange(sensor.channels)[:, None] * 2 * np.pi / sensor.channels
        muscle = np.arange(N_MUSCLES) * 2 * np.pi / N_MUSCLES + 0.2 * body.standard_normal(N_MUSCLES)
        nearness = np.exp(2 * (np.cos(electrode - muscle - turn) - 1))
        # A full contraction reaches a quarter of full scale RMS, so that peaks seldom saturate.
        strength_uv = (
            0.25 * (1 << (sensor.adc_bits - 1)) * sensor.lsb_uv * np.exp(0.3 * body.standard_normal())
        )
        noise_uv = max(0.02 * strength_uv, 0.5 * sensor.lsb_uv)
        rng = _generator(self._seed, 3, number, session, trial)
        bout, n_bouts = round(BOUT_S * sensor.rate_hz), self._size.n_bouts
        labels: NDArray[np.int64] | NDArray[np.float64]
        if classes:
            labels = np.repeat(np.arange(2 * n_bouts) % 2 * trial, bout).astype(np.int64)
            drive = simulate_drive(labels, patterns, sensor.rate_hz)
        else:
            # Slow random effort of each output; muscles add up what every output asks of them.
            slow = signal.butter(2, 0.5, "lowpass", fs=sensor.rate_hz, output="sos")
            effort = signal.sosfilt(slow, rng.standard_normal((2 * n_bouts * bout, n_outputs)), axis=0)
            labels = np.clip(0.5 + effort / (3 * effort.std() + 1e-12), 0, 1)
            drive = np.clip(labels @ patterns, 0, 1)
        emg = simulate_emg(
            drive, strength_uv * nearness, rng, sensor.rate_hz, sensor.lsb_uv, sensor.adc_bits,
            noise_uv=noise_uv, mains_uv=noise_uv,
        )  # fmt: skip
        return Recording(
            emg, labels, sensor.rate_hz, sensor.lsb_uv, person, str(session), str(trial),
            f"simulated {person} session {session} trial {trial}", self._simulate_aux(labels, (number, session, trial)),
        )  # fmt: skip

    def _simulate_aux(self, labels: NDArray[Any], key: tuple[int, int, int]) -> dict[str, AuxSamples]:
        """Return streams that keep their rates: each channel leans as the label asks, smoothly, with noise."""
        out = {}
        for index, sensor in enumerate(self._spec.aux):
            shared = _generator(self._seed, 4, index)
            rng = _generator(self._seed, 5, index, *key)
            time = time_aux(self._spec, sensor)
            stamps = time.stamp_samples(time.count_samples(len(labels)))
            n_outputs = len(self.info.outputs)
            lean = shared.uniform(-0.4, 0.4, (n_outputs, sensor.channels))
            drive = labels[stamps] if labels.ndim == 2 else np.eye(n_outputs)[labels[stamps]]
            x = simulate_drive(np.arange(len(stamps)), drive @ lean * 0.5 + 0.5, sensor.rate_hz) - 0.5
            full = sensor.full_scale_counts
            counts = np.rint(full * (2 * x + 0.02 * rng.standard_normal(x.shape)))
            out[sensor.name] = AuxSamples(np.clip(counts, -full, full - 1).astype(np.int32), stamps)
        return out
