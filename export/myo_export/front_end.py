"""The front end in fixed point: the spec's stages as steps that provably cannot overflow, with derived error bounds.

Going along the chain, each step gets what the one before can give: the largest magnitude of the float signal, and the
largest distance of the twin from it. From both it chooses the exponents of its words, as large as the proof allows, and
derives the same two figures for the next (docs/laws.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import signal

from myo_export.cascade import PROOF_LIMIT, Q31, Cascade, quantize_cascade
from myo_export.fixed_point import quantize_multiplier
from myo_export.front_end_notes import note_step
from myo_export.section_forms import GOAL_DB, TYPICAL_SHARE, choose_section_forms
from myo_pipeline.chain import design_chain
from myo_pipeline.ecg import GAIN, EcgSettings
from myo_pipeline.errors import ExportError
from myo_pipeline.filters import describe_stage
from myo_pipeline.spec import PatchSpec
from myo_pipeline.steps import FloatStep, Kind, Step, decimation_of

_NO_WORDS = np.zeros(0, np.int32)
_ROOM = PROOF_LIMIT * Q31 - 2  # of a rounded output: the rounding's half and the last unit of the range


@dataclass(frozen=True)
class ProvedStep:
    """A step in integers with its proof; magnitudes and errors in counts (behind a TKEO, squared counts).

    Attributes
    ----------
    designed, step
        What it should compute, and what it does.
    exponent
        Of its output words.
    peak
        Largest magnitude of its output words, as a fraction of 2^31.
    accumulator_peak
        Largest magnitude of its 64-bit sums, as a fraction of 2^63; 0 where it has none.
    designed_gain, gain, coefficient_gain
        Largest output for an input of magnitude 1, as designed and as rounded, and the largest difference of the two.
    alignment, rounding
        Largest error of the shift before it, and of its own rounding at its output.
    cascade
        Of a SOS.
    """

    designed: FloatStep
    step: Step
    exponent: int
    peak: float
    accumulator_peak: float
    designed_gain: float = 1.0
    gain: float = 1.0
    coefficient_gain: float = 0.0
    alignment: float = 0.0
    rounding: float = 0.0
    cascade: Cascade | None = None

    def propagate(self, peak: float, error: float) -> tuple[float, float]:
        """Return the largest float magnitude and the largest distance of the twin from it behind the step."""
        return _propagate(
            self.step.kind, peak, error + self.alignment, self.designed_gain, self.gain, self.coefficient_gain,
            self.rounding,
        )  # fmt: skip


def _propagate(
    kind: Kind,
    peak: float,
    error: float,
    designed_gain: float,
    gain: float,
    coefficient_gain: float,
    rounding: float,
) -> tuple[float, float]:
    if kind is Kind.TKEO:  # two products of two samples, each off by error
        return 2 * peak**2, 4 * peak * error + 2 * error**2 + rounding
    return designed_gain * peak, gain * error + coefficient_gain * peak + rounding


@dataclass(frozen=True)
class FrontEnd:
    """A front end in fixed point, with its proof.

    Attributes
    ----------
    n_channels, n_out
        Channels of the sensor, and behind the chain.
    input_shift
        A count enters as ``count * 2^input_shift``.
    exponent
        A word behind the chain stands for ``word * 2^-exponent`` counts.
    steps
        The chain.
    group_delay_ms
        Delays of the steps, each in the middle of its pass band, added.
    notes
        What was chosen and why, in sentences.
    """

    n_channels: int
    n_out: int
    input_shift: int
    exponent: int
    steps: tuple[ProvedStep, ...]
    group_delay_ms: float
    notes: tuple[str, ...]

    @property
    def device_steps(self) -> tuple[Step, ...]:
        """The steps as the device runs them."""
        return tuple(proved.step for proved in self.steps)

    @property
    def cascades(self) -> tuple[Cascade, ...]:
        """The cascades among the steps."""
        return tuple(proved.cascade for proved in self.steps if proved.cascade)

    @property
    def decimation(self) -> int:
        """Frames of the sensor for one behind the chain."""
        return decimation_of(self.device_steps)

    @property
    def state_words(self) -> int:
        """Words of state, of all channels."""
        return sum(step.state_words for step in self.device_steps)

    @property
    def widest(self) -> int:
        """Channels where the chain is widest."""
        return max(self.n_channels, *(step.n_out for step in self.device_steps), 1)

    def error_bound_counts(self, peak_counts: float) -> float:
        """Return the largest ``|twin - float|`` behind the chain, in counts, for ``|input| <= peak_counts``."""
        peak, error = peak_counts, _enter(self.input_shift)
        for proved in self.steps:
            peak, error = proved.propagate(peak, error)
        return error


def _enter(input_shift: int) -> float:
    """Return the largest error of a count that enters: the bits that a shift to the right drops."""
    return 2.0**-input_shift - 1 if input_shift < 0 else 0.0


def _align(exponent: int, wanted: int) -> tuple[int, float]:
    """Return the shift between two exponents, and the largest error that it makes."""
    return wanted - exponent, 0.5 * 2.0**-wanted if wanted < exponent else 0.0


def _fitting(bound: float, highest: int) -> int:
    """Return the largest exponent, at most ``highest``, at which words of magnitude ``bound`` fit."""
    return min(highest, int(np.floor(np.log2(_ROOM / bound))))


def _lower_matrix(designed: FloatStep, peak: float, error: float, exponent: int) -> ProvedStep:
    weights = designed.values
    largest = np.abs(weights).max()
    most = int(np.floor(np.log2(32767 / largest)))
    if most < 0:
        raise ExportError(
            f"spatial stage: a weight of {largest:g}, at most 32767 fits 16 bits: scale the rows down"
        )
    exact = (k for k in range(min(most, 15) + 1) if np.array_equal(np.round(weights * 2**k), weights * 2**k))
    bits = next(exact, min(most, 30))
    words = np.round(weights * 2.0**bits)
    empty = np.flatnonzero(~words.any(axis=1))
    if len(empty):
        raise ExportError(
            f"spatial stage: row {empty[0]} vanishes in 16 bits beside a weight of {largest:g}: scale it up"
        )
    rounded = words * 2.0**-bits
    gain, coefficient_gain = np.abs(rounded).sum(axis=1).max(), np.abs(rounded - weights).sum(axis=1).max()
    designed_gain = np.abs(weights).sum(axis=1).max()
    bound = gain * (peak + error)
    out = _fitting(bound, exponent + bits)
    shift = exponent + bits - out
    step = Step(
        Kind.MATRIX,
        designed.n_in,
        designed.n_out,
        0,
        shift,
        int(np.count_nonzero(words)),
        words.astype(np.int32).ravel(),
    )
    half = 0.5 if shift else 0.0
    return ProvedStep(
        designed, step, out, (bound * 2.0**out + half) / Q31, bound * 2.0 ** (exponent + bits) / 2**63,
        float(designed_gain), float(gain), float(coefficient_gain), 0.0, half * 2.0**-out,
    )  # fmt: skip


def _lower_fir(designed: FloatStep, peak: float, error: float, exponent: int) -> ProvedStep:
    taps, words_in = designed.values, (peak + error) * 2.0**exponent
    bits = int(np.floor(np.log2((2**31 - 1) / np.abs(taps).max())))
    while np.abs(np.round(taps * 2.0**bits)).sum() * words_in > (PROOF_LIMIT - 2**-10) * 2.0**63:
        bits -= 1
    words = np.round(taps * 2.0**bits)
    rounded = words * 2.0**-bits
    gain, designed_gain = float(np.abs(rounded).sum()), float(np.abs(taps).sum())
    out = _fitting(gain * (peak + error), exponent + bits - 1)
    step = Step(
        Kind.FIR, designed.n_in, designed.n_out, 0, exponent + bits - out, len(taps), words.astype(np.int32),
        designed.decimation,
    )  # fmt: skip
    return ProvedStep(
        designed, step, out, (gain * (peak + error) * 2.0**out + 0.5) / Q31,
        gain * (peak + error) * 2.0 ** (exponent + bits) / 2**63, designed_gain, gain,
        float(np.abs(rounded - taps).sum()), 0.0, 0.5 * 2.0**-out,
    )  # fmt: skip


def _lower_mean(designed: FloatStep, peak: float, error: float, exponent: int) -> ProvedStep:
    n = designed.count
    before = (n - 1).bit_length()
    multiplier, shift = quantize_multiplier(2.0**before / n)
    # Bits of the sum that are dropped, half a unit of rounding, and the multiplier's error of 2^-32 times 2^32 at most.
    loss = 2.0**before / n + 0.5 + 1.0
    out = _fitting(peak + error + loss * 2.0**-exponent, exponent)
    alignment, aligned = _align(exponent, out)
    step = Step(
        Kind.MEAN, designed.n_in, designed.n_out, alignment, shift, n, np.array([multiplier], np.int32)
    )
    bound = (peak + error + aligned) * 2.0**out + loss
    return ProvedStep(
        designed, step, out, bound / Q31, bound * n / 2**63, alignment=aligned, rounding=loss * 2.0**-out
    )


def _lower_tkeo(designed: FloatStep, peak: float, error: float, exponent: int) -> ProvedStep:
    aligned_to = _fitting(peak + error, exponent)
    alignment, aligned = _align(exponent, aligned_to)
    bound = 2 * (peak + error + aligned) ** 2
    out = _fitting(bound, 2 * aligned_to - 1)
    step = Step(Kind.TKEO, designed.n_in, designed.n_out, alignment, 2 * aligned_to - out, 0, _NO_WORDS)
    return ProvedStep(
        designed, step, out, (bound * 2.0**out + 0.5) / Q31, bound * 2.0 ** (2 * aligned_to) / 2**63,
        alignment=aligned, rounding=0.5 * 2.0**-out,
    )  # fmt: skip


def _lower_ecg(designed: FloatStep, peak: float, error: float, exponent: int) -> ProvedStep:
    settings = EcgSettings.from_values(designed.values)
    out = _fitting(GAIN * (peak + error + 2.0**-exponent), exponent)
    alignment, aligned = _align(exponent, out)
    step = Step(
        Kind.ECG,
        designed.n_in,
        designed.n_out,
        alignment,
        0,
        settings.window,
        designed.values.astype(np.int32),
    )
    # A mean beat's error is at most the words', plus half a unit at each update, of which 2^log2_beats last; it is scaled
    # and the product rounded.
    rounding = (GAIN - 1) * 2.0 ** (settings.log2_beats - 1) + 0.5
    bound = GAIN * (peak + error + aligned) * 2.0**out + 0.5
    return ProvedStep(designed, step, out, bound / Q31, 0.0, GAIN, GAIN, 0.0, aligned, rounding * 2.0**-out)


def _lower_part(designed: FloatStep, cascade: Cascade, exponent: int | None) -> ProvedStep:
    """Take a cascade of one form as a step; where it is first (no exponent yet), it chooses the shift of the counts."""
    out = cascade.exponent
    alignment, aligned = (0, 0.0) if exponent is None else _align(exponent, out)
    step = Step(
        Kind.SOS_WIDE if cascade.is_wide else Kind.SOS, designed.n_in, designed.n_out, alignment, cascade.post_shift,
        len(cascade.sections), cascade.coefficients_q31.ravel(),
    )  # fmt: skip
    return ProvedStep(
        designed, step, out, float(cascade.node_peak[-1]), float(cascade.accumulator_peak.max()),
        cascade.designed_gain, cascade.gain, cascade.coefficient_gain, aligned, cascade.rounding_lsb * 2.0**-out,
        cascade,
    )  # fmt: skip


def _lower_sections(
    designed: FloatStep, peak: float, error: float, exponent: int | None, names: str
) -> tuple[list[ProvedStep], list[str]]:
    """Lower a cascade in the forms that its noise allows; its steps, and the reason in words."""
    forms = choose_section_forms(designed.values, peak + error, names, 0.0 if exponent is None else 0.5)
    proved: list[ProvedStep] = []
    for number, sections in enumerate(forms.parts):
        cascade = quantize_cascade(sections, peak + error, names, 0.5) if number else forms.first
        found = _lower_part(replace(designed, values=sections), cascade, exponent)
        if exponent is None:
            error += _enter(found.exponent)
        proved.append(found)
        exponent = found.exponent
        peak, error = found.propagate(peak, error)
    against = f"{GOAL_DB:.0f} dB below a signal of 1/{1 / TYPICAL_SHARE:.0f} of the peak"
    if not any(forms.are_wide):
        held = "meets" if forms.snr_db >= GOAL_DB else "misses"
        no_help = "" if forms.snr_db >= GOAL_DB else "; 64 bits of state would not help"
        return proved, [f"Q31: predicted noise {forms.snr_db:.0f} dB, which {held} {against}{no_help}."]
    n_wide = len(forms.parts[0])
    return proved, [
        f"64 bits of state in {n_wide} of {len(designed.values)} sections: predicted noise {forms.snr_db:.0f} dB, where Q31 "
        f"alone has {forms.narrow_snr_db:.0f} dB and the goal is {against}."
    ]


def _lower(designed: FloatStep, peak: float, error: float, exponent: int) -> ProvedStep:
    match designed.kind:
        case Kind.MATRIX:
            return _lower_matrix(designed, peak, error, exponent)
        case Kind.FIR:
            return _lower_fir(designed, peak, error, exponent)
        case Kind.MEAN:
            return _lower_mean(designed, peak, error, exponent)
        case Kind.TKEO:
            return _lower_tkeo(designed, peak, error, exponent)
        case Kind.ECG:
            return _lower_ecg(designed, peak, error, exponent)
        case Kind.RECTIFY | Kind.DECIMATE:
            step = Step(designed.kind, designed.n_in, designed.n_out, 0, 0, 0, _NO_WORDS, designed.decimation)
            return ProvedStep(designed, step, exponent, (peak + error) * 2.0**exponent / Q31, 0.0)
        case Kind.SOS | Kind.SOS_WIDE:
            raise AssertionError("a cascade is lowered in parts")


def _delay_ms(step: FloatStep) -> float:
    """Return a step's group delay where its magnitude is at its largest third, as its median."""
    match step.kind:
        case Kind.SOS:
            w, response = signal.freqz_sos(step.values, worN=4096)
        case Kind.FIR:
            w, response = signal.freqz(step.values, worN=4096)
        case Kind.MEAN:
            return (step.count - 1) / 2 / step.rate_hz * 1000
        case Kind.TKEO:
            return 1000 / step.rate_hz
        case Kind.ECG:
            return EcgSettings.from_values(step.values).window / step.rate_hz * 1000
        case _:
            return 0.0
    magnitude = np.abs(response)
    delay = -np.gradient(np.unwrap(np.angle(response)), w)
    return float(np.median(delay[magnitude >= np.quantile(magnitude, 2 / 3)]) / step.rate_hz * 1000)


