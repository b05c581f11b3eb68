"""Instructions of the front end on a Cortex-M4F, predicted from its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from myo_pipeline.ecg import EcgSettings
from myo_pipeline.steps import BLOCK_FRAMES, Kind, Step, decimation_of

# What `myopatch profile` counts on the demo: 1.49 in filters, 1.41 from there into the window.
CYCLES_PER_INSTRUCTION: Final = 1.47

# Fitted by benchmarks/bench_filters.py to m4cost's counts, in the order of count_terms; the accuracy stands there.
_CONSTANTS = (353.39, 0.52, 130.48, 112.77, 12.52, 63.63, 16.47, 21.59, 9.53)
# The same of what takes counts out of frames, of the shift before a step, and of the other kinds of step, in the order of
# count_step_terms. Biquads are in _CONSTANTS.
_SCALE = (2.0, 29.0, 4.75, 0.0)
_ALIGN = (1.57, 16.12, 8.0, 0.0)
_STEPS: dict[Kind, tuple[float, ...]] = {
    Kind.RECTIFY: (11.07, 4.94, 7.01, 0.0),
    Kind.MEAN: (21.0, 50.0, 29.0, 0.0),
    Kind.DECIMATE: (20.0, 6.0, 6.0, 0.0),
    Kind.TKEO: (28.0, 13.0, 19.0, 0.0),
    Kind.FIR: (61.59, 149.59, 16.70, 3.22),
    Kind.MATRIX: (35.0, 22.5, 23.0, 5.5),
}
_ECG = (232.16, 29.02, 59.98, 5.99, 163.74, 24.13)  # in the order of count_ecg_terms
_SOS_WIDE = (35.0, 23.0, 34.0, 32.0)  # of blocks, channels, sections and section's words
_FIR_APART = (71.90, 159.74, 4.25, 1.06, 4.24)  # in the order of count_apart_terms


def count_terms(n_channels: int, n_sections: int, hop: int, window: int) -> tuple[float, ...]:
    """Return how often each part of a front end of biquads alone runs in a hop.

    In this order: decisions, bytes of the window, blocks, channels, words; and of the cascade blocks, channels, sections,
    biquads.

    Parameters
    ----------
    n_channels, n_sections
        Channels of a frame and second-order sections of each.
    hop, window
        Frames between two decisions, and of a window. The ring is taken to hold whole blocks.
    """
    n_blocks = -(-hop // BLOCK_FRAMES)
    channels = n_blocks * n_channels
    words = hop * n_channels
    cascade = n_sections > 0
    return (
        1.0, window * n_channels, n_blocks, channels, words,
        n_blocks * cascade, channels * cascade, channels * n_sections, words * n_sections,
    )  # fmt: skip


def count_step_terms(
    kind: Kind, n_channels: int, count: int, n_frames: float, n_blocks: float
) -> tuple[float, ...]:
    """Return how often each part of a step runs: blocks, channels, words, and words by taps.

    Of a matrix: blocks, frames, words, and products. ``n_frames`` are those that a step takes, of a decimation those that
    it gives.
    """
    words = n_frames * n_channels
    if kind is Kind.MATRIX:
        return n_blocks, n_frames, words, n_frames * count
    return n_blocks, n_blocks * n_channels, words, words * count if kind is Kind.FIR else 0.0


def count_apart_terms(
    n_channels: int, n_taps: int, n_taken: float, n_given: float, n_blocks: float
) -> tuple[float, ...]:
    """Return how often each part of a FIR that decimates runs: blocks, channels, words taken, words given, products."""
    given = n_given * n_channels
    return n_blocks, n_blocks * n_channels, n_taken * n_channels, given, given * n_taps


def count_ecg_terms(
    settings: EcgSettings, n_channels: int, n_frames: float, n_blocks: float
) -> tuple[float, ...]:
    """Return how often each part of the heart's removal runs: blocks, channels, frames, words, beats, beats' words.

    At 75 beats a minute.
    """
    n_beats = n_frames / (settings.learn / 2) * 75 / 60
    return (
        n_blocks, n_blocks * n_channels, n_frames, n_frames * n_channels, n_beats * n_channels,
        n_beats * n_channels * settings.window,
    )  # fmt: skip


def _sum(constants: Sequence[float], terms: Sequence[float]) -> float:
    return sum(c * t for c, t in zip(constants, terms, strict=True))


def predict_front_end(steps: Sequence[Step], n_channels: int, hop: int, window: int) -> float:
    """Predict the instructions between two decisions, from the ring to the window: scaling, steps, quantization.

    Parameters
    ----------
    steps
        The chain.
    n_channels
        Channels of the sensor.
    hop, window
        Frames behind the chain.
    """
    n_out = steps[-1].n_out if steps else n_channels
    n_frames = hop * decimation_of(steps)
    n_blocks = -(-n_frames // BLOCK_FRAMES)
    # What a chain without steps takes; then what is less behind it, since quantization sees other frames than scaling.
    once, of_window, of_block, of_channel, of_word, *_ = _CONSTANTS
    quantize = n_blocks * n_out * (of_channel - _SCALE[1]) + hop * n_out * (of_word - _SCALE[2])
    total = once + of_window * window * n_out + n_blocks * (of_block - _SCALE[0]) + quantize
    return total + predict_steps(steps, n_channels, n_frames, n_blocks)


def predict_steps(steps: Sequence[Step], n_channels: int, n_frames: float, n_blocks: float) -> float:
    """Predict the instructions of a chain alone, counts to words, for so many frames of the sensor in so many blocks."""
    of_cascade = _CONSTANTS[5:]
    total = _sum(_SCALE, count_step_terms(Kind.RECTIFY, n_channels, 0, n_frames, n_blocks))
    for step in steps:
        n_blocks = min(n_blocks, n_frames)  # a block of which a decimation left nothing goes no further
        if step.align:
            total += _sum(_ALIGN, count_step_terms(Kind.RECTIFY, step.n_in, 0, n_frames, n_blocks))
        if step.kind is Kind.SOS:
            channels, words = n_blocks * step.n_in, n_frames * step.n_in
            total += _sum(of_cascade, (n_blocks, channels, channels * step.count, words * step.count))
            continue
        if step.kind is Kind.SOS_WIDE:
            channels, words = n_blocks * step.n_in, n_frames * step.n_in
            total += _sum(_SOS_WIDE, (n_blocks, channels, channels * step.count, words * step.count))
            continue
        n_taken, n_frames = n_frames, n_frames / step.decimation
        if step.kind is Kind.FIR and step.decimation > 1:
            total += _sum(_FIR_APART, count_apart_terms(step.n_in, step.count, n_taken, n_frames, n_blocks))
            continue
        if step.kind is Kind.ECG:
            total += _sum(
                _ECG, count_ecg_terms(EcgSettings.from_values(step.words), step.n_in, n_frames, n_blocks)
            )
            continue
        widest = max(step.n_in, step.n_out)
        total += _sum(_STEPS[step.kind], count_step_terms(step.kind, widest, step.count, n_frames, n_blocks))
    return total
