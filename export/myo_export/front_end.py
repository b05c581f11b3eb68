"""Fixed-point filters: Q31 coefficients and scaling that provably cannot overflow, with derived error bounds.

The device runs the sections as Q31 direct form I (``arm_biquad_cascade_df1_q31``): each output is the sum of five
64-bit products, shifted down once, truncated. Two things can go wrong, and both are excluded here for every possible
full-scale input, by norms:

* a section's output leaves int32. Its largest magnitude is ``full_scale * ||h_k||_1`` with ``h_k`` the impulse response
  from the input to that output, plus the rounding of the sections before it;
* the 64-bit sum overflows on the way. It is at most ``sum |c_i| * max |node|``.

The input shift is the largest for which both hold, so that as many bits as possible stay below the count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from myo_pipeline.errors import ExportError
from myo_pipeline.filters import describe_stage, design_front_end
from myo_pipeline.spec import PatchSpec

Q31 = 2.0**31
MAX_SECTIONS = 32  # MYO_SOS_MAX_SECTIONS
_RESPONSE_POINTS = 1 << 13  # for scaling only; the proof uses norms
_PROOF_LIMIT = 1 - 1e-6  # the norms themselves are computed in float64, to about 1e-12
_MAX_RESPONSE_SAMPLES = 1 << 21  # impulse responses longer than this are refused rather than guessed


@dataclass(frozen=True)
class FrontEnd:
    """A front end in fixed point, with its proof.

    Attributes
    ----------
    sections
        Float64 sections in the device's order and gain distribution, (n_sections, 6).
    coefficients_q31
        ``b0 b1 b2 -a1 -a2`` of each section times ``2^(31 - post_shift)``, int32, (n_sections, 5).
    post_shift
        Left shift that restores the coefficients' size, 0 to 30.
    input_shift
        A count becomes ``count * 2^input_shift`` in Q31.
    node_peak
        Largest magnitude that each section's output can reach, as a fraction of 2^31, (n_sections,).
    accumulator_peak
        Largest magnitude of each section's 64-bit sum, as a fraction of 2^63, (n_sections,).
    pole_radius
        Largest pole radius of each section, designed and rounded, (n_sections, 2).
    coefficient_gain
        ``||h_rounded - h_designed||_1``: output error a count of input magnitude, from coefficient rounding.
    rounding_lsb
        Largest output error from truncation inside the cascade, in units of 2^-31.
    group_delay_ms
        Group delay at the middle of the pass band.
    notes
        What was chosen and why, in sentences.
    """

    sections: NDArray[np.float64]
    coefficients_q31: NDArray[np.int32]
    post_shift: int
    input_shift: int
    node_peak: NDArray[np.float64]
    accumulator_peak: NDArray[np.float64]
    pole_radius: NDArray[np.float64]
    coefficient_gain: float
    rounding_lsb: float
    group_delay_ms: float
    notes: tuple[str, ...]

    def error_bound_counts(self, peak_counts: float) -> float:
        """Return the largest ``|twin - float|`` at the filter's output, in counts, for ``|input| <= peak_counts``."""
        input_rounding = 0.0 if self.input_shift >= 0 else 1.0 * self._float_gain()
        return (
            self.coefficient_gain * peak_counts + self.rounding_lsb * 2.0**-self.input_shift + input_rounding
        )

    def _float_gain(self) -> float:
        return _l1(self.sections) if len(self.sections) else 1.0


