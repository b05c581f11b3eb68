"""Cost of calibration on the patch on a Cortex-M4F, predicted from its head's size."""

from __future__ import annotations

from typing import Final

_CODE: Final = 3200  # of images for virtual_m4 with and without [calibration]
_STATE: Final = 80
_PER_PRODUCT: Final = 4.0  # instructions, of m4cost: see docs/calibration.md
_PER_CLASS: Final = 110.0
CYCLES_PER_INSTRUCTION: Final = 1.3


def count_calibration_flash(n_classes: int, n_words: int) -> int:
    """Return the bytes of a head's tables, and predicted ones of its code."""
    return _CODE + 2 * n_classes * n_words + 2 * n_words * (n_words + 1)


def count_calibration_ram(n_classes: int, n_words: int) -> int:
    """Return the bytes of a head's memory: the record, its weights and what they are made with."""
    record = 4 * n_classes * n_words + 2 * n_classes
    return _STATE + record + 2 * n_classes * n_words + 7 * n_classes + 4 * max(n_classes, n_words)


def predict_head_instructions(n_classes: int, n_words: int) -> float:
    """Predict the instructions of scoring a window."""
    return n_classes * (n_words * _PER_PRODUCT + _PER_CLASS)
