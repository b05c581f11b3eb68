"""Removal of motion artefacts as ``patch.toml`` has it, and what follows from it: how often, how late, from which channels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import Field

from myo_pipeline.aux_sensor import make_timing
from myo_pipeline.stages import BandPass, Envelope, HighPass, Rectify, Table, Tkeo

if TYPE_CHECKING:
    from myo_pipeline.spec import PatchSpec

MAX_EVERY: Final = 256  # frames between two estimates
MAX_DELAY: Final = 4096  # frames that the EMG waits
MAX_TAPS: Final = 16
REFERENCE_ORDER: Final = 4  # of the high-pass, Butterworth
_LEAST_BAND: Final = 1.5  # times cutoff_hz: what the reference must at least hold


class Motion(Table):
    """Removes motion artefacts behind all stages: an adaptive filter from an auxiliary stream, at the stream's rate."""

    reference: str = Field(
        description="name of the `[[aux]]` stream that feels the motion, such as an accelerometer's"
    )
    taps: int = Field(
        default=3,
        ge=1,
        le=MAX_TAPS,
        description="samples of each of the stream's channels that make an estimate",
    )
    slowness: int = Field(
        default=2,
        ge=0,
        le=8,
        description="k: steps of 2^-k; one more halves both what follows a loosening electrode and what it costs of the muscle",
    )
    cutoff_hz: float | None = Field(
        default=None,
        gt=0,
        description="edge of the reference's high-pass; that of the EMG's own high-pass or band-pass if left out",
    )


@dataclass(frozen=True)
class MotionShape:
    """What a removal's float and integer forms have in common.

    Attributes
    ----------
    stream
        Number of the auxiliary stream, whose marks keep the weights as they are.
    n_emg, first, n_reference
        EMG channels; the stream's first channel among those behind the front end, and how many it has.
    every
        Frames of the window between two estimates.
    delay
        Frames that the EMG waits.
    taps, slowness
        As of :class:`Motion`.
    """

    stream: int
    n_emg: int
    first: int
    n_reference: int
    every: int
    delay: int
    taps: int
    slowness: int

    @property
    def n_weights(self) -> int:
        """Weights of a channel."""
        return self.taps * self.n_reference

    @property
    def mean_shift(self) -> int:
        """Shift of what is left before ``every`` of it are added."""
        return (self.every - 1).bit_length()


@dataclass(frozen=True)
class MotionPlan(MotionShape):
    """What a removal comes down to.

    Attributes
    ----------
    cutoff_hz, rate_hz
        Of the reference's high-pass, and the estimates a second.
    """

    cutoff_hz: float
    rate_hz: float


def plan_motion(spec: PatchSpec, motion: Motion) -> MotionPlan:
    """Settle a spec's removal.

    Raises
    ------
    ValueError
        With the key, what was found and what to do.
    """
    names = [sensor.name for sensor in spec.aux]
    if motion.reference not in names:
        there = f"there is {', '.join(names)}" if names else "there is none"
        raise ValueError(
            f"motion.reference: {motion.reference!r} is no [[aux]] stream, {there}: add it, or remove [motion]"
        )
    for number, stage in enumerate(spec.stage):
        if isinstance(stage, Rectify | Envelope | Tkeo):
            raise ValueError(
                f"motion: stage[{number}] {stage.kind!r} leaves no signal that an artefact could be subtracted from: remove "
                "one of them"
            )
    edges = [stage.cutoff_hz for stage in spec.stage if isinstance(stage, HighPass)]
    edges += [stage.low_hz for stage in spec.stage if isinstance(stage, BandPass)]
    if motion.cutoff_hz is None and not edges:
        raise ValueError(
            "motion.cutoff_hz: missing, and no stage is a high-pass or band-pass: add either, at 20 Hz for instance"
        )
    cutoff_hz = motion.cutoff_hz or max(edges)
    stream = names.index(motion.reference)
    sensor = spec.aux[stream]
    timing = make_timing(sensor, spec.sensor.rate_hz, spec.decimation)
    own_hz = sensor.rate_hz / sensor.decimation
    every = min(MAX_EVERY, math.floor(spec.front_end_rate_hz / own_hz + 1e-9))
    rate_hz = spec.front_end_rate_hz / every
    if own_hz / 2 < _LEAST_BAND * cutoff_hz:
        raise ValueError(
            f"motion.reference: {motion.reference!r} at {own_hz:g} Hz knows nothing above {own_hz / 2:g} Hz, expected "
            f"{_LEAST_BAND * cutoff_hz:g} Hz or more behind a high-pass of {cutoff_hz:g} Hz: use a rate of "
            f"{2 * _LEAST_BAND * cutoff_hz:g} Hz or more"
        )
    # The estimate is reached `every` frames after it is made; half as much again is left for what the sensor filters.
    delay = math.ceil(timing.delay_frames / spec.decimation - 1e-9) + every + (every + 1) // 2
    if delay > MAX_DELAY:
        raise ValueError(
            f"motion: the EMG would wait {delay} frames, at most {MAX_DELAY}: lower aux.latency_ms"
        )
    first = spec.emg_channels + sum(other.n_outputs for other in spec.aux[:stream])
    return MotionPlan(
        stream, spec.emg_channels, first, sensor.n_outputs, every, delay, motion.taps, motion.slowness, cutoff_hz, rate_hz
    )  # fmt: skip
