"""What auxiliary streams take of flash, RAM and instructions on a Cortex-M4F."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from myo_export.aux_streams import ProvedAux
from myo_export.front_end_cost import predict_steps
from myo_pipeline.aux_stream import RING_FRAMES, AuxConfig
from myo_pipeline.steps import BLOCK_FRAMES

# Counted on virtual_m4 images of tests/host_tools/tiny_aux_bundle.py, arm-none-eabi-gcc 12.2 -O3, and on one with two streams.
_FLASH_CODE: Final = 2680
_FLASH_STREAM: Final = 56
_RAM_STREAM: Final = 100
_RAM_SOURCE: Final = 112  # a virtual board's own streams
_LINE_BYTES: Final = 27  # around a sample that travels alone, with its stamp
# Fitted by benchmarks/bench_aux.py to m4cost's counts, in the order of count_aux_terms; the accuracy stands there.
_CONSTANTS: Final = (73.0, 19.1, 236.2, 5.5)
# What predict_front_end takes for quantizing into the window: a channel of a block, a word; and a byte of the window.
_QUANTIZE: Final = (83.77, 7.77, 0.52)


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


def count_aux_terms(config: AuxConfig, n_frames: float) -> tuple[float, ...]:
    """Return how often each part of a stream runs in ``n_frames`` of the window, but for its own stages.

    In this order: frames, words, samples, and words behind the stages.
    """
    timing = config.timing
    n_samples = n_frames * timing.frame * timing.step / timing.unit
    behind = n_samples / timing.factor * config.n_outputs
    return n_frames, n_frames * config.n_outputs, n_samples, behind


def predict_own_stages(config: AuxConfig, n_frames: float) -> float:
    """Predict the instructions of a stream's own stages, whose blocks are single samples, in ``n_frames`` of the window."""
    n_samples = n_frames * config.timing.frame * config.timing.step / config.timing.unit
    return predict_steps(config.steps, config.n_channels, n_samples, n_samples)


def predict_aux_instructions(streams: Sequence[ProvedAux], n_frames: int, window: int = 0) -> float:
    """Predict the instructions of streams in ``n_frames`` of the window, from their rings to its frames.

    Parameters
    ----------
    streams
        The patch's.
    n_frames
        Of the window.
    window
        Frames of a window into which their words are quantized; 0: they are not. The EMG's ring is taken to hold whole blocks.
    """
    total = 0.0
    for stream in streams:
        config = stream.config
        terms = count_aux_terms(config, n_frames)
        total += sum(c * t for c, t in zip(_CONSTANTS, terms, strict=True))
        total += predict_own_stages(config, n_frames)
        if window:
            of_channel, of_word, of_byte = _QUANTIZE
            n_blocks = -(-n_frames * config.timing.frame // BLOCK_FRAMES)
            total += config.n_outputs * (n_blocks * of_channel + n_frames * of_word + window * of_byte)
    return total
