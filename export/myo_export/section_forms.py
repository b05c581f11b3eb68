"""Which sections of a cascade are held in Q31, and which keep 64 bits of state: by predicted noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from myo_export.cascade import Cascade, impulse_response, quantize_cascade

GOAL_DB = 100.0  # of the predicted noise below a typical signal, as the standard front end has it
TYPICAL_SHARE = 1 / 16  # rms of a typical signal, of the peak: EMG that leaves room for its bursts
_WORTH_DB = 3.0  # less than this is no reason for a wide form that misses the goal as well
_RESPONSE_POINTS = 1 << 13  # between 0 and Nyquist, for largest gains


@dataclass(frozen=True)
class SectionForms:
    """How the sections of a cascade are held: those that need 64 bits of state first, the others behind them.

    Attributes
    ----------
    parts
        The sections of each part, as designed; their gains are spread over the parts.
    are_wide
        Whether a part is wide.
    first
        The first part in fixed point.
    snr_db, narrow_snr_db
        Predicted: of these forms, and of Q31 alone, for a signal of :data:`TYPICAL_SHARE` of the peak.
    """

    parts: tuple[NDArray[np.float64], ...]
    are_wide: tuple[bool, ...]
    first: Cascade
    snr_db: float
    narrow_snr_db: float


def _largest_gain(sections: NDArray[np.float64]) -> float:
    return float(np.abs(signal.freqz_sos(sections, worN=_RESPONSE_POINTS)[1]).max()) if len(sections) else 1.0


def _split(designed: NDArray[np.float64], wide: NDArray[np.intp]) -> tuple[NDArray[np.float64], ...]:
    """Return the sections that are to be wide, with a largest gain of 1, and the others, with the rest of the gain."""
    first, rest = designed[wide].copy(), np.delete(designed, wide, axis=0)
    if not len(rest):
        return (first,)
    gain = _largest_gain(first)
    first[0, :3] /= gain
    rest[0, :3] *= gain
    return first, rest


def choose_section_forms(
    designed: NDArray[np.float64], peak: float, names: str, loss_lsb: float = 0.0
) -> SectionForms:
    """Choose for each section of a cascade whether 32 bits of state will do.

    Q31 where its predicted noise stays :data:`GOAL_DB` below a typical signal. Otherwise the sections that make most of their
    own truncation are wide, as few as reach the goal, or all if none do.

    Parameters
    ----------
    designed, peak, names, loss_lsb
        As of :func:`quantize_cascade`.

    Raises
    ------
    ExportError
        As :func:`quantize_cascade`.
    """

    def measure(noise: float) -> float:
        return float(20 * np.log10(TYPICAL_SHARE * peak * _largest_gain(designed) / noise))

    in_q31 = quantize_cascade(designed, peak, names, loss_lsb)
    narrow = measure(in_q31.noise)
    all_q31 = SectionForms((designed,), (False,), in_q31, narrow, narrow)
    if narrow >= GOAL_DB:
        return all_q31
    feedback = np.column_stack([np.tile([1.0, 0.0, 0.0], (len(designed), 1)), designed[:, 3:]])
    own = np.array([np.abs(impulse_response(section[None])).sum() for section in feedback])
    best: SectionForms | None = None
    for count in range(1, len(designed) + 1):
        parts = _split(designed, np.sort(np.argsort(-own, kind="stable")[:count]))
        first = quantize_cascade(parts[0], peak, names, loss_lsb, is_wide=True)
        noise = first.noise
        if len(parts) > 1:
            rest = quantize_cascade(parts[1], peak * first.gain, names, 0.5)
            noise = float(np.hypot(noise * _largest_gain(parts[1]), rest.noise))
        found = SectionForms(parts, (True, False)[: len(parts)], first, measure(noise), narrow)
        if best is None or found.snr_db > best.snr_db:
            best = found
        if found.snr_db >= GOAL_DB:
            return found
    if best is None or best.snr_db < narrow + _WORTH_DB:
        return all_q31
    return best
