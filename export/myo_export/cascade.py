"""Cascades of second-order sections in fixed point: Q31 coefficients and scaling that provably cannot overflow.

The device runs the sections as Q31 direct form I (``arm_biquad_cascade_df1_q31``): each output is the sum of five
64-bit products, shifted down once, truncated. Two things can go wrong, and both are excluded here for every possible
input of the given magnitude, by norms:

* a section's output leaves int32. Its largest magnitude is ``peak * ||h_k||_1`` with ``h_k`` the impulse response
  from the input to that output, plus the rounding of the sections before it;
* the 64-bit sum overflows on the way. It is at most ``sum |c_i| * max |node|``.

The input exponent is the largest for which both hold, so that as many bits as possible stay below the count.

A section whose poles lie near DC makes much of its own truncation. In the wide form (``myo_sos_wide``) it keeps 31 more
bits of its past outputs, so that what it feeds back is exact to about 2^-29 of a unit, and rounds only what it gives.
:mod:`myo_export.section_forms` takes it for the sections that need it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from myo_pipeline.errors import ExportError

Q31 = 2.0**31
MAX_SECTIONS = 32  # MYO_SOS_MAX_SECTIONS
PROOF_LIMIT = 1 - 1e-6  # the norms themselves are computed in float64, to about 1e-12
_RESPONSE_POINTS = 1 << 13  # for scaling only; the proof uses norms
_MAX_RESPONSE_SAMPLES = 1 << 21  # impulse responses longer than this are refused rather than guessed
_EXPONENTS = 31  # that are tried


@dataclass(frozen=True)
class Cascade:
    """A cascade in fixed point, with its proof.

    Attributes
    ----------
    sections
        Float64 sections in the device's order and gain distribution, (n_sections, 6).
    coefficients_q31
        ``b0 b1 b2 -a1 -a2`` of each section times ``2^(31 - post_shift)``, int32, (n_sections, 5).
    post_shift
        Left shift that restores the coefficients' size, 0 to 30.
    exponent
        A word stands for ``word * 2^-exponent``, at the input as at the output.
    node_peak
        Largest magnitude that each section's output can reach, as a fraction of 2^31, (n_sections,).
    accumulator_peak
        Largest magnitude of each section's 64-bit sum, as a fraction of 2^63, (n_sections,).
    pole_radius
        Largest pole radius of each section, designed and rounded, (n_sections, 2).
    designed_gain, gain
        L1 norm from input to output, as designed and with the rounded coefficients.
    node_gain
        Largest L1 norm from the input to any node.
    coefficient_gain
        ``||h_rounded - h_designed||_1``: output error for an input of magnitude 1, from coefficient rounding.
    rounding_lsb
        Largest output error from truncation inside the cascade, in units of the last bit.
    noise
        Predicted error of truncation, rms with offset, in the input's unit.
    n_arrangements
        Arrangements of which this one has the least noise.
    is_wide
        Whether its sections keep 64 bits of their past outputs.
    """

    sections: NDArray[np.float64]
    coefficients_q31: NDArray[np.int32]
    post_shift: int
    exponent: int
    node_peak: NDArray[np.float64]
    accumulator_peak: NDArray[np.float64]
    pole_radius: NDArray[np.float64]
    designed_gain: float
    gain: float
    node_gain: float
    coefficient_gain: float
    rounding_lsb: float
    noise: float
    n_arrangements: int
    is_wide: bool = False


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


def impulse_response(sections: NDArray[np.float64]) -> NDArray[np.float64]:
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
    exponent: int
    gains: NDArray[np.float64]
    peaks: NDArray[np.float64]
    accumulators: NDArray[np.float64]
    rounding_lsb: float
    noise: float


@dataclass(frozen=True)
class _Shaped:
    """What the roundings of a cascade come to: at most behind each section, and variance and offset at its end."""

    most: NDArray[np.float64]
    variance: float
    offset: float


def _shape_rounding(rounded: NDArray[np.float64], post_shift: int, length: int, is_wide: bool) -> _Shaped:
    """Follow each section's roundings through its own poles and all later sections."""
    most, variance, offset = np.zeros(len(rounded)), 0.0, 0.0
    # Truncation is in (-1, 0] units at each section's output, of mean -1/2 and variance 1/12. In the wide form it is two
    # products of fractions, each cut to two units of the sum.
    unit = 2.0 ** (post_shift - 31) if is_wide else 1.0
    cut, square = (4 * unit, 2 * unit**2 / 3) if is_wide else (unit, unit**2 / 12)
    for j in range(len(rounded)):
        feedback = np.concatenate([[1.0, 0.0, 0.0], rounded[j, 3:]])
        for k, response in enumerate(_through(rounded[j + 1 :], feedback, length), j):
            most[k] += cut * np.abs(response).sum()
        variance += square * float((response**2).sum())
        offset += cut / 2 * float(response.sum())
        if is_wide:  # what it gives is rounded to a word, which its own poles do not see
            identity = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
            for k, response in enumerate(_through(rounded[j + 1 :], identity, length), j):
                most[k] += 0.5 * np.abs(response).sum()
            variance += float((response**2).sum()) / 12
    return _Shaped(most, variance, offset)


