"""What the removal of motion is and takes, before anything is flashed."""

from __future__ import annotations

from dataclasses import dataclass

from myo_export.aux_streams import quantize_aux
from myo_export.front_end import FrontEnd
from myo_export.front_end_analysis import CLOCK_HZ
from myo_export.motion import quantize_motion
from myo_export.motion_cost import predict_motion_instructions, predict_motion_ram
from myo_pipeline.spec import PatchSpec


@dataclass(frozen=True)
class MotionFigures:
    """Figures of a removal, which stands behind all stages.

    Attributes
    ----------
    note
        What was chosen and why.
    delay_ms
        That the EMG waits for it.
    instructions_per_sample
        Predicted, of one EMG frame and channel behind the stages, on a Cortex-M4.
    core_share
        Of a 64 MHz core.
    ram_bytes
        State in RAM.
    """

    note: str
    delay_ms: float
    instructions_per_sample: float
    core_share: float
    ram_bytes: int


def analyse_motion(spec: PatchSpec, front_end: FrontEnd) -> MotionFigures | None:
    """Quantize a spec's removal and predict what it takes; None where there is none.

    Parameters
    ----------
    spec
        A validated spec.
    front_end
        The EMG's, in fixed point.

    Raises
    ------
    ExportError
        If it, or its stream, cannot be brought to fixed point.
    """
    motion = quantize_motion(spec, front_end, quantize_aux(spec, front_end))
    if motion is None:
        return None
    a_frame = predict_motion_instructions(motion, spec.hop_samples) / spec.hop_samples
    return MotionFigures(
        motion.note, motion.delay_ms, a_frame / spec.emg_channels, a_frame * spec.front_end_rate_hz / CLOCK_HZ,
        predict_motion_ram(motion),
    )  # fmt: skip
