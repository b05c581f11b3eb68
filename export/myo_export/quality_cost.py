"""Cost of the quality gate on a Cortex-M4F, predicted from its config."""

from __future__ import annotations

from typing import Final

from myo_pipeline.quality import QualityConfig

# Of images for virtual_m4 with and without a gate, and of benchmarks/bench_quality.py.
_CODE: Final = 4650
_SETTINGS: Final = 120
_STATE: Final = 64
_CHANNEL: Final = 96  # bytes of myo_quality_gate_t and myo_quality_channel_t
# Instructions of a channel, of m4cost at 200 Hz and 2 kHz: a group's end, a block, a frame that is looked at, a period's end.
_PER_GROUP: Final = 5.0
_PER_BLOCK: Final = 11.0
_PER_LOOK: Final = 15.0
_PER_PERIOD: Final = 750.0
CYCLES_PER_INSTRUCTION: Final = 1.33  # as m4cost counts them for benchmarks/bench_quality.py


def predict_quality_flash(config: QualityConfig) -> int:
    """Predict the bytes of the gate's code and constants."""
    return _CODE + _SETTINGS + 4 * config.n_blocks + 8 * config.n_channels


def count_quality_ram(config: QualityConfig) -> int:
    """Return the bytes of the gate's memory."""
    return _STATE + config.n_channels * _CHANNEL + 4 * config.memory_words


def predict_quality_instructions(config: QualityConfig, n_frames: int) -> float:
    """Predict the instructions that so many frames of the sensor take."""
    in_group = _PER_GROUP + config.group_blocks * _PER_BLOCK + config.group_frames * _PER_LOOK
    return config.n_channels * (config.n_groups * in_group + _PER_PERIOD) * n_frames / config.period_frames
