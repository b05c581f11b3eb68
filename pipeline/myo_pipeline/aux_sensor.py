"""Auxiliary sensors of a patch as ``patch.toml`` has them, and when their samples are due in frames of the EMG sensor.

An auxiliary stream runs at its own rate. Both streams are counted from the start, and time is exact: auxiliary sample
``m`` belongs to frame ``m * unit / step`` of the EMG sensor, a fraction of two integers that holds for ever.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from myo_pipeline.errors import SpecError
from myo_pipeline.stages import Stage, Table

MAX_STREAMS = 4
MAX_AUX_CHANNELS = 16  # of one stream
MAX_NUMERATOR = 1 << 29  # of the device's phase, which is 32 bits with its sign
UNITS = {"accelerometer": "g", "gyroscope": "deg/s", "magnetometer": "uT", "goniometer": "deg"}


class AuxSensor(Table):
    """Another sensor beside the electrodes, at its own rate: its channels stand behind the EMG's at the network's input."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9]{0,15}$",
        description="name of the stream: small letters and digits; of its files beside the EMG's as well",
    )
    kind: Literal["accelerometer", "gyroscope", "magnetometer", "goniometer"] = Field(
        description="what it measures: accelerometer (g), gyroscope (deg/s), magnetometer (uT) or goniometer (deg)"
    )
    channels: int = Field(ge=1, le=MAX_AUX_CHANNELS, description="channels of one sample, such as 3 axes")
    rate_hz: float = Field(gt=0, le=100_000, description="samples a second")
    lsb: float = Field(gt=0, description="what a count is worth, in the kind's unit")
    adc_bits: int = Field(
        ge=4, le=24, description="bits of the signed converter; up to 16 travel as int16, more as int32"
    )
    latency_ms: float | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="how late a sample may come after its time, which delays the stream as much; one sample's time if left out",
    )
    stage: list[Stage] = Field(
        default=[],
        max_length=16,
        description="its own stages, as `[[aux.stage]]`, at its own rate; of the kinds of `[[stage]]`",
    )

    @property
    def unit(self) -> str:
        """Unit of ``lsb``."""
        return UNITS[self.kind]

    @property
    def full_scale_counts(self) -> int:
        """Largest magnitude of a count, 2^(adc_bits - 1)."""
        return 1 << (self.adc_bits - 1)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one count on the link."""
        return 2 if self.adc_bits <= 16 else 4

    @property
    def n_outputs(self) -> int:
        """Channels behind its stages."""
        n_channels = self.channels
        for stage in self.stage:
            n_channels = stage.count_outputs(n_channels)
        return n_channels

    @property
    def decimation(self) -> int:
        """Samples for one behind its stages."""
        return math.prod(stage.decimation for stage in self.stage)

    def check(self, rate_hz: float, decimation: int) -> None:
        """Refuse stages and rates that do not fit the EMG sensor's.

        Parameters
        ----------
        rate_hz
            Frames a second of the EMG sensor.
        decimation
            Of its frames for one of the window.

        Raises
        ------
        ValueError
            With the key, what was found and what to do.
        """
        n_channels, own_hz = self.channels, self.rate_hz
        for number, stage in enumerate(self.stage):
            try:
                stage.check(n_channels, own_hz)
            except ValueError as error:
                raise ValueError(f"stage[{number}].{error}") from None
            n_channels, own_hz = stage.count_outputs(n_channels), own_hz / stage.decimation
        if own_hz > rate_hz / decimation:
            raise ValueError(
                f"rate_hz: {own_hz:g} Hz {'behind its stages ' * bool(self.stage)}is faster than the window's frames, "
                f"{rate_hz / decimation:g} Hz, which would leave samples out: add a low-pass and a decimation to its stages"
            )
        try:
            make_timing(self, rate_hz, decimation)
        except SpecError as error:
            raise ValueError(str(error)) from None


AuxSensors = Annotated[
    list[AuxSensor],
    Field(max_length=MAX_STREAMS, description="auxiliary sensors, in the order of their channels"),
]


@dataclass(frozen=True)
class AuxTiming:
    """When auxiliary samples are due, in integers.

    Attributes
    ----------
    step, unit
        A frame of the EMG sensor is ``step / unit`` auxiliary samples, in lowest terms.
    frame
        Frames of the EMG sensor for one of the window.
    factor
        Auxiliary samples for one behind the stream's stages.
    lag
        Frames of the EMG sensor that a sample may be late; sample ``m`` is taken ``lag`` frames behind its time.
    """

    step: int
    unit: int
    frame: int
    factor: int
    lag: int

    @property
    def period_frames(self) -> int:
        """Frames of the EMG sensor from one auxiliary sample to the next, rounded up."""
        return -(-self.unit // self.step)

    @property
    def max_age(self) -> int:
        """Frames that a sample may wait: one that has waited longer when it is due came more than a sample's time early."""
        return self.lag + self.period_frames + self.frame - 1

    @property
    def first(self) -> int:
        """Phase before the first frame, in ``1 / unit`` of a sample: a sample is due when it reaches ``unit``."""
        return self.unit - (self.lag + 1) * self.step

    @property
    def span(self) -> int:
        """``unit`` of one sample behind the stages."""
        return self.unit * self.factor

    @property
    def delay_frames(self) -> float:
        """What the stream's resampling delays it by, in frames of the EMG sensor."""
        return self.lag + self.factor * self.unit / self.step

    def stamp_samples(self, n_samples: int) -> NDArray[np.int64]:
        """Return the frames that came before each sample of a stream that keeps its rate, (n_samples,)."""
        return _stamp(n_samples, self.step, self.unit)

    def count_samples(self, n_frames: int) -> int:
        """Return the samples of such a stream that ``n_frames`` frames of the EMG sensor can see."""
        return 0 if n_frames < 1 else (n_frames - 1) * self.step // self.unit + 1


