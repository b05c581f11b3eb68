"""Cost of calibration on the patch on a Cortex-M4F, predicted from its head's size."""

from __future__ import annotations

from typing import Final

_CODE: Final = 4700  # of its functions in the image for virtual_m4
_STATE: Final = 72
_SLOTS: Final = 2  # in RAM, which virtual boards have for a store
_SLOT_OVERHEAD: Final = 64
# Instructions, of benchmarks/bench_calibration.py with 32 and 48 words.
_PER_PRODUCT: Final = 5.0
_PER_CLASS: Final = 126.0
CYCLES_PER_INSTRUCTION: Final = 1.47  # as m4cost counts them there


def count_calibration_flash(n_classes: int, n_words: int) -> int:
    """Return the bytes of a head's tables, and predicted ones of its code."""
    return _CODE + 2 * n_classes * n_words + 2 * n_words * (n_words + 1)


def count_calibration_ram(n_classes: int, n_words: int) -> int:
    """Return the bytes of a head's memory: the record, its weights and what they are made with; and of a store in RAM."""
    record = 4 * n_classes * n_words + 2 * n_classes
    record += -record % 8
    work = 2 * n_classes * n_words + 7 * n_classes + 4 * max(n_classes, n_words)
    return _STATE + record + work + _SLOTS * (record + _SLOT_OVERHEAD)


def predict_head_instructions(n_classes: int, n_words: int) -> float:
    """Predict the instructions of scoring a window."""
    return n_classes * (n_words * _PER_PRODUCT + _PER_CLASS)
