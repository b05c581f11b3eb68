"""The front end as designed: from the spec's stages to float steps, their responses, and how they filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from myo_pipeline.ecg import GAIN, EcgSettings, remove_beats
from myo_pipeline.errors import SpecError
from myo_pipeline.filters import design_stage
from myo_pipeline.spec import PatchSpec
from myo_pipeline.stages import (
    Decimate,
    Ecg,
    Envelope,
    Fir,
    LowPass,
    MovingAverage,
    Rectify,
    Spatial,
    Stage,
    Tkeo,
)
from myo_pipeline.steps import LINEAR, FloatStep, Kind, Step

_RESPONSE_POINTS = 4096  # between two Nyquist frequencies, for the attenuation of aliases
_LONGEST_RESPONSE = 1 << 20  # samples
_NONE = np.zeros(0)


def _weigh(stage: Spatial, n: int) -> NDArray[np.float64]:
    """Return the matrix of a spatial stage, (n_out, n)."""
    x = np.eye(n)
    n_out = stage.count_outputs(n)
    match stage.mode:
        case "single_differential":
            return (np.roll(x, -1, axis=0) - x)[:n_out]
        case "double_differential":
            return (2 * np.roll(x, -1, axis=0) - x - np.roll(x, -2, axis=0))[:n_out]
        case "common_average":
            return x - 1 / n
        case "matrix":
            return np.asarray(stage.weights, dtype=np.float64)
        case "remap":
            return x[stage.channels]
        case "rotate":
            return np.roll(x, -(stage.by or 0), axis=0)


def _design_fir(stage: Fir, rate_hz: float) -> NDArray[np.float64]:
    if stage.taps is not None:
        return np.asarray(stage.taps, dtype=np.float64)
    edges = stage.edges_hz or []
    taps: NDArray[np.float64] = signal.firwin(
        stage.n_taps,
        edges if len(edges) > 1 else edges[0],
        window=stage.window,
        pass_zero=stage.shape,
        fs=rate_hz,
    )
    return taps


def _design(stage: Stage, n: int, rate_hz: float) -> list[tuple[Kind, NDArray[np.float64]]]:
    match stage:
        case Spatial():
            return [(Kind.MATRIX, _weigh(stage, n))]
        case Rectify():
            return [(Kind.RECTIFY, _NONE)]
        case Envelope():
            low = LowPass(kind="lowpass", cutoff_hz=stage.cutoff_hz, order=stage.order)
            return [(Kind.RECTIFY, _NONE), (Kind.SOS, design_stage(low, rate_hz))]
        case MovingAverage():
            return [(Kind.MEAN, np.array([float(stage.count_samples(rate_hz))]))]
        case Decimate():
            return [(Kind.DECIMATE, _NONE)]
        case Fir():
            return [(Kind.FIR, _design_fir(stage, rate_hz))]
        case Tkeo():
            return [(Kind.TKEO, _NONE)]
        case Ecg():
            return [(Kind.ECG, stage.settle(rate_hz).to_values())]
        case _:
            return [(Kind.SOS, design_stage(stage, rate_hz))]


def design_chain(spec: PatchSpec) -> tuple[FloatStep, ...]:
    """Design a spec's stages.

    Neighbouring recursive filters become one cascade of second-order sections, and a FIR filter takes the decimation behind
    it: what the decimation would drop is not computed.

    Returns
    -------
    tuple of FloatStep
        In the order of the signal; empty where the spec has no stage.

    Raises
    ------
    SpecError
        If a decimation would fold more into the band than its ``attenuation_db`` allows.
    """
    steps: list[FloatStep] = []
    n, rate_hz = spec.sensor.channels, spec.sensor.rate_hz
    for number, stage in enumerate(spec.stage):
        if isinstance(stage, Decimate):
            found = find_attenuation(steps, rate_hz, stage.factor)
            if found < stage.attenuation_db and stage.attenuation_db > 0:
                raise SpecError(
                    f"stage[{number}].factor: the filters before it attenuate by {max(found, 0.0):.1f} dB from the new Nyquist, "
                    f"{rate_hz / stage.factor / 2:g} Hz, upwards, expected {stage.attenuation_db:g} dB: put a low-pass before "
                    "it, or lower attenuation_db"
                )
        for kind, values in _design(stage, n, rate_hz):
            n_out = len(values) if kind is Kind.MATRIX else n
            last = steps[-1] if steps else None
            if last and kind is Kind.SOS and last.kind is Kind.SOS:
                steps[-1] = replace(last, values=np.concatenate([last.values, values]))
            elif last and kind is Kind.DECIMATE and last.kind is Kind.FIR and last.decimation == 1:
                steps[-1] = replace(last, decimation=stage.decimation)
            else:
                steps.append(FloatStep(kind, n, n_out, rate_hz, values, stage.decimation))
            n = n_out
        rate_hz /= stage.decimation
    return tuple(steps)


def respond(steps: Sequence[FloatStep], frequencies_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return the product of the linear steps' responses; other steps count as 1."""
    response = np.ones(len(frequencies_hz), complex)
    for step in steps:
        match step.kind:
            case Kind.SOS:
                response *= signal.freqz_sos(step.values, worN=frequencies_hz, fs=step.rate_hz)[1]
            case Kind.FIR:
                response *= signal.freqz(step.values, worN=frequencies_hz, fs=step.rate_hz)[1]
            case Kind.MEAN:
                taps = np.full(step.count, 1 / step.count)
                response *= signal.freqz(taps, worN=frequencies_hz, fs=step.rate_hz)[1]
            case _:
                pass
    return response


