"""Instructions of the front end on a Cortex-M4F, predicted from its shape."""

from __future__ import annotations

BLOCK_FRAMES = 32  # MYO_BLOCK_FRAMES
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


def predict_instructions(n_channels: int, n_sections: int, hop: int, window: int) -> float:
    """Predict the instructions between two decisions, from the ring to the window: scaling, filters, quantization."""
    terms = count_terms(n_channels, n_sections, hop, window)
    return sum(c * t for c, t in zip(_CONSTANTS, terms, strict=True))
