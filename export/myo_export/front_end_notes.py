"""The front end's steps in words: what each does, and what was chosen for it and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from myo_export.cascade import Cascade
from myo_pipeline.steps import Kind

if TYPE_CHECKING:
    from myo_export.front_end import ProvedStep


def _note_cascade(cascade: Cascade, peak: float, is_first: bool) -> list[str]:
    coefficients = cascade.coefficients_q31 * 2.0 ** (cascade.post_shift - 31)
    shift = cascade.exponent
    scaled = (
        f"A count is shifted {'left' if shift >= 0 else 'right'} by {abs(shift)}: full scale {peak:.0f}"
        if is_first
        else f"A word is 2^{-shift}: what comes in, at most {peak:.6g},"
    )
    return [
        f"Coefficients reach {np.abs(coefficients).max():.3f}: stored divided by 2^{cascade.post_shift}.",
        f"Largest gain from input to any node, by the L1 norm: {cascade.node_gain:.3f}.",
        f"{scaled} then reaches at most {cascade.node_peak.max():.3f} of 2^31 at any node and "
        f"{cascade.accumulator_peak.max():.3f} of 2^63 in any sum, whatever the input; nothing can overflow.",
        f"Of {cascade.n_arrangements} arrangements of sections and zeros this one has the least truncation noise, "
        f"predicted {cascade.noise:.2g} (rms with offset).",
    ]


_WORDS = {
    Kind.MATRIX: "{s.n_in} channels to {s.n_out} by {s.count} weights of 16 bits",
    Kind.RECTIFY: "magnitudes",
    Kind.MEAN: "mean of {s.count} samples, from an exact sum",
    Kind.DECIMATE: "the last of every {s.decimation} frames",
    Kind.FIR: "{s.count} taps of 32 bits, summed in 64",
    Kind.TKEO: "Teager-Kaiser energy, squared counts from here",
    Kind.ECG: "the heart removed: each channel's mean beat of {s.count} samples, found in channel {s.words[0]}",
}


def describe_step(proved: ProvedStep) -> str:
    """Return a step in words."""
    if proved.cascade:
        n = len(proved.cascade.sections)
        return f"{n} second-order section{'s' * (n != 1)} in Q31 direct form I{', 64 bits of state' * proved.cascade.is_wide}"
    kept = (
        f", for the last of every {proved.step.decimation} frames alone"
        if proved.step.kind is Kind.FIR and proved.step.decimation > 1
        else ""
    )
    return _WORDS[proved.step.kind].format(s=proved.step) + kept


def note_step(proved: ProvedStep, peak: float, is_first: bool) -> list[str]:
    """Return what was chosen for a step and why, in sentences; ``peak`` is the largest magnitude that comes in."""
    if proved.cascade:
        return [f"{describe_step(proved)}.", *_note_cascade(proved.cascade, peak, is_first)]
    step = proved.step
    shift = f" Words are shifted by {step.align} before it." if step.align else ""
    return [
        f"{describe_step(proved)[:1].upper()}{describe_step(proved)[1:]}: at most {proved.peak:.3f} of 2^31, a word is "
        f"2^{-proved.exponent}.{shift}"
    ]
