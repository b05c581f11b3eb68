"""Cost of the quality gate on a Cortex-M4F, predicted from its config."""

from __future__ import annotations

from typing import Final

from myo_pipeline.quality import QualityConfig

# Of images for virtual_m4 with and without a gate, and of benchmarks/bench_quality.py.
_CODE: Final = 5950
_SETTINGS: Final = 120
_STATE: Final = 64
_CHANNEL: Final = 96  # bytes of myo_quality_gate_t and myo_quality_channel_t
_PER_SAMPLE: Final = 12.4  # instructions of a sample and channel
CYCLES_PER_INSTRUCTION: Final = 1.38  # as m4cost counts them for benchmarks/bench_quality.py


def predict_quality_flash(config: QualityConfig) -> int:
    """Predict the bytes of the gate's code and constants."""
    return _CODE + _SETTINGS + 4 * config.n_blocks + 8 * config.n_channels


def count_quality_ram(config: QualityConfig) -> int:
    """Return the bytes of the gate's memory."""
    return _STATE + config.n_channels * (_CHANNEL + 4 * config.group_blocks)


def predict_quality_instructions(config: QualityConfig, n_frames: int) -> float:
    """Predict the instructions that so many frames of the sensor take."""
    return _PER_SAMPLE * config.n_channels * n_frames
