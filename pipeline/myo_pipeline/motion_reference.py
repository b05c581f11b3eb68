"""The float reference of motion removal: an adaptive filter in float64, with its own weights or with given ones.

References
----------
Widrow et al., "Adaptive noise cancelling: principles and applications", Proc. IEEE 63, 1975, 10.1109/PROC.1975.10036.
Haykin, "Adaptive Filter Theory", 4th ed., 2002, sections 6 (normalised steps) and 7 (steps by blocks).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from myo_pipeline.aux_reference import choose_gain_bits, design_aux
from myo_pipeline.aux_sensor import AuxTiming
from myo_pipeline.aux_stream import Alignment
from myo_pipeline.chain import bound_peak, design_chain
from myo_pipeline.filters import design_stage
from myo_pipeline.motion_spec import REFERENCE_ORDER, MotionPlan, plan_motion
from myo_pipeline.spec import PatchSpec
from myo_pipeline.stages import HighPass

LEAK_BITS: Final = 14  # a step takes 2^-14 of each weight
POWER_BITS: Final = 10  # the reference's largest power of late falls by 2^-10 a step
QUIET: Final = 2.0**-10  # of the stream's range: motion of less than this counts as this much


def high_pass_of(plan: MotionPlan) -> HighPass:
    """Return the reference's high-pass."""
    return HighPass(kind="highpass", cutoff_hz=plan.cutoff_hz, order=REFERENCE_ORDER)


def find_limit(spec: PatchSpec) -> float:
    """Return the largest magnitude behind the stages, in counts: no estimate, and nothing that is left, is larger."""
    return bound_peak(design_chain(spec), float(spec.sensor.full_scale_counts))


def find_quiet_power(spec: PatchSpec, plan: MotionPlan) -> float:
    """Return the least power of the sums of two neighbouring reference samples that a step is divided by."""
    full = float(spec.aux[plan.stream].full_scale_counts)
    peak = bound_peak(design_aux(spec, plan.stream), full) * 2.0 ** choose_gain_bits(spec, plan.stream)
    return plan.n_weights * (2 * peak * QUIET) ** 2


def mark_frames(timing: AuxTiming, stamps: NDArray[np.int64], n_frames: int) -> NDArray[np.bool_]:
    """Return the frames of the window that a held or left out sample touches, (n_frames,), as ``AuxTwin`` marks them."""
    marks = np.zeros(n_frames, bool)
    if len(stamps) > timing.count_samples(n_frames * timing.frame) - 1 and np.array_equal(
        stamps, timing.stamp_samples(len(stamps))
    ):
        return marks
    alignment = Alignment(timing)
    alignment.feed(stamps)
    since, seen, is_marked = 0, 0, False
    for frame in range(n_frames):
        for _, is_fault in alignment.advance()[0]:
            is_marked |= is_fault
            since = (since + 1) % timing.factor
            if since == 0:
                seen, is_marked = (seen << 1 & 2) | is_marked, False
        marks[frame] = is_marked or seen != 0
    return marks


@dataclass(frozen=True)
class Weights:
    """Weights that another form of the filter had.

    Attributes
    ----------
    values
        Of each estimate, in counts for a count of the high-passed reference, (n_estimates, n_weights, n_emg).
    """

    values: NDArray[np.float64]


def remove_motion(
    spec: PatchSpec,
    x: NDArray[np.float64],
    marks: NDArray[np.bool_],
    weights: Weights | None = None,
) -> NDArray[np.float64]:
    """Subtract what the reference tells of each EMG channel.

    Parameters
    ----------
    spec
        A spec with ``[motion]``.
    x
        EMG and auxiliary streams on the window's frames, in the EMG's counts, (n_frames, front_end_channels).
    marks
        Frames at which the reference is not to be trusted, (n_frames,).
    weights
        To filter with these, in place of learning.

    Returns
    -------
    NDArray[np.float64]
        The same shape; EMG channels late by ``plan.delay`` frames, the streams as they were.
    """
    if spec.motion is None:
        return x
    plan = plan_motion(spec, spec.motion)
    every, n = plan.every, len(x)
    n_estimates = n // every
    reference = x[every - 1 :: every, plan.first : plan.first + plan.n_reference]
    r = (
        signal.sosfilt(design_stage(high_pass_of(plan), plan.rate_hz), reference, axis=0)
        if len(reference)
        else reference
    )
    limit, quiet = find_limit(spec), find_quiet_power(spec, plan)
    late = np.concatenate([np.zeros((plan.delay, plan.n_emg)), x[:, : plan.n_emg]])[:n]
    untrusted = np.asarray(np.pad(marks, (0, -n % every)).reshape(-1, every).any(axis=1))
    share = (np.arange(1, every + 1) / every)[:, None]
    w = np.zeros((plan.n_weights, plan.n_emg))
    past = np.zeros((plan.taps + 2, plan.n_reference))  # newest first
    older, newer = np.zeros(plan.n_emg), np.zeros(plan.n_emg)
    power, frozen = quiet, 0
    y = x.copy()
    for block in range(-(-n // every)):
        span = slice(block * every, min(n, (block + 1) * every))
        estimate = older + (newer - older) * share[: span.stop - span.start]
        left = np.clip(late[span] - estimate, -limit, limit)
        y[span, : plan.n_emg] = left
        if block == n_estimates:
            break
        past[1:] = past[:-1]
        past[0] = r[block]
        frozen = plan.taps + 2 if untrusted[block] else frozen
        if weights is not None:
            w = weights.values[block]
        elif frozen:
            frozen -= 1
        else:
            sums = (past[1:-1] + past[2:]).T.ravel()
            power = max(float(sums @ sums), power * (1 - 2.0**-POWER_BITS), quiet)
            scale = 2.0 ** (1 - plan.slowness - plan.mean_shift - math.frexp(power)[1])
            w = w * (1 - 2.0**-LEAK_BITS) + np.outer(sums, left.sum(axis=0)) * scale
        older, newer = newer, np.clip(past[: plan.taps].T.ravel() @ w, -limit, limit)
    return y
