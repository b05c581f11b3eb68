"""What a front end does before anything is flashed: responses, ranges, noise, limit cycles, and cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from myo_export.front_end import FrontEnd, dequantize_coefficients, quantize_front_end
from myo_export.front_end_cost import predict_instructions
from myo_pipeline.filters import describe_stage, design_front_end, design_stage
from myo_pipeline.reference import filter_counts
from myo_pipeline.spec import PatchSpec
from myo_pipeline.twin import FrontEndTwin, TwinConfig

CLOCK_HZ = 64e6  # of the shares
TYPICAL_RMS = 1 / 16  # of full scale, about -24 dB: EMG that leaves room for its bursts
_BAND_HZ = (20.0, 450.0)  # of the typical signal: surface EMG's
_SIGNAL_S, _SILENCE_S = 10.0, 10.0
_RESPONSE_POINTS = 1000


@dataclass(frozen=True)
class Section:
    """One second-order section on the device, in the order of the signal.

    Attributes
    ----------
    frequency_hz
        Of its poles.
    pole_radius, pole_radius_rounded
        As designed and in Q31.
    coefficients_q31
        ``b0 b1 b2 -a1 -a2`` times ``2^(31 - post_shift)``.
    worst_peak
        Largest magnitude at its output for any full-scale input, as a fraction of 2^31 (L1 norm).
    typical_rms
        Root mean square at its output for the typical signal, as a fraction of 2^31.
    noise_gain_db
        Power gain from its own truncation to the cascade's output.
    """

    frequency_hz: float
    pole_radius: float
    pole_radius_rounded: float
    coefficients_q31: tuple[int, ...]
    worst_peak: float
    typical_rms: float
    noise_gain_db: float


@dataclass(frozen=True)
class FrontEndAnalysis:
    """Figures of a front end.

    Attributes
    ----------
    stages
        The spec's stages in words, with the sections that each takes.
    front_end
        Coefficients, scaling and proof.
    sections
        The cascade.
    frequencies_hz, designed_db, rounded_db, difference_db, designed_delay_ms, rounded_delay_ms
        Responses from above 0 to below Nyquist.
    deviation_db
        Largest difference of the magnitudes where the design passes (within 3 dB of its largest gain).
    bound_counts
        Largest ``|twin - float|`` for any full-scale input.
    snr_db, max_error_counts
        Twin against float64 on the typical signal; not a number where there is no filter and no error.
    limit_cycle_counts, limit_cycle_bound_counts
        Largest output after the typical signal has ended and the filter has settled, and its derived bound.
    limit_cycle
        That output in words.
    instructions_per_sample
        Predicted, of one channel, Cortex-M4, from the ring to the network's input.
    core_share
        Of a 64 MHz core.
    state_bytes
        Filter state in RAM.
    """

    stages: tuple[tuple[str, int], ...]
    front_end: FrontEnd
    sections: tuple[Section, ...]
    frequencies_hz: NDArray[np.float64]
    designed_db: NDArray[np.float64]
    rounded_db: NDArray[np.float64]
    difference_db: NDArray[np.float64]
    designed_delay_ms: NDArray[np.float64]
    rounded_delay_ms: NDArray[np.float64]
    deviation_db: float
    bound_counts: float
    snr_db: float
    max_error_counts: float
    limit_cycle_counts: float
    limit_cycle_bound_counts: float
    limit_cycle: str
    instructions_per_sample: float
    core_share: float
    state_bytes: int


def _typical_signal(spec: PatchSpec) -> NDArray[np.int64]:
    """Band-limited Gaussian noise in counts, shape (n_samples, 1), and silence after it."""
    rate_hz, full_scale = spec.sensor.rate_hz, spec.sensor.full_scale_counts
    n = round(_SIGNAL_S * rate_hz)
    rng = np.random.default_rng(1)
    high = min(_BAND_HZ[1], 0.45 * rate_hz)
    shape = signal.butter(2, (min(_BAND_HZ[0], high / 4), high), "bandpass", fs=rate_hz, output="sos")
    noise = signal.sosfilt(shape, rng.standard_normal(n))
    counts = np.clip(np.round(noise / noise.std() * TYPICAL_RMS * full_scale), -full_scale, full_scale - 1)
    silence = np.zeros(round(_SILENCE_S * rate_hz))
    return np.concatenate([counts, silence]).astype(np.int64)[:, None]


def make_filter_twin(spec: PatchSpec, front_end: FrontEnd) -> FrontEndTwin:
    """Return the integer twin of the filters alone, for one channel."""
    none = np.zeros(0, np.int64)
    return FrontEndTwin(
        TwinConfig(
            n_channels=1, window_samples=1, hop_samples=1, n_outputs=1,
            full_scale_counts=spec.sensor.full_scale_counts, coefficients_q31=front_end.coefficients_q31,
            post_shift=front_end.post_shift, input_shift=front_end.input_shift, multiplier=none, shift=none,
            zero_point=0, output_scale=1.0, output_zero_point=0, output_kind=0, vote=1, reject_below=-128,
            layer_tensors=none,
        )
    )  # fmt: skip


def _decibels(h: NDArray[np.complexfloating]) -> NDArray[np.float64]:
    return np.asarray(20 * np.log10(np.maximum(np.abs(h), 1e-15)), dtype=np.float64)


def _delay_ms(
    sections: NDArray[np.float64], frequencies_hz: NDArray[np.float64], rate_hz: float
) -> NDArray[np.float64]:
    """Group delay, section by section and exact: -d(phase)/d(omega) of each polynomial."""
    z = np.exp(-2j * np.pi * frequencies_hz / rate_hz)
    delay = np.zeros(len(frequencies_hz))
    for section in sections:
        for polynomial, sign in ((section[:3], 1), (section[3:], -1)):
            value = polynomial @ np.array([np.ones_like(z), z, z**2])
            slope = polynomial @ np.array([np.zeros_like(z), z, 2 * z**2])
            with np.errstate(divide="ignore", invalid="ignore"):
                delay += sign * np.nan_to_num((slope / value).real)
    return delay / rate_hz * 1000


def _describe_cycle(tail_q31: NDArray[np.int64], counts: float) -> str:
    if not tail_q31.any():
        return "none: the output returns to zero"
    if np.ptp(tail_q31) == 0:
        return f"a constant of {counts:.2g} counts: truncation's mean"
    return f"an oscillation of at most {counts:.2g} counts"


def analyse_front_end(spec: PatchSpec) -> FrontEndAnalysis:
    """Quantize a spec's filters and measure what they do.

    Parameters
    ----------
    spec
        A validated spec.

    Returns
    -------
    FrontEndAnalysis
        Proof, responses, figures on a typical signal, and cost.

    Raises
    ------
    ExportError
        If the filters cannot be brought to fixed point.
    """
    front_end = quantize_front_end(spec)
    rate_hz, full_scale = spec.sensor.rate_hz, spec.sensor.full_scale_counts
    designed = design_front_end(spec)
    rounded = dequantize_coefficients(front_end.coefficients_q31, front_end.post_shift)
    counts = _typical_signal(spec)
    n_signal = round(_SIGNAL_S * rate_hz)
    unit = 2.0**-front_end.input_shift
    filtered = make_filter_twin(spec, front_end).filter(counts).astype(np.int64)[:, 0]
    exact = filter_counts(
        spec.model_copy(update={"sensor": spec.sensor.model_copy(update={"channels": 1})}), counts
    )[:, 0]
    error = filtered[:n_signal] * unit - exact[:n_signal]
    frequencies = np.linspace(0, rate_hz / 2, _RESPONSE_POINTS + 2)[1:-1]

    def respond(sections: NDArray[np.float64]) -> NDArray[np.complex128]:
        return (
            signal.freqz_sos(sections, worN=frequencies, fs=rate_hz)[1]
            if len(sections)
            else np.ones(len(frequencies), complex)
        )

    h_designed, h_rounded = respond(designed), respond(rounded)
    designed_db, rounded_db = _decibels(h_designed), _decibels(h_rounded)
    passing = designed_db > designed_db.max() - 3
    tail = filtered[-round(rate_hz) :]
    tail_counts = float(np.abs(tail).max(initial=0)) * unit
    instructions = predict_instructions(
        spec.sensor.channels, len(rounded), spec.hop_samples, spec.window_samples
    )
    return FrontEndAnalysis(
        stages=tuple((describe_stage(stage), len(design_stage(stage, rate_hz))) for stage in spec.stage),
        front_end=front_end,
        sections=_describe_sections(front_end, rounded, counts[:n_signal, 0], rate_hz),
        frequencies_hz=frequencies,
        designed_db=designed_db,
        rounded_db=rounded_db,
        difference_db=_decibels(h_rounded - h_designed),
        designed_delay_ms=_delay_ms(designed, frequencies, rate_hz),
        rounded_delay_ms=_delay_ms(rounded, frequencies, rate_hz),
        deviation_db=float(np.abs(rounded_db - designed_db)[passing].max()),
        bound_counts=front_end.error_bound_counts(full_scale),
        snr_db=float(10 * np.log10((exact[:n_signal] ** 2).sum() / (error**2).sum()))
        if error.any()
        else float("inf"),
        max_error_counts=float(np.abs(error).max()),
        limit_cycle_counts=tail_counts,
        limit_cycle_bound_counts=front_end.rounding_lsb * unit,
        limit_cycle=_describe_cycle(tail, tail_counts),
        instructions_per_sample=instructions / (spec.hop_samples * spec.sensor.channels),
        core_share=instructions / spec.hop_samples * rate_hz / CLOCK_HZ,
        state_bytes=16 * len(rounded) * spec.sensor.channels,
    )


def _describe_sections(
    front_end: FrontEnd, rounded: NDArray[np.float64], counts: NDArray[np.int64], rate_hz: float
) -> tuple[Section, ...]:
    found = []
    scale = 2.0 ** (front_end.input_shift - 31)
    node = counts.astype(np.float64)
    for k, section in enumerate(rounded):
        node = signal.sosfilt(section[None], node)
        poles = np.roots(section[3:])
        feedback = np.concatenate([[1.0, 0.0, 0.0], section[3:]])[None]
        impulse = np.zeros(1 << 16)
        impulse[0] = 1.0
        from_noise = signal.sosfilt(np.concatenate([feedback, rounded[k + 1 :]]), impulse)
        found.append(
            Section(
                frequency_hz=float(np.abs(np.angle(poles)).max(initial=0.0) * rate_hz / (2 * np.pi)),
                pole_radius=float(front_end.pole_radius[k, 0]),
                pole_radius_rounded=float(front_end.pole_radius[k, 1]),
                coefficients_q31=tuple(int(c) for c in front_end.coefficients_q31[k]),
                worst_peak=float(front_end.node_peak[k]),
                typical_rms=float(np.sqrt(np.mean(node**2)) * scale),
                noise_gain_db=float(10 * np.log10((from_noise**2).sum())),
            )
        )
    return tuple(found)
