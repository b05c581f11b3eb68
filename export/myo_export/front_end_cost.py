"""Instructions of the front end on a Cortex-M4F, predicted from its shape."""

from __future__ import annotations

from collections.abc import Sequence

from myo_pipeline.steps import BLOCK_FRAMES, Kind, Step, decimation_of

# Fitted by benchmarks/bench_filters.py to m4cost's counts, in the order of count_terms; the accuracy stands there.
_CONSTANTS = (301.47, 0.52, 87.75, 133.61, 22.87, 12.47, 9.54)


def count_terms(n_channels: int, n_sections: int, hop: int, window: int) -> tuple[float, ...]:
    """Return how often each part of the front end runs in a hop.

    In this order: decisions, bytes of the window, blocks, channels, sections, words, biquads.

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
    return 1.0, window * n_channels, n_blocks, channels, channels * n_sections, words, words * n_sections


# Of each kind: instructions a block, a block's channel, and a word; MATRIX counts terms in place of words' channels.
_KINDS: dict[Kind, tuple[float, float, float, float]] = {}


def predict_front_end(
    steps: Sequence[Step], n_channels: int, hop: int, window: int
) -> tuple[float, bool]:
    """Predict the instructions between two decisions, from the ring to the window: scaling, steps, quantization.

    Parameters
    ----------
    steps
        The chain.
    n_channels
        Channels of the sensor.
    hop, window
        Frames behind the chain.

    Returns
    -------
    tuple of float and bool
        Instructions, and whether every step is modelled: kinds that are not count nothing.
    """
    sections = sum(step.count for step in steps if step.kind is Kind.SOS)
    n_frames = hop * decimation_of(steps)
    terms = count_terms(n_channels, sections, n_frames, window)
    known = all(step.kind is Kind.SOS for step in steps)
    return sum(c * t for c, t in zip(_CONSTANTS, terms, strict=True)), known