def _fit(
    order: NDArray[np.float64], peak: float, loss_lsb: float = 0.0, is_wide: bool = False
) -> _Fit | None:
    """Round an arrangement and find the largest exponent that is safe; None if there is none.

    The input is at most ``peak``, and another ``loss_lsb`` units of the last bit from the rounding before it.
    """
    sections = _distribute_gain(order)
    coefficients, post_shift = quantize_coefficients(sections)
    rounded = dequantize_coefficients(coefficients, post_shift)
    length = _settled(rounded)
    gains = np.array([np.abs(r).sum() for r in _through(rounded[1:], rounded[0], length)])
    shaped = _shape_rounding(rounded, post_shift, length, is_wide)
    sums = np.abs(coefficients.astype(np.float64)).sum(axis=1) / Q31
    highest = 30 - int(np.ceil(np.log2(peak)))  # one guard bit
    for exponent in range(highest, highest - _EXPONENTS, -1):
        scaled = peak * 2.0**exponent + loss_lsb
        peaks = (scaled * gains + shaped.most + is_wide) / Q31  # a floor is below its number
        inputs = np.concatenate([[scaled / Q31], peaks[:-1]])
        # The sum holds products of two Q31 numbers, 2.62: its range is +-2 in units of 1.0 times 1.0.
        accumulators = sums * np.maximum(peaks, inputs) / 2
        if max(peaks.max(), accumulators.max()) < PROOF_LIMIT:
            noise = float(np.sqrt(shaped.variance + shaped.offset**2)) * 2.0**-exponent
            return _Fit(
                sections,
                coefficients,
                post_shift,
                exponent,
                gains,
                peaks,
                accumulators,
                float(shaped.most[-1]),
                noise,
            )
    return None


def quantize_cascade(
    designed: NDArray[np.float64], peak: float, names: str, loss_lsb: float = 0.0, is_wide: bool = False
) -> Cascade:
    """Bring a cascade to 32-bit words and coefficients and prove that it cannot overflow.

    Parameters
    ----------
    designed
        Sections, (n_sections, 6), SciPy's order and sign.
    peak
        Largest magnitude of the input.
    names
        What it is, for messages.
    loss_lsb
        Units of the last bit that rounding before it may add to the peak.
    is_wide
        Whether its sections keep 64 bits of their past outputs.

    Raises
    ------
    ExportError
        If a section is unstable after rounding, rings too long to bound, or no exponent fits.

    References
    ----------
    L. B. Jackson, "On the interaction of roundoff noise and dynamic range in digital filters", Bell Syst. Tech. J. 49,
    1970 (L1 scaling against overflow).
    """
    if len(designed) > MAX_SECTIONS:
        raise ExportError(
            f"front end ({names}): {len(designed)} second-order sections, at most {MAX_SECTIONS} run on the device: "
            "lower an order or the number of notches"
        )
    fits = [fit for order in _arrange(designed) if (fit := _fit(order, peak, loss_lsb, is_wide))]
    if not fits:
        raise ExportError(
            f"front end ({names}): no scaling keeps its nodes inside 32 bits: split or soften the filters"
        )
    best = min(fits, key=lambda fit: fit.noise)
    rounded = dequantize_coefficients(best.coefficients, best.post_shift)
    h_designed, h_rounded = impulse_response(designed), impulse_response(rounded)
    length = max(len(h_designed), len(h_rounded))
    difference = np.pad(h_rounded, (0, length - len(h_rounded))) - np.pad(
        h_designed, (0, length - len(h_designed))
    )
    return Cascade(
        best.sections, best.coefficients, best.post_shift, best.exponent, best.peaks, best.accumulators,
        np.column_stack([_pole_radii(best.sections), _pole_radii(rounded)]),
        float(np.abs(h_designed).sum()), float(np.abs(h_rounded).sum()), float(best.gains.max()),
        float(np.abs(difference).sum()), best.rounding_lsb, best.noise, len(fits), is_wide,
    )  # fmt: skip
