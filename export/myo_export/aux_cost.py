"""What auxiliary streams take of flash, RAM and instructions on a Cortex-M4F."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from myo_export.aux_streams import ProvedAux
from myo_export.front_end_cost import predict_front_end
from myo_pipeline.aux_stream import RING_FRAMES

# Counted on virtual_m4 images of tests/host_tools/tiny_aux_bundle.py, arm-none-eabi-gcc 12.2 -O3, and on one with two streams.
_FLASH_CODE: Final = 2530
_FLASH_STREAM: Final = 56
_RAM_STREAM: Final = 100
_RAM_SOURCE: Final = 112  # a virtual board's own streams
_LINE_BYTES: Final = 27  # around a sample that travels alone, with its stamp
_PER_FRAME: Final = 60.0
_PER_WORD: Final = 20.0
_PER_SAMPLE: Final = 150.0
_ONCE: Final = 353.0  # of predict_front_end's figure, what a decision takes whatever its frames


def count_credit_bytes(streams: Sequence[ProvedAux]) -> int:
    """Return the bytes of streams that may be under way from the host, beside a full credit of EMG frames."""
    total = 0
    for stream in streams:
        timing, config = stream.config.timing, stream.config
        n_samples = RING_FRAMES * timing.step // timing.unit + 2
        total += n_samples * (config.n_channels * config.sample_bytes + _LINE_BYTES)
    return total


def predict_aux_flash(streams: Sequence[ProvedAux]) -> int:
    """Return the bytes of streams' code and settings, without those of their steps."""
    return _FLASH_CODE + _FLASH_STREAM * len(streams)


def predict_aux_ram(streams: Sequence[ProvedAux]) -> int:
    """Return the bytes of streams' rings, states and blocks."""
    return _RAM_SOURCE * bool(streams) + sum(
        _RAM_STREAM + 4 * stream.config.memory_words for stream in streams
    )


def predict_aux_instructions(streams: Sequence[ProvedAux], n_frames: int, window: int) -> float:
    """Return the instructions of streams for ``n_frames`` of the window.

    ``window`` is as :func:`~myo_export.front_end_cost.predict_front_end` takes it.
    """
    total = 0.0
    for stream in streams:
        timing, config = stream.config.timing, stream.config
        n_samples = n_frames * timing.frame * timing.step / timing.unit
        own = predict_front_end(config.steps, config.n_channels, 1, 0) - _ONCE if config.steps else 0.0
        total += n_samples * (_PER_SAMPLE + own) + n_frames * (_PER_FRAME + _PER_WORD * config.n_outputs)
    return total