def quantize_coefficients(sections: NDArray[np.float64]) -> tuple[NDArray[np.int32], int]:
    """Round sections to Q31.

    Parameters
    ----------
    sections
        Float64 sections, (n_sections, 6), SciPy's order and sign.

    Returns
    -------
    tuple of NDArray[np.int32] and int
        ``b0 b1 b2 -a1 -a2``, (n_sections, 5), and the post shift.

    Raises
    ------
    ExportError
        If a section is not stable after rounding.
    """
    values = np.column_stack([sections[:, :3], -sections[:, 4:]])
    post_shift = 0
    while np.any(np.round(values * Q31 / 2**post_shift) > Q31 - 1) or np.any(
        np.round(values * Q31 / 2**post_shift) < -Q31
    ):
        post_shift += 1
    coefficients = np.round(values * Q31 / 2**post_shift).astype(np.int64)
    rounded = dequantize_coefficients(coefficients, post_shift)
    for number, radius in enumerate(_pole_radii(rounded)):
        if radius >= 1.0:
            raise ExportError(
                f"filter section {number}: pole radius {radius:.12f} after rounding to Q31, expected below 1: "
                "raise the cutoff, lower the order or the notch's q"
            )
    return coefficients.astype(np.int32), post_shift


def dequantize_coefficients(coefficients: NDArray[np.integer], post_shift: int) -> NDArray[np.float64]:
    """Return the sections that the device really runs, in SciPy's order and sign, (n_sections, 6)."""
    values = coefficients.astype(np.float64) * 2.0**post_shift / Q31
    ones = np.ones((len(values), 1))
    return np.concatenate([values[:, :3], ones, -values[:, 3:]], axis=1)


