"""Generated C of motion removal, as the twin has it."""

from __future__ import annotations

from myo_export.emit_front_end import render_steps
from myo_export.motion import ProvedMotion


def render_motion_size(motion: ProvedMotion | None) -> str:
    """Return the line of ``patch_config.h`` that sizes the removal's memory."""
    words = motion.config.memory_words if motion else 0
    return f"#define PATCH_MOTION_WORDS {words} /* 32-bit words of the removal of motion */"


def render_motion(motion: ProvedMotion | None) -> list[str]:
    """Return the lines that define ``motion_stage``; none where there is none."""
    if motion is None:
        return []
    config = motion.config
    return [
        "",
        *render_steps(motion.front_end, "motion_"),
        f"/* {motion.note} */",
        "static const myo_motion_config_t motion_stage = {",
        f"    .chain = {{.steps = motion_steps, .n_steps = {len(config.steps)}, .input_shift = {config.input_shift}, "
        f".n_channels = {config.n_reference}}},",
        f"    .n_emg = {config.n_emg},",
        f"    .first = {config.first},",
        f"    .every = {config.every},",
        f"    .delay = {config.delay},",
        f"    .stream = {config.stream}, /* {motion.name} */",
        f"    .taps = {config.taps},",
        f"    .slowness = {config.slowness},",
        f"    .limit = {config.limit},",
        f"    .quiet = {config.quiet}u,",
        "    .functions = &myo_motion_functions};",
    ]
