"""The float reference of auxiliary streams: what stands beside the EMG on the window's frames, in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.aux_sensor import AuxSensor, AuxTiming, make_timing
from myo_pipeline.aux_stream import HELD, Alignment, AuxSamples
from myo_pipeline.chain import bound_peak, design_chain, design_stages, run_step
from myo_pipeline.errors import DataError
from myo_pipeline.spec import PatchSpec
from myo_pipeline.steps import FloatStep

_HEADROOM: Final = 1.02  # over the designed chain, for the rounded one


def time_aux(spec: PatchSpec, sensor: AuxSensor) -> AuxTiming:
    """Return a stream's timing in a patch."""
    return make_timing(sensor, spec.sensor.rate_hz, spec.decimation)


def design_aux(spec: PatchSpec, number: int) -> tuple[FloatStep, ...]:
    """Design a stream's own stages.

    Raises
    ------
    SpecError
        If a decimation would fold too much into the band.
    """
    sensor = spec.aux[number]
    return design_stages(sensor.stage, sensor.channels, sensor.rate_hz, f"aux[{number}].stage")


def choose_gain_bits(spec: PatchSpec, number: int) -> int:
    """Return the ``k`` for which a count of a stream stands as ``2^k`` beside the EMG's counts.

    It is the largest for which the stream, whatever it measures, comes no higher than the EMG may: words and features of all
    channels then have one range.
    """
    emg = bound_peak(design_chain(spec), float(spec.sensor.full_scale_counts))
    own = bound_peak(design_aux(spec, number), float(spec.aux[number].full_scale_counts))
    return math.floor(math.log2(emg / (_HEADROOM * own)))


def align_samples(timing: AuxTiming, stamps: NDArray[np.int64], n_frames: int) -> NDArray[np.int64]:
    """Return the samples that are due up to ``n_frames`` frames of the window, by number, or ``HELD`` where none was there."""
    n_due = max(0, ((n_frames * timing.frame - 1 - timing.lag) * timing.step + timing.unit) // timing.unit)
    if len(stamps) >= n_due and np.array_equal(stamps, timing.stamp_samples(len(stamps))):
        return np.arange(n_due)  # a stream that keeps its rate: what follows would give the same
    alignment = Alignment(timing)
    alignment.feed(stamps)
    due = [number for _ in range(n_frames) for number, _ in alignment.advance()[0]]
    return np.array(due, np.int64)


def interpolate(timing: AuxTiming, x: NDArray[np.float64], n_frames: int) -> NDArray[np.float64]:
    """Interpolate a stream behind its stages linearly on the window's frames, one of its samples behind.

    Parameters
    ----------
    timing
        Of the stream.
    x
        Behind its stages, (n_samples, n_channels), at least those that are due.
    n_frames
        Of the window.

    Returns
    -------
    NDArray[np.float64]
        (n_frames, n_channels); 0 before the first sample.
    """
    frames = (np.arange(n_frames, dtype=np.int64) + 1) * timing.frame - 1
    time = (frames - timing.lag) * timing.step + timing.unit  # in 1 / unit of a sample
    due = np.maximum(time // timing.unit, 0)
    newer = due // timing.factor - 1
    weight = (due % timing.factor * timing.unit + time % timing.unit) / timing.span
    y = np.zeros((n_frames, x.shape[1]))
    seen = newer >= 0
    older = np.maximum(newer - 1, 0)
    # Between equal samples exactly these: ratios of features would find movement in what is left of rounding.
    y[seen] = x[older[seen]] + (x[newer[seen]] - x[older[seen]]) * weight[seen, None]
    return y


class AuxReference:
    """All auxiliary streams of a spec in float."""

    def __init__(self, spec: PatchSpec) -> None:
        """Design the streams' stages.

        Raises
        ------
        SpecError
            If a decimation would fold too much into the band.
        """
        self._sensors = spec.aux
        self._timings = [time_aux(spec, sensor) for sensor in spec.aux]
        self._steps = [design_aux(spec, number) for number in range(len(spec.aux))]
        self._gains = [2.0 ** choose_gain_bits(spec, number) for number in range(len(spec.aux))]

    def resample(self, streams: Sequence[AuxSamples], n_frames: int) -> NDArray[np.float64]:
        """Return all streams on the window's frames, in the EMG's counts, (n_frames, channels of all).

        Raises
        ------
        DataError
            If the streams are not the spec's.
        """
        if len(streams) != len(self._sensors):
            raise DataError(
                f"{len(streams)} auxiliary streams, the spec names {len(self._sensors)}: record them beside the EMG, or take "
                "[[aux]] out of the spec"
            )
        columns = [np.zeros((n_frames, 0))]
        for sensor, timing, steps, gain, samples in zip(
            self._sensors, self._timings, self._steps, self._gains, streams, strict=True
        ):
            if samples.counts.ndim != 2 or samples.counts.shape[1] != sensor.channels:
                raise DataError(
                    f"aux {sensor.name}: samples of shape {samples.counts.shape}, expected (n_samples, {sensor.channels}): "
                    "match aux.channels to the recording"
                )
            numbers = align_samples(timing, samples.stamps, n_frames)
            # A sample that is not there is the one before it; before all of them it is 0.
            held = np.maximum.accumulate(np.where(numbers == HELD, -1, numbers)) if len(numbers) else numbers
            x = np.concatenate([np.zeros((1, sensor.channels)), samples.counts.astype(np.float64)])[held + 1]
            for step in steps:
                x = run_step(step, x) if len(x) else np.zeros((0, step.n_out))
            columns.append(interpolate(timing, x, n_frames) * gain)
        return np.concatenate(columns, axis=1)


def bound_resampling(peak_counts: float, error_counts: float, gain_bits: int, exponent: int) -> float:
    """Return the largest ``|twin - float|`` of a resampled stream, in the EMG's counts.

    Parameters
    ----------
    peak_counts, error_counts
        Behind the stream's stages: the largest magnitude, and the largest distance of the twin, in its own counts.
    gain_bits
        Of :func:`choose_gain_bits`.
    exponent
        Of the EMG's words: one of the stream's is ``2^-exponent`` as well.

    Notes
    -----
    Interpolation is a weighted mean, so an error comes through no larger than it was. A weight is off by at most half a unit
    of the reciprocal's rounding and half of its own, of 2^-30 each, times a difference of at most twice the peak. One
    rounding to a word follows.
    """
    return (
        error_counts + 2 * (peak_counts + error_counts) * 2.0**-30
    ) * 2.0**gain_bits + 0.5 * 2.0**-exponent