def round_step(designed: FloatStep, step: Step) -> FloatStep:
    """Return a linear step with the coefficients that the device has; of other kinds, the step itself."""
    values = designed.values
    match step.kind:
        case Kind.SOS | Kind.SOS_WIDE:
            held = step.words.reshape(-1, 5) * 2.0 ** (step.shift - 31)
            values = np.concatenate([held[:, :3], np.ones((len(held), 1)), -held[:, 3:]], axis=1)
        case Kind.FIR:
            largest = int(np.abs(values).argmax())
            bits = round(float(np.log2(step.words[largest] / values[largest])))
            values = step.words.astype(np.float64) * 2.0**-bits
        case _:
            pass
    return replace(designed, values=values)


def split_runs(steps: Sequence[FloatStep]) -> list[list[int]]:
    """Return the places of linear steps whose responses multiply: at one rate, nothing nonlinear between them."""
    runs: list[list[int]] = [[]]
    for place, step in enumerate(steps):
        if step.kind in LINEAR:
            runs[-1].append(place)
        if step.decimation > 1 or step.kind not in (*LINEAR, Kind.MATRIX):
            runs.append([])
    return [run for run in runs if run]


def find_attenuation(steps: Sequence[FloatStep], rate_hz: float, factor: int) -> float:
    """Return what the filters since the last nonlinear step keep of what a decimation folds, in decibels.

    Parameters
    ----------
    steps
        Steps before the decimation.
    rate_hz
        Rate before it.
    factor
        Of the decimation.

    Returns
    -------
    float
        Largest gain below the new Nyquist over the largest from there to the old one; 0 where nothing filters.
    """
    bent = [k for k, step in enumerate(steps) if step.kind in (Kind.RECTIFY, Kind.TKEO)]
    linear = [step for step in steps[bent[-1] + 1 if bent else 0 :] if step.kind in LINEAR]
    new = rate_hz / factor / 2
    below = np.abs(respond(linear, np.linspace(0, new, _RESPONSE_POINTS, endpoint=False)))
    above = np.abs(respond(linear, np.linspace(new, rate_hz / 2, _RESPONSE_POINTS)))
    return float(20 * np.log10(below.max() / max(above.max(), 1e-15)))


def run_step(step: FloatStep, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Run a float step from zero state, (n_samples, n_in) to (n_samples // decimation, n_out)."""
    y: NDArray[np.float64]
    match step.kind:
        case Kind.SOS | Kind.SOS_WIDE:
            y = signal.sosfilt(step.values, x, axis=0)
        case Kind.FIR:
            y = signal.lfilter(step.values, [1.0], x, axis=0)[step.decimation - 1 :: step.decimation]
        case Kind.MEAN:
            sums = np.cumsum(np.concatenate([np.zeros((step.count, x.shape[1])), x]), axis=0)
            y = np.asarray((sums[step.count :] - sums[: -step.count]) / step.count, dtype=np.float64)
        case Kind.MATRIX:
            y = x @ step.values.T
        case Kind.RECTIFY:
            y = np.abs(x)
        case Kind.DECIMATE:
            y = x[step.decimation - 1 :: step.decimation]
        case Kind.TKEO:
            past = np.concatenate([np.zeros((2, x.shape[1])), x])
            y = past[1:-1] ** 2 - past[2:] * past[:-2]
        case Kind.ECG:
            y = remove_beats(x, EcgSettings.from_values(step.values))
    return y


def _sum_response(step: FloatStep) -> float:
    """Return the sum of the magnitudes of a cascade's impulse response."""
    length = 1 << 12
    while length <= _LONGEST_RESPONSE:
        impulse = np.zeros(length)
        impulse[0] = 1.0
        response = np.abs(signal.sosfilt(step.values, impulse))
        if response[length // 2 :].sum() < 1e-4 * response.sum():
            return float(response.sum())
        length *= 2
    raise SpecError(
        f"stage: the filters ring for more than {_LONGEST_RESPONSE} samples, expected fewer: raise the lowest edge"
    )


def bound_peak(steps: Sequence[FloatStep], peak: float) -> float:
    """Return the largest magnitude behind the steps for any input of at most ``peak``, as designed.

    Raises
    ------
    SpecError
        If a cascade rings for more than a million samples.
    """
    for step in steps:
        match step.kind:
            case Kind.SOS:
                peak *= _sum_response(step)
            case Kind.FIR:
                peak *= float(np.abs(step.values).sum())
            case Kind.MATRIX:
                peak *= float(np.abs(step.values).sum(axis=1).max())
            case Kind.TKEO:
                peak = 2 * peak**2
            case Kind.ECG:
                peak *= GAIN
            case _:  # a mean, a magnitude and a choice of samples are no larger
                pass
    return peak