def _pole_radii(sections: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([np.abs(np.roots(section[3:])).max(initial=0.0) for section in sections])


def _settled(sections: NDArray[np.float64], what: str = "filter") -> int:
    """Return a length after which an impulse response of the cascade, or of any part of it, is below 1e-12 of its sum."""
    radius = float(_pole_radii(sections).max(initial=0.0))
    if radius >= 1:
        raise ExportError(f"{what}: pole radius {radius:.9f}, expected below 1: the design is not stable")
    # A section's envelope decays as n * r^n at worst; a cascade of k close pole pairs as n^(2k-1) * r^n.
    order = 2 * len(sections)
    length = 64
    while radius > 0 and (order - 1) * np.log(length) + length * np.log(radius) > np.log(1e-15):
        length *= 2
        if length > _MAX_RESPONSE_SAMPLES:
            raise ExportError(
                f"{what}: rings for more than {_MAX_RESPONSE_SAMPLES} samples (pole radius {radius:.9f}): "
                "raise the cutoff or lower the notch's q"
            )
    return length


def _impulse(sections: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an impulse response, long enough that what follows is below 1e-12 of its sum."""
    impulse = np.zeros(_settled(sections))
    impulse[0] = 1.0
    response: NDArray[np.float64] = signal.sosfilt(sections, impulse)
    return response


def _through(
    sections: NDArray[np.float64], first: NDArray[np.float64], length: int
) -> Iterator[NDArray[np.float64]]:
    """Yield the impulse response after ``first`` and after each of ``sections`` that follow it."""
    response = np.zeros(length)
    response[0] = 1.0
    response = signal.sosfilt(first[None], response)
    yield response
    for section in sections:
        response = signal.sosfilt(section[None], response)
        yield response


def _l1(sections: NDArray[np.float64]) -> float:
    return float(np.abs(_impulse(sections)).sum())


def _distribute_gain(sections: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread the overall gain so that no node's magnitude response exceeds 1 more than the whole filter's does.

    SciPy puts all gain into the first section, whose numerator then has few significant bits left in Q31.
    """
    out = sections.copy()
    total = 1.0
    for k in range(len(out)):
        numerator_peak = np.abs(out[k, :3]).max()
        total *= numerator_peak
        out[k, :3] /= numerator_peak
    for k in range(len(out)):
        _, response = signal.freqz_sos(out[: k + 1], worN=_RESPONSE_POINTS)
        peak = float(np.abs(response).max())
        out[k, :3] /= peak
        total *= peak
    out[-1, :3] *= total
    return out


def _arrange(sections: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return arrangements of the same filter: sections in several orders, zeros as designed and spread.

    A section near DC turns its own truncation, whose mean is half a unit, into a large constant. A later section with a
    zero at DC takes it away again; so a band-pass, whose zeros SciPy gathers in pairs, also comes with one zero at DC and
    one at Nyquist in each section.
    """
    variants = [sections]
    numerators = sections[:, :3] / sections[:, :1]
    at_dc = np.flatnonzero(np.abs(numerators - [1, -2, 1]).max(axis=1) < 1e-9)
    at_nyquist = np.flatnonzero(np.abs(numerators - [1, 2, 1]).max(axis=1) < 1e-9)
    if (n := min(len(at_dc), len(at_nyquist))) > 0:
        spread = sections.copy()
        rows = np.concatenate([at_dc[:n], at_nyquist[:n]])
        spread[rows, :3] = sections[rows, :1] * [1.0, 0.0, -1.0]
        variants.append(spread)
    by_frequency = np.argsort(
        [np.abs(np.angle(np.roots(section[3:])[0])) for section in sections], kind="stable"
    )
    every = np.arange(len(sections))
    orders = {tuple(order) for order in (every, every[::-1], by_frequency, by_frequency[::-1])}
    return [np.ascontiguousarray(variant[list(order)]) for variant in variants for order in sorted(orders)]


@dataclass(frozen=True)
class _Fit:
    """One arrangement in Q31, scaled so that nothing overflows."""

    sections: NDArray[np.float64]
    coefficients: NDArray[np.int32]
    post_shift: int
    input_shift: int
    gains: NDArray[np.float64]
    peaks: NDArray[np.float64]
    accumulators: NDArray[np.float64]
    rounding_lsb: float
    noise_counts: float


def _fit(order: NDArray[np.float64], full_scale: int, adc_bits: int) -> _Fit | None:
    """Round an arrangement and find the largest input shift that is safe; None if there is none."""
    sections = _distribute_gain(order)
    coefficients, post_shift = quantize_coefficients(sections)
    rounded = dequantize_coefficients(coefficients, post_shift)
    length = _settled(rounded)
    gains = np.array([np.abs(r).sum() for r in _through(rounded[1:], rounded[0], length)])
    # Truncation adds an error in (-1, 0] units at each section's output, of mean -1/2 and variance 1/12, which its own
    # poles and all later sections shape.
    shaped, variance, offset = np.zeros(len(rounded)), 0.0, 0.0
    for j in range(len(rounded)):
        feedback = np.concatenate([[1.0, 0.0, 0.0], rounded[j, 3:]])
        for k, response in enumerate(_through(rounded[j + 1 :], feedback, length), j):
            shaped[k] += np.abs(response).sum()
        variance += float((response**2).sum()) / 12
        offset += float(response.sum()) / 2
    sums = np.abs(coefficients.astype(np.float64)).sum(axis=1) / Q31
    for input_shift in range(31 - adc_bits, -adc_bits, -1):
        scaled = full_scale * 2.0**input_shift
        peaks = (scaled * gains + shaped) / Q31
        inputs = np.concatenate([[scaled / Q31], peaks[:-1]])
        # The sum holds products of two Q31 numbers, 2.62: its range is +-2 in units of 1.0 times 1.0.
        accumulators = sums * np.maximum(peaks, inputs) / 2
        if max(peaks.max(), accumulators.max()) < _PROOF_LIMIT:
            noise_counts = float(np.sqrt(variance + offset**2)) * 2.0**-input_shift
            return _Fit(
                sections,
                coefficients,
                post_shift,
                input_shift,
                gains,
                peaks,
                accumulators,
                float(shaped[-1]),
                noise_counts,
            )
    return None


def _group_delay_ms(sections: NDArray[np.float64], rate_hz: float) -> float:
    """Return the group delay where the magnitude is at its largest third, as its median."""
    w, response = signal.freqz_sos(sections, worN=4096)
    magnitude = np.abs(response)
    delay = -np.gradient(np.unwrap(np.angle(response)), w)
    return float(np.median(delay[magnitude >= np.quantile(magnitude, 2 / 3)]) / rate_hz * 1000)


def quantize_front_end(spec: PatchSpec) -> FrontEnd:
    """Bring a spec's filters to Q31 and prove that they cannot overflow.

    Parameters
    ----------
    spec
        A validated spec.

    Returns
    -------
    FrontEnd
        Coefficients, shifts, proof and bounds.

    Raises
    ------
    ExportError
        If a section is unstable after rounding, rings too long to bound, or no input shift fits.

    References
    ----------
    L. B. Jackson, "On the interaction of roundoff noise and dynamic range in digital filters", Bell Syst. Tech. J. 49,
    1970 (L1 scaling against overflow).
    """
    designed = design_front_end(spec)
    full_scale = spec.sensor.full_scale_counts
    names = "; ".join(describe_stage(stage) for stage in spec.stage)
    if not len(designed):
        shift = 31 - spec.sensor.adc_bits
        return FrontEnd(
            designed, np.empty((0, 5), np.int32), 0, shift, np.empty(0), np.empty(0), np.empty((0, 2)), 0.0, 0.0, 0.0,
            (f"No filter. A count is shifted left by {shift}, which leaves one guard bit.",),
        )  # fmt: skip
    if len(designed) > MAX_SECTIONS:
        raise ExportError(
            f"front end ({names}): {len(designed)} second-order sections, at most {MAX_SECTIONS} run on the device: "
            "lower an order or the number of notches"
        )
    fits = [fit for order in _arrange(designed) if (fit := _fit(order, full_scale, spec.sensor.adc_bits))]
    if not fits:
        raise ExportError(
            f"front end ({names}): no scaling keeps its nodes inside 32 bits: split or soften the filters"
        )
    best = min(fits, key=lambda fit: fit.noise_counts)
    coefficients, post_shift, input_shift = best.coefficients, best.post_shift, best.input_shift
    rounded = dequantize_coefficients(coefficients, post_shift)
    lost = max(0, -input_shift)
    h_designed, h_rounded = _impulse(designed), _impulse(rounded)
    length = max(len(h_designed), len(h_rounded))
    difference = np.pad(h_rounded, (0, length - len(h_rounded))) - np.pad(
        h_designed, (0, length - len(h_designed))
    )
    notes = (
        f"{len(rounded)} second-order sections in Q31 direct form I: {names}.",
        f"Coefficients reach {np.abs(np.column_stack([rounded[:, :3], rounded[:, 4:]])).max():.3f}: "
        f"stored divided by 2^{post_shift}.",
        f"Largest gain from input to any node, by the L1 norm: {best.gains.max():.3f}.",
        f"A count is shifted {'left' if input_shift >= 0 else 'right'} by {abs(input_shift)}: full scale {full_scale} "
        f"then reaches at most {best.peaks.max():.3f} of 2^31 at any node and {best.accumulators.max():.3f} of 2^63 in any sum, "
        "whatever the input; nothing can overflow.",
        f"Of {len(fits)} arrangements of sections and zeros this one has the least truncation noise, predicted "
        f"{best.noise_counts:.2g} counts (rms with offset).",
        *((f"The shift drops the lowest {lost} bit(s) of a count.",) if lost else ()),
    )
    return FrontEnd(
        best.sections, coefficients, post_shift, input_shift, best.peaks, best.accumulators,
        np.column_stack([_pole_radii(best.sections), _pole_radii(rounded)]),
        float(np.abs(difference).sum()), best.rounding_lsb, _group_delay_ms(designed, spec.sensor.rate_hz), notes,
    )  # fmt: skip


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Return ``multiplier`` in [2^30, 2^31) and ``shift`` with ``real = multiplier * 2^-shift`` to 31 bits.

    Raises
    ------
    ExportError
        If ``real`` is not in the range that the device's 64-bit product takes.
    """
    if not np.isfinite(real) or real <= 0:
        raise ExportError(
            f"network input scale: multiplier {real!r}, expected a positive number: train the model again"
        )
    mantissa, exponent = np.frexp(real)
    multiplier, shift = round(float(mantissa) * 2**31), 31 - int(exponent)
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift - 1
    if not 1 <= shift <= 62:
        raise ExportError(
            f"network input scale: a count would move the int8 input by {real:.3g}, outside 2^-31 to 2^30: "
            "check input_scale in training.json and sensor.adc_bits"
        )
    return multiplier, shift
