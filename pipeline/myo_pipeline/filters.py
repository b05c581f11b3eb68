"""Filter design: from the spec's recursive stages to second-order sections in float64, and stages in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from myo_pipeline.stages import (
    BandPass,
    BandStop,
    Comb,
    DcRemoval,
    Decimate,
    Ecg,
    Envelope,
    Fir,
    HighPass,
    LinearStage,
    LowPass,
    MovingAverage,
    Notch,
    Rectify,
    Spatial,
    Stage,
    Tkeo,
)

_RIPPLE_DB, _ATTENUATION_DB = 0.5, 40.0  # where the spec leaves them out


def _design_family(stage: HighPass | LowPass | BandPass | BandStop, rate_hz: float) -> NDArray[np.float64]:
    edges = (stage.low_hz, stage.high_hz) if isinstance(stage, BandPass | BandStop) else stage.cutoff_hz
    ripple_db, attenuation_db = stage.ripple_db or _RIPPLE_DB, stage.attenuation_db or _ATTENUATION_DB
    shape = {"btype": stage.kind, "fs": rate_hz, "output": "sos"}
    match stage.design:
        case "butterworth":
            sections = signal.butter(stage.order, edges, **shape)
        case "bessel":
            sections = signal.bessel(stage.order, edges, norm="mag", **shape)
        case "chebyshev1":
            sections = signal.cheby1(stage.order, ripple_db, edges, **shape)
        case "chebyshev2":
            sections = signal.cheby2(stage.order, attenuation_db, edges, **shape)
        case "elliptic":
            sections = signal.ellip(stage.order, ripple_db, attenuation_db, edges, **shape)
    return np.atleast_2d(sections)


def design_stage(stage: LinearStage, rate_hz: float) -> NDArray[np.float64]:
    """Design one recursive filter.

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
        case Notch():
            teeth = [(stage.frequency_hz * k, stage.q) for k in range(1, stage.harmonics + 1)]
        case Comb():
            n_teeth = int(np.ceil(rate_hz / 2 / stage.frequency_hz)) - 1
            teeth = [(stage.frequency_hz * k, stage.q * k) for k in range(1, n_teeth + 1)]
        case DcRemoval():
            # The pole that puts -3 dB at the cutoff: |H|^2 = 1/2 of ((1 + r) / 2 (1 - z^-1) / (1 - r z^-1)).
            c = np.cos(2 * np.pi * stage.cutoff_hz / rate_hz)
            r = (1 - np.sin(2 * np.pi * stage.cutoff_hz / rate_hz)) / c if abs(c) > 1e-12 else 0.0
            gain = (1 + r) / 2
            return np.array([[gain, -gain, 0.0, 1.0, -r, 0.0]])
        case _:
            return _design_family(stage, rate_hz)
    sections = [signal.tf2sos(*signal.iirnotch(f, q, fs=rate_hz)) for f, q in teeth if f < rate_hz / 2]
    return np.concatenate(sections)


_DESIGN_NAMES = {"chebyshev1": "Chebyshev I", "chebyshev2": "Chebyshev II"}
_SHAPES = {"highpass": "high-pass", "lowpass": "low-pass", "bandpass": "band-pass", "bandstop": "band-stop"}


def describe_stage(stage: Stage) -> str:
    """Return a stage in words, for reports and generated files."""
    match stage:
        case Notch():
            return f"notch {stage.frequency_hz:g} Hz, {stage.harmonics} harmonic(s), Q {stage.q:g}"
        case Comb():
            return f"comb {stage.frequency_hz:g} Hz, Q {stage.q:g}"
        case DcRemoval():
            return f"DC removal {stage.cutoff_hz:g} Hz"
        case Fir(taps=None):
            edges = " to ".join(f"{edge:g}" for edge in stage.edges_hz or [])
            return f"FIR {_SHAPES[stage.shape]} {edges} Hz, {stage.n_taps} taps ({stage.window})"
        case Fir():
            return f"FIR of {len(stage.taps or [])} given taps"
        case MovingAverage():
            return f"moving average of {stage.n} samples" if stage.n else f"moving average of {stage.ms:g} ms"
        case Rectify():
            return "rectification"
        case Envelope():
            return f"envelope {stage.cutoff_hz:g} Hz, order {stage.order}"
        case Tkeo():
            return "Teager-Kaiser energy"
        case Ecg():
            return f"heart of channel {stage.reference} removed, {stage.before_ms:g} and {stage.after_ms:g} ms around a beat"
        case Decimate():
            return f"every {stage.factor}th frame"
        case Spatial():
            return f"spatial: {stage.mode.replace('_', ' ')}{' of a ring' * stage.ring}"
        case BandPass() | BandStop():
            edges = f"{stage.low_hz:g} to {stage.high_hz:g} Hz"
        case HighPass() | LowPass():
            edges = f"{stage.cutoff_hz:g} Hz"
    name = _DESIGN_NAMES.get(stage.design, stage.design.capitalize())
    return f"{name} {_SHAPES[stage.kind]} {edges}, order {stage.order}"