def _stamp(n_samples: int, step: int, unit: int) -> NDArray[np.int64]:
    return -(-np.arange(n_samples, dtype=np.int64) * unit // step)


def _divide_rates(rate_hz: float, emg_rate_hz: float) -> Fraction:
    """Return a stream's samples for a frame of the EMG sensor: of rates in millihertz, exactly."""
    return Fraction(round(rate_hz * 1000), round(emg_rate_hz * 1000))


def stamp_samples(n_samples: int, rate_hz: float, emg_rate_hz: float) -> NDArray[np.int64]:
    """Return the frames of the EMG sensor that come before each sample of a stream that keeps its rate, (n_samples,)."""
    ratio = _divide_rates(rate_hz, emg_rate_hz)
    return _stamp(n_samples, ratio.numerator, ratio.denominator)


def make_timing(sensor: AuxSensor, rate_hz: float, decimation: int) -> AuxTiming:
    """Bring a stream's timing to integers.

    Parameters
    ----------
    sensor
        The stream.
    rate_hz, decimation
        Frames a second of the EMG sensor, and how many of them are one of the window.

    Raises
    ------
    SpecError
        If the rates have no common fraction that the device's phase can hold.
    """
    ratio = _divide_rates(sensor.rate_hz, rate_hz)
    period_ms = 1000 / sensor.rate_hz
    latency_ms = period_ms if sensor.latency_ms is None else sensor.latency_ms
    lag = math.ceil(latency_ms * rate_hz / 1000 - 1e-9)
    timing = AuxTiming(ratio.numerator, ratio.denominator, decimation, sensor.decimation, lag)
    largest = max(timing.step * (lag + 1 + decimation), timing.span)
    if largest >= MAX_NUMERATOR:
        raise SpecError(
            f"rate_hz: {sensor.rate_hz:g} Hz is {ratio.numerator} / {ratio.denominator} of the EMG's {rate_hz:g} Hz, "
            f"with its stages {largest} in the device's phase, expected below {MAX_NUMERATOR}: round it to a simpler one"
        )
    return timing
