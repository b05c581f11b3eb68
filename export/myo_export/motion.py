"""Motion removal in fixed point: its reference's high-pass proved, its words bounded."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myo_export.aux_streams import ProvedAux
from myo_export.front_end import FrontEnd, quantize_stages
from myo_pipeline.errors import ExportError
from myo_pipeline.motion_reference import find_limit, find_quiet_power, high_pass_of
from myo_pipeline.motion_spec import MotionPlan, plan_motion
from myo_pipeline.motion_twin import COUNT_BITS, ESTIMATE_SHIFT, REFERENCE_SHIFT, MotionConfig
from myo_pipeline.spec import PatchSpec

_LARGEST_QUIET = 1 << 56  # of 256 squares of sums of two 24-bit words


@dataclass(frozen=True)
class ProvedMotion:
    """A removal in fixed point, with its proof.

    Attributes
    ----------
    plan
        As the spec has it.
    name
        Of the auxiliary stream.
    front_end
        The reference's high-pass, of "counts" that are the upper 24 bits of a word.
    config
        The integers of device and twin.
    exponent
        Of the EMG's words.
    reference_error
        Largest ``|twin - float|`` of a high-passed reference sample, in its words.
    delay_ms
        That the EMG waits.
    """

    plan: MotionPlan
    name: str
    front_end: FrontEnd
    config: MotionConfig
    exponent: int
    reference_error: float
    delay_ms: float

    def bound_error(self, emg_error: float, weights: NDArray[np.int64]) -> float:
        """Return the largest ``|twin - float|`` of an EMG channel behind the removal, given the same weights.

        Parameters
        ----------
        emg_error
            Before it, in counts.
        weights
            That the twin had, (n_estimates, n_weights, n_emg).

        Notes
        -----
        An estimate is a sum of references by weights, each reference off by ``reference_error``, rounded once; its slope is cut
        by less than a word a frame, and its limit is ``every`` words below the float form's. Limits move nothing apart, but
        for what the two limits differ by.
        """
        largest = float(np.abs(weights).sum(axis=1).max(initial=0))
        words = largest * 2.0**-ESTIMATE_SHIFT * self.reference_error + 0.5 + 2 * self.config.every + 1
        return emg_error + words * 2.0**-self.exponent

    @property
    def note(self) -> str:
        """What was chosen and why."""
        plan, config = self.plan, self.config
        return (
            f"Motion removed by {self.name!r}: {plan.taps} samples of its {plan.n_reference} channels behind a high-pass of "
            f"{plan.cutoff_hz:g} Hz make an estimate every {plan.every} frames, {plan.rate_hz:g} a second, for which the EMG "
            f"waits {plan.delay} frames, {self.delay_ms:.4g} ms. References have 24 bits, weights 31 and stop there, so a sum of "
            f"{plan.n_weights} stays below 2^61; an estimate, and what is left, stop at {config.limit} of 2^31, the largest "
            "word that the stages can give; nothing can overflow, whatever both sensors measure."
        )


def quantize_motion(spec: PatchSpec, front_end: FrontEnd, aux: tuple[ProvedAux, ...]) -> ProvedMotion | None:
    """Bring a spec's removal of motion to fixed point; None where there is none.

    Parameters
    ----------
    spec
        A validated spec.
    front_end, aux
        EMG's and auxiliary streams' in fixed point.

    Raises
    ------
    ExportError
        If the high-pass cannot be brought to fixed point, or the EMG's words are too small for an estimate's.
    """
    if spec.motion is None:
        return None
    plan = plan_motion(spec, spec.motion)
    chain = quantize_stages(
        [high_pass_of(plan)], plan.n_reference, plan.rate_hz, COUNT_BITS, "motion.cutoff_hz"
    )
    drop = 32 - COUNT_BITS
    limit = min((1 << 31) - 1, math.floor(find_limit(spec) * 2.0**front_end.exponent))
    if limit <= plan.every or chain.input_shift < 0:
        raise ExportError(
            f"motion: words of {limit} behind the stages, expected above {plan.every}: remove [motion], or a stage before it"
        )
    exponent = front_end.exponent - drop + chain.exponent - REFERENCE_SHIFT
    quiet = min(_LARGEST_QUIET, max(1, round(find_quiet_power(spec, plan) * 4.0**exponent)))
    config = MotionConfig(
        plan.stream, plan.n_emg, plan.first, plan.n_reference, plan.every, plan.delay, plan.taps, plan.slowness, limit,
        quiet, chain.input_shift, chain.device_steps,
    )  # fmt: skip
    # What the stream is off by, and the bits that are dropped, through the high-pass; then what it makes of its own, and half.
    into = aux[plan.stream].error_bound * 2.0 ** (front_end.exponent - drop) + 1.0
    gain = math.prod(proved.gain for proved in chain.steps)
    own = chain.error_bound_counts(float(1 << (COUNT_BITS - 1)))
    error = (gain * into + own) * 2.0 ** (chain.exponent - REFERENCE_SHIFT) + 0.5
    return ProvedMotion(
        plan, spec.motion.reference, chain, config, front_end.exponent, error, 1000 * plan.delay / spec.front_end_rate_hz
    )  # fmt: skip


def describe_motion(motion: ProvedMotion) -> dict[str, object]:
    """Return what ``budget.json`` says of a removal."""
    plan = motion.plan
    return {
        "reference": motion.name,
        "channels": plan.n_reference,
        "taps": plan.taps,
        "every_frames": plan.every,
        "delay_ms": motion.delay_ms,
        "cutoff_hz": plan.cutoff_hz,
        "reference_error_words": motion.reference_error,
        "state_bytes": 4 * motion.config.memory_words,
        "notes": [*motion.front_end.notes, motion.note],
    }
