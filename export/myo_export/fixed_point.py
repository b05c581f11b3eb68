"""Real factors as integer multiplications."""

from __future__ import annotations

import numpy as np

from myo_pipeline.errors import ExportError


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Return ``multiplier`` in [2^30, 2^31) and ``shift`` with ``real = multiplier * 2^-shift`` to 31 bits.

    Raises
    ------
    ExportError
        If ``real`` is not in the range that the device's 64-bit product takes.
    """
    if not np.isfinite(real) or real <= 0:
        raise ExportError(
            f"network input scale: multiplier {real!r}, expected a positive number: train the model again"
        )
    mantissa, exponent = np.frexp(real)
    multiplier, shift = round(float(mantissa) * 2**31), 31 - int(exponent)
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift - 1
    if not 1 <= shift <= 62:
        raise ExportError(
            f"network input scale: a count would move the int8 input by {real:.3g}, outside 2^-31 to 2^30: "
            "check input_scale in training.json and sensor.adc_bits"
        )
    return multiplier, shift
