"""What motion removal takes of flash, RAM and instructions on a Cortex-M4F."""

from __future__ import annotations

from typing import Final

from myo_export.motion import ProvedMotion
from myo_pipeline.motion_twin import MotionConfig
from myo_pipeline.steps import BLOCK_FRAMES

FLASH: Final = 2256  # bytes of code, with the C library's memmove, and of settings; without the high-pass's
_RAM_STATE: Final = 80

# Fitted by benchmarks/bench_motion.py to m4cost's counts of three axes, in the order of count_motion_terms.
_CONSTANTS: Final = (486.18, 34.79, 15.13, 146.21, 73.86, 15.54, 20.83)


def count_motion_terms(config: MotionConfig, n_frames: float) -> tuple[float, ...]:
    """Return how often each part of a removal runs for ``n_frames``.

    In this order: blocks, stretches of a channel (between estimates, ends of blocks and of the line), words, references of an
    estimate, channels of an estimate, weights, taps of references.
    """
    n_blocks = -(-n_frames // BLOCK_FRAMES)
    n_estimates = n_frames / config.every
    references = n_estimates * config.n_reference
    return (
        n_blocks, (n_blocks + n_estimates + n_frames / config.delay) * config.n_emg, n_frames * config.n_emg, references,
        n_estimates * config.n_emg, n_estimates * config.n_emg * config.n_weights, references * config.taps,
    )  # fmt: skip


def predict_motion_instructions(motion: ProvedMotion | None, n_frames: float) -> float:
    """Return the instructions of a removal for ``n_frames`` of the window; 0 where there is none."""
    if motion is None:
        return 0.0
    terms = count_motion_terms(motion.config, n_frames)
    return sum(each * n for each, n in zip(_CONSTANTS, terms, strict=True))


def predict_motion_ram(motion: ProvedMotion) -> int:
    """Return the bytes of a removal's state."""
    return _RAM_STATE + 4 * motion.config.memory_words
