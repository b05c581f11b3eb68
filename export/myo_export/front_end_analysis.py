"""What a front end does before anything is flashed: responses, ranges, noise, limit cycles, and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from myo_export.cascade import dequantize_coefficients
from myo_export.front_end import FrontEnd, ProvedStep, quantize_stages
from myo_export.front_end_cost import predict_front_end
from myo_export.front_end_notes import describe_step
from myo_pipeline.chain import respond, round_step, run_step, split_runs
from myo_pipeline.filters import describe_stage
from myo_pipeline.spec import PatchSpec
from myo_pipeline.stages import Ecg, Spatial, Stage
from myo_pipeline.steps import FloatStep, Kind, pack_steps
from myo_pipeline.twin import FrontEndTwin
from myo_pipeline.twin_config import TwinConfig

CLOCK_HZ = 64e6  # of the shares
TYPICAL_RMS = 1 / 16  # of full scale, about -24 dB: EMG that leaves room for its bursts
BAND_HZ = (20.0, 450.0)  # of the typical signal: surface EMG's
SIGNAL_S, _SILENCE_S = 10.0, 10.0
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
class StepFigures:
    """One step on the device.

    Attributes
    ----------
    kind, text
        What it is in a word, and what it does.
    channels, rate_hz
        Behind it.
    exponent
        A word behind it stands for ``word * 2^-exponent`` counts.
    worst_peak
        Largest magnitude behind it for any full-scale input, as a fraction of 2^31.
    typical_rms
        Root mean square behind it for the typical signal, as a fraction of 2^31.
    bound_counts
        Largest ``|twin - float|`` behind it for any full-scale input.
    """

    kind: str
    text: str
    channels: int
    rate_hz: float
    exponent: int
    worst_peak: float
    typical_rms: float
    bound_counts: float


@dataclass(frozen=True)
class Response:
    """What linear steps that follow each other do to frequencies above 0 and below Nyquist.

    Attributes
    ----------
    text
        The steps.
    frequencies_hz, designed_db, rounded_db, difference_db, designed_delay_ms, rounded_delay_ms
        Magnitude and group delay, as designed and as rounded; the difference is of the complex responses.
    deviation_db
        Largest difference of the magnitudes where the design passes (within 3 dB of its largest gain).
    """

    text: str
    frequencies_hz: NDArray[np.float64]
    designed_db: NDArray[np.float64]
    rounded_db: NDArray[np.float64]
    difference_db: NDArray[np.float64]
    designed_delay_ms: NDArray[np.float64]
    rounded_delay_ms: NDArray[np.float64]
    deviation_db: float


@dataclass(frozen=True)
class ChainFigures:
    """Figures of the stages of one stream, EMG's or another sensor's.

    Attributes
    ----------
    stages
        The spec's stages in words.
    front_end
        Coefficients, scaling and proof.
    steps
        What the stages came down to.
    sections
        Of all cascades, in the order of the signal.
    responses
        Of each run of linear steps, between rectifications, energies and decimations.
    bound_counts
        Largest ``|twin - float|`` for any full-scale input.
    snr_db, max_error_counts
        Twin against float64 on the typical signal; infinite where there is no error.
    limit_cycle_counts, limit_cycle_bound_counts
        Largest output after the typical signal has ended and the filter has settled, and its derived bound.
    limit_cycle
        That output in words.
    state_bytes
        State in RAM.
    """

    stages: tuple[str, ...]
    front_end: FrontEnd
    steps: tuple[StepFigures, ...]
    sections: tuple[Section, ...]
    responses: tuple[Response, ...]
    bound_counts: float
    snr_db: float
    max_error_counts: float
    limit_cycle_counts: float
    limit_cycle_bound_counts: float
    limit_cycle: str
    state_bytes: int


@dataclass(frozen=True)
class FrontEndAnalysis(ChainFigures):
    """Figures of a front end.

    Attributes
    ----------
    instructions_per_sample
        Predicted, of one count of the sensor, Cortex-M4, from the ring to the network's input.
    core_share
        Of a 64 MHz core.
    """

    instructions_per_sample: float
    core_share: float


def make_typical_signal(
    n_channels: int, rate_hz: float, full_scale: int, band_hz: tuple[float, float] = BAND_HZ
) -> NDArray[np.int64]:
    """Return band-limited Gaussian noise in counts, :data:`TYPICAL_RMS` of full scale, and as long a silence after it.

    Parameters
    ----------
    n_channels, rate_hz, full_scale
        Of the sensor; its counts are ``-full_scale .. full_scale - 1``.
    band_hz
        Of the noise, as far as the rate allows.

    Returns
    -------
    NDArray[np.int64]
        (n_samples, n_channels).
    """
    n = round(SIGNAL_S * rate_hz)
    rng = np.random.default_rng(1)
    high = min(band_hz[1], 0.45 * rate_hz)
    shape = signal.butter(2, (min(band_hz[0], high / 4), high), "bandpass", fs=rate_hz, output="sos")
    noise = signal.sosfilt(shape, rng.standard_normal((n, n_channels)), axis=0)
    counts = np.clip(
        np.round(noise / noise.std(axis=0) * TYPICAL_RMS * full_scale), -full_scale, full_scale - 1
    )
    silence = np.zeros((round(_SILENCE_S * rate_hz), n_channels))
    return np.concatenate([counts, silence]).astype(np.int64)


def make_filter_twin(spec: PatchSpec, front_end: FrontEnd) -> FrontEndTwin:
    """Return the integer twin of a front end alone, without a network behind it."""
    return _make_twin(front_end, spec.sensor.full_scale_counts)


def _make_twin(front_end: FrontEnd, full_scale: int) -> FrontEndTwin:
    none = np.zeros(0, np.int64)
    table, words = pack_steps(front_end.device_steps)
    return FrontEndTwin(
        TwinConfig(
            n_channels=front_end.n_channels, window_samples=1, hop_samples=1, n_outputs=1,
            full_scale_counts=full_scale, input_shift=front_end.input_shift, step_table=table,
            step_words=words, exponent=front_end.exponent, multiplier=none, shift=none, zero_point=0,
            output_scale=1.0, output_zero_point=0, output_kind=0, vote=1, reject_below=-128, layer_tensors=none,
        )
    )  # fmt: skip


def _decibels(h: NDArray[np.complexfloating]) -> NDArray[np.float64]:
    return np.asarray(20 * np.log10(np.maximum(np.abs(h), 1e-15)), dtype=np.float64)


def _delay_ms(
    steps: list[FloatStep], frequencies_hz: NDArray[np.float64], rate_hz: float
) -> NDArray[np.float64]:
    """Group delay, polynomial by polynomial and exact: -d(phase)/d(omega)."""
    z = np.exp(-2j * np.pi * frequencies_hz / rate_hz)
    delay = np.zeros(len(frequencies_hz))

    def add(polynomial: NDArray[np.float64], sign: int) -> None:
        value, slope = np.polyval(polynomial[::-1], z), np.zeros_like(z)
        if len(polynomial) > 1:
            slope = z * np.polyval((polynomial * np.arange(len(polynomial)))[:0:-1], z)
        with np.errstate(divide="ignore", invalid="ignore"):
            delay[:] += sign * np.nan_to_num((slope / value).real)

    for step in steps:
        match step.kind:
            case Kind.SOS:
                for section in step.values:
                    add(section[:3], 1)
                    add(section[3:], -1)
            case Kind.FIR:
                add(step.values, 1)
            case Kind.MEAN:
                delay += (step.count - 1) / 2
            case _:
                pass
    return delay / rate_hz * 1000


def _describe_response(run: list[ProvedStep]) -> Response:
    rate_hz = run[0].designed.rate_hz
    frequencies = np.linspace(0, rate_hz / 2, _RESPONSE_POINTS + 2)[1:-1]
    designed = [proved.designed for proved in run]
    rounded = [round_step(proved.designed, proved.step) for proved in run]
    h_designed, h_rounded = respond(designed, frequencies), respond(rounded, frequencies)
    designed_db, rounded_db = _decibels(h_designed), _decibels(h_rounded)
    passing = designed_db > designed_db.max() - 3
    return Response(
        text=", ".join(map(describe_step, run)),
        frequencies_hz=frequencies,
        designed_db=designed_db,
        rounded_db=rounded_db,
        difference_db=_decibels(h_rounded - h_designed),
        designed_delay_ms=_delay_ms(designed, frequencies, rate_hz),
        rounded_delay_ms=_delay_ms(rounded, frequencies, rate_hz),
        deviation_db=float(np.abs(rounded_db - designed_db)[passing].max()),
    )


def _describe_cycle(tail_q31: NDArray[np.int64], counts: float) -> str:
    if not tail_q31.any():
        return "none: the output returns to zero"
    if np.ptp(tail_q31) == 0:
        return f"a constant of {counts:.2g} counts: truncation's mean"
    return f"an oscillation of at most {counts:.2g} counts"


def analyse_chain(
    stages: Sequence[Stage], n_channels: int, rate_hz: float, adc_bits: int, key: str = "stage",
    band_hz: tuple[float, float] = BAND_HZ,
) -> ChainFigures:  # fmt: skip
    """Quantize stages and measure what they do to noise.

    Parameters
    ----------
    stages, n_channels, rate_hz, adc_bits, key
        As of :func:`~myo_export.front_end.quantize_stages`.
    band_hz
        Of the noise.

    Raises
    ------
    ExportError
        If the filters cannot be brought to fixed point.
    """
    front_end = quantize_stages(stages, n_channels, rate_hz, adc_bits, key)
    full_scale = 1 << (adc_bits - 1)
    # Channels that never meet are all alike: one is enough.
    alike = not any(isinstance(stage, Spatial | Ecg) for stage in stages)
    measured = quantize_stages(stages, 1, rate_hz, adc_bits, key) if alike else front_end
    counts = make_typical_signal(measured.n_channels, rate_hz, full_scale, band_hz)
    unit = 2.0**-front_end.exponent
    filtered = _make_twin(measured, full_scale).filter(counts).astype(np.int64)
    nodes = [counts.astype(np.float64)]
    for proved in measured.steps:
        nodes.append(run_step(proved.designed, nodes[-1]))
    n_signal = round(SIGNAL_S * rate_hz)
    n_out = n_signal // front_end.decimation
    exact = nodes[-1][:n_out]
    error = filtered[:n_out] * unit - exact
    tail = filtered[-round(rate_hz / front_end.decimation) :]
    tail_counts = float(np.abs(tail).max(initial=0)) * unit
    return ChainFigures(
        stages=tuple(describe_stage(stage) for stage in stages),
        front_end=front_end,
        steps=_describe_steps(front_end, nodes, n_signal, float(full_scale)),
        sections=tuple(
            section
            for proved, node in zip(measured.steps, nodes, strict=False)
            for section in _describe_sections(proved, node[:n_signal, 0])
        ),
        responses=tuple(
            _describe_response([front_end.steps[place] for place in run])
            for run in split_runs([proved.designed for proved in front_end.steps])
        ),
        bound_counts=front_end.error_bound_counts(full_scale),
        snr_db=find_snr_db(exact, error),
        max_error_counts=float(np.abs(error).max()),
        limit_cycle_counts=tail_counts,
        limit_cycle_bound_counts=front_end.error_bound_counts(0.0),
        limit_cycle=_describe_cycle(tail, tail_counts),
        state_bytes=4 * front_end.state_words,
    )


def find_snr_db(exact: NDArray[np.float64], error: NDArray[np.float64]) -> float:
    """Return the power of a signal over that of its error, decibels; infinite where there is no error."""
    return float(10 * np.log10((exact**2).sum() / (error**2).sum())) if error.any() else float("inf")


def analyse_front_end(spec: PatchSpec) -> FrontEndAnalysis:
    """Quantize a spec's filters and measure what they do.

    Parameters
    ----------
    spec
        A validated spec.

    Returns
    -------
    FrontEndAnalysis
        Proof, responses, figures on a typical signal, and cost; of the EMG alone.

    Raises
    ------
    ExportError
        If the filters cannot be brought to fixed point.
    """
    sensor = spec.sensor
    found = analyse_chain(spec.stage, sensor.channels, sensor.rate_hz, sensor.adc_bits)
    instructions = predict_front_end(
        found.front_end.device_steps, sensor.channels, spec.hop_samples, spec.window_samples
    )
    n_frames = spec.hop_samples * found.front_end.decimation
    return FrontEndAnalysis(
        **{field.name: getattr(found, field.name) for field in fields(found)},
        instructions_per_sample=instructions / (n_frames * sensor.channels),
        core_share=instructions / n_frames * sensor.rate_hz / CLOCK_HZ,
    )


def _describe_steps(
    front_end: FrontEnd, nodes: list[NDArray[np.float64]], n_signal: int, full_scale: float
) -> tuple[StepFigures, ...]:
    found, n = [], n_signal
    for count, (proved, node) in enumerate(zip(front_end.steps, nodes[1:], strict=True), 1):
        step = proved.step
        n //= step.decimation
        before = replace(front_end, steps=front_end.steps[:count])
        rate_hz = proved.designed.rate_hz / step.decimation
        rms = float(np.sqrt(np.mean(node[:n] ** 2))) * 2.0 ** (proved.exponent - 31)
        found.append(
            StepFigures(
                step.kind.name.lower(), describe_step(proved), step.n_out, rate_hz, proved.exponent, proved.peak, rms,
                before.error_bound_counts(full_scale),
            )
        )  # fmt: skip
    return tuple(found)


def _describe_sections(proved: ProvedStep, node: NDArray[np.float64]) -> list[Section]:
    cascade = proved.cascade
    if cascade is None:
        return []
    found = []
    rate_hz, scale = proved.designed.rate_hz, 2.0 ** (cascade.exponent - 31)
    rounded = dequantize_coefficients(cascade.coefficients_q31, cascade.post_shift)
    for k, section in enumerate(rounded):
        node = signal.sosfilt(section[None], node)
        poles = np.roots(section[3:])
        poles_see_it = [0.0, 0.0] if cascade.is_wide else section[4:]
        feedback = np.concatenate([[1.0, 0.0, 0.0, 1.0], poles_see_it])[None]
        impulse = np.zeros(1 << 16)
        impulse[0] = 1.0
        from_noise = signal.sosfilt(np.concatenate([feedback, rounded[k + 1 :]]), impulse)
        found.append(
            Section(
                frequency_hz=float(np.abs(np.angle(poles)).max(initial=0.0) * rate_hz / (2 * np.pi)),
                pole_radius=float(cascade.pole_radius[k, 0]),
                pole_radius_rounded=float(cascade.pole_radius[k, 1]),
                coefficients_q31=tuple(int(c) for c in cascade.coefficients_q31[k]),
                worst_peak=float(cascade.node_peak[k]),
                typical_rms=float(np.sqrt(np.mean(node**2)) * scale),
                noise_gain_db=float(10 * np.log10((from_noise**2).sum())),
            )
        )
    return found
