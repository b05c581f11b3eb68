"""What motion removal takes of flash, RAM and instructions on a Cortex-M4F."""

from __future__ import annotations

from typing import Final

from myo_export.motion import ProvedMotion
from myo_pipeline.steps import BLOCK_FRAMES

_FLASH_CODE: Final = 1700
_FLASH_SETTINGS: Final = 56
_RAM_STATE: Final = 80

# Fitted by benchmarks/bench_motion.py to m4cost's counts, in the order of count_motion_terms.
_CONSTANTS: Final = (150.0, 25.0, 16.0, 150.0, 60.0, 100.0, 15.0, 30.0)


def count_motion_terms(
    n_emg: int, n_reference: int, taps: int, every: int, n_frames: float
) -> tuple[float, ...]:
    """Return how often each part of a removal runs.

    In this order: blocks, stretches of a channel, words, estimates, references of an estimate, channels of an estimate,
    weights, taps of references.
    """
    n_blocks = -(-n_frames // BLOCK_FRAMES)
    n_estimates = n_frames / every
    stretches = n_blocks + n_estimates
    return (
        n_blocks, stretches * n_emg, n_frames * n_emg, n_estimates, n_estimates * n_reference, n_estimates * n_emg,
        n_estimates * n_emg * n_reference * taps, n_estimates * n_reference * taps,
    )  # fmt: skip


def predict_motion_instructions(motion: ProvedMotion | None, n_frames: float) -> float:
    """Return the instructions of a removal for ``n_frames`` of the window; 0 where there is none."""
    if motion is None:
        return 0.0
    c = motion.config
    terms = count_motion_terms(c.n_emg, c.n_reference, c.taps, c.every, n_frames)
    return sum(each * n for each, n in zip(_CONSTANTS, terms, strict=True))


def predict_motion_flash(motion: ProvedMotion) -> int:
    """Return the bytes of a removal's code and settings, without those of its high-pass."""
    return _FLASH_CODE + _FLASH_SETTINGS


def predict_motion_ram(motion: ProvedMotion) -> int:
    """Return the bytes of a removal's state."""
    return _RAM_STATE + 4 * motion.config.memory_words
