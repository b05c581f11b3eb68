"""Filter design: from the spec's stages to second-order sections in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from myo_pipeline.spec import BandPass, HighPass, LowPass, Notch, PatchSpec


def design_stage(stage: HighPass | LowPass | BandPass | Notch, rate_hz: float) -> NDArray[np.float64]:
    """Design one filter stage.

    Parameters
    ----------
    stage
        A filter stage of the spec.
    rate_hz
        Sample rate in hertz; the spec has checked that every edge is below ``rate_hz / 2``.

    Returns
    -------
    NDArray[np.float64]
        Sections ``[b0, b1, b2, 1, a1, a2]``, shape (n_sections, 6), SciPy's order and sign.
    """
    match stage:
        case HighPass():
            return np.atleast_2d(
                signal.butter(stage.order, stage.cutoff_hz, "highpass", fs=rate_hz, output="sos")
            )
        case LowPass():
            return np.atleast_2d(
                signal.butter(stage.order, stage.cutoff_hz, "lowpass", fs=rate_hz, output="sos")
            )
        case BandPass():
            edges = (stage.low_hz, stage.high_hz)
            return np.atleast_2d(signal.butter(stage.order, edges, "bandpass", fs=rate_hz, output="sos"))
        case Notch():
            frequencies = [stage.frequency_hz * k for k in range(1, stage.harmonics + 1)]
            sections = [
                signal.tf2sos(*signal.iirnotch(f, stage.q, fs=rate_hz))
                for f in frequencies
                if f < rate_hz / 2
            ]
            return np.concatenate(sections)


def design_front_end(spec: PatchSpec) -> NDArray[np.float64]:
    """Design all filter stages of a spec, in the order of the signal.

    Returns
    -------
    NDArray[np.float64]
        Sections, shape (n_sections, 6); (0, 6) where the spec has no filter.
    """
    sections = [design_stage(stage, spec.sensor.rate_hz) for stage in spec.stage]
    return np.concatenate([np.empty((0, 6)), *sections])


def describe_stage(stage: HighPass | LowPass | BandPass | Notch) -> str:
    """Return a stage in words, for reports and generated files."""
    match stage:
        case HighPass():
            return f"Butterworth high-pass {stage.cutoff_hz:g} Hz, order {stage.order}"
        case LowPass():
            return f"Butterworth low-pass {stage.cutoff_hz:g} Hz, order {stage.order}"
        case BandPass():
            return f"Butterworth band-pass {stage.low_hz:g} to {stage.high_hz:g} Hz, order {stage.order}"
        case Notch():
            return f"notch {stage.frequency_hz:g} Hz, {stage.harmonics} harmonic(s), Q {stage.q:g}"