def quantize_front_end(spec: PatchSpec) -> FrontEnd:
    """Bring a spec's stages to fixed point and prove that nothing in them can overflow.

    Parameters
    ----------
    spec
        A validated spec.

    Returns
    -------
    FrontEnd
        Steps, exponents, proof and bounds.

    Raises
    ------
    ExportError
        If a section is unstable after rounding, rings too long to bound, or no scaling fits.
    SpecError
        If a decimation would fold too much into the band.
    """
    chain = design_chain(spec)
    full_scale = float(spec.sensor.full_scale_counts)
    names = "; ".join(describe_stage(stage) for stage in spec.stage)
    input_shift = 31 - spec.sensor.adc_bits
    proved: list[ProvedStep] = []
    notes = [f"{names}."] if chain else [
        f"No filter. A count is shifted left by {input_shift}, which leaves one guard bit."
    ]  # fmt: skip
    peak, error = full_scale, 0.0
    for number, designed in enumerate(chain):
        exponent = proved[-1].exponent if proved else input_shift
        if designed.kind is Kind.SOS:
            parts, reason = _lower_sections(designed, peak, error, exponent if number else None, names)
            if not number:
                input_shift = parts[0].exponent
                error = _enter(input_shift)
            notes += reason
        else:
            parts = [_lower(designed, peak, error, exponent)]
        for found in parts:
            notes += note_step(found, peak + error, not proved)
            if input_shift < 0 and not proved:
                notes.append(f"The shift drops the lowest {-input_shift} bit(s) of a count.")
            proved.append(found)
            peak, error = found.propagate(peak, error)
    return FrontEnd(
        spec.sensor.channels, spec.front_end_channels, input_shift, proved[-1].exponent if proved else input_shift,
        tuple(proved), sum(_delay_ms(step) for step in chain), tuple(notes),
    )  # fmt: skip
