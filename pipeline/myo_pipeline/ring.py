"""Correlation of electrodes around a ring: keys, float, twin, bound.

Component k is of each channel c and the one k further, ``(c + k) mod n_channels``, and is kept at c: where a band is turned by
an electrode the words turn with it, so that turning and mirroring are permutations of channels here as in the other features.
All pairs of n channels lie within n / 2 steps. It takes the place of the logarithm of the channels' covariance matrix, for
which a patch would need eigenvectors (docs/gestures.md has both).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from myo_pipeline import fixed_math as fm
from myo_pipeline.errors import SpecError
from myo_pipeline.feature_words import Component

Floats = NDArray[np.float64]

MAX_REACH: Final = 32
WORD_BITS: Final = 30  # fraction bits of a word
_ROOT_BITS: Final = 60  # of a power before its root, so that the product of two roots can be divided by

FORMULA: Final = (
    "sum x[c] x[c+k] / sqrt(sum x[c]^2 sum x[c+k]^2), k = 1 .. reach, channels counted around the ring"
)
REFERENCE: Final = (
    "Pearson's r without subtraction of the means; covariance of channels as a feature: Barachant et al. 2013, "
    "Neurocomputing 112, doi:10.1016/j.neucom.2012.12.039"
)


class RingFeature(BaseModel):
    """Correlation of each electrode with those that follow it around the arm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["ring_correlation"]
    reach: int = Field(
        default=1, ge=1, le=MAX_REACH, description="electrodes further, 1 .. n; at most half of the channels"
    )


@dataclass(frozen=True)
class RingConfig:
    """What a patch computes; ``myo_correlation_config_t`` in the firmware."""

    spec: RingFeature
    n_channels: int
    window: int
    hop: int
    word_shift: int

    @property
    def components(self) -> list[Component]:
        """Each distance."""
        return [
            Component(f"{self.spec.kind}[{k + 1}]", "1", False, 2.0**-WORD_BITS, 0.0)
            for k in range(self.spec.reach)
        ]

    @property
    def n_blocks(self) -> int:
        """Blocks of a window: a window's end cuts each hop in two where the hop does not divide the window."""
        n_hops, rest = divmod(self.window, self.hop)
        return 2 * n_hops + 1 if rest else n_hops

    @property
    def memory_words(self) -> int:
        """32-bit words of state on the device, ``myo_correlation_memory_words`` in the firmware."""
        return 2 * self.n_channels * (self.n_blocks * (1 + self.spec.reach) + 1)


def compile_ring(spec: RingFeature, *, n_channels: int, window: int, hop: int, word_shift: int) -> RingConfig:
    """Choose the integers.

    Parameters
    ----------
    spec
        The entry of the spec.
    n_channels, window, hop
        Channels, and frames.
    word_shift
        ``count = word * 2^-word_shift``.

    Raises
    ------
    SpecError
        If the channels are no ring, or the reach goes around it.
    """
    if n_channels < 2 or spec.reach > n_channels // 2:
        raise SpecError(
            f"features, ring_correlation: reach {spec.reach} with {n_channels} channels, expected at most half of them; "
            "lower it"
        )
    return RingConfig(spec, n_channels, window, hop, word_shift)


def _pair_sums(x: NDArray[np.generic], reach: int) -> tuple[NDArray[np.generic], list[NDArray[np.generic]]]:
    """Sum squares (n_windows, n_channels), and products with the channel 1 .. reach further."""
    n = x.shape[2]
    further = [(np.arange(n) + k) % n for k in range(1, reach + 1)]
    # einsum's stub asks for one scalar type, of two that come here
    return np.einsum("wsc,wsc->wc", x, x), [  # type: ignore[arg-type]
        np.einsum("wsc,wsc->wc", x, x[:, :, order])  # type: ignore[arg-type]
        for order in further
    ]


def compute_ring(config: RingConfig, x: Floats) -> Floats:
    """Correlations of windows (n_windows, n_samples, n_channels) by their definition, 0 where a channel is silent.

    Returns
    -------
    NDArray[np.float64]
        Shape (n_windows, reach, n_channels).
    """
    squares, products = _pair_sums(x, config.spec.reach)
    found = []
    for k, product in enumerate(products, 1):
        size = np.sqrt(squares * np.roll(squares, -k, axis=1))
        found.append(np.divide(product, size, out=np.zeros_like(size), where=size > 0))
    return np.stack(found, axis=1)


def _root_one(square: int) -> tuple[int, int]:
    """Root of ``square * 4^up`` with as many bits as the device keeps, and ``up``."""
    up = max(0, (_ROOT_BITS - square.bit_length()) // 2)
    return int(fm.sqrt_nearest(np.array(square << 2 * up))), up


def _word_one(product: int, square: int, other: int) -> int:
    (root, up), (other_root, other_up) = _root_one(square), _root_one(other)
    size = fm.divide_one(abs(product), root * other_root, WORD_BITS + up + other_up)
    return -size if product < 0 else size


def compute_ring_words(config: RingConfig, windows: NDArray[np.int16]) -> NDArray[np.int32]:
    """Correlations of windows of words (n_windows, n_samples, n_channels), as the device gives them."""
    squares, products = _pair_sums(windows.astype(np.int64), config.spec.reach)
    own = squares.astype(object)
    divide = np.frompyfunc(_word_one, 3, 1)
    found = [
        divide(product.astype(object), own, np.roll(own, -k, axis=1)) for k, product in enumerate(products, 1)
    ]
    return np.stack(found, axis=1).astype(np.int32)


def bound_ring(config: RingConfig, x: Floats, deviation: float = 0.5) -> Floats:
    """Largest distance of the twin's correlations from the float ones.

    Parameters
    ----------
    config
        What is computed.
    x
        Signal in counts, (n_windows, n_samples, n_channels), that no word saturates.
    deviation
        Largest distance of a word from the signal, in words.

    Returns
    -------
    NDArray[np.float64]
        Shape (n_windows, reach, n_channels).

    Notes
    -----
    A channel's window is a vector of N samples, r the cosine of the angle of two. Errors of no more than ``deviation`` a sample
    make a vector no longer than ``deviation sqrt(N)``, which turns one of length L by at most asin(deviation sqrt(N) / L). Where
    both turn by d in all, |cos(t + d) - cos t| <= d |sin t| + d^2 / 2. No correlation is off by more than 2. The roots' roundings
    are of 2^-29 of them or less, and the division's of half a unit.
    """
    length = np.sqrt((x**2).sum(axis=1)) * 2.0**config.word_shift
    error = deviation * np.sqrt(x.shape[1])
    share = np.divide(error, length, out=np.full_like(length, 2.0), where=length > 0)
    turn = np.where(share < 1, np.arcsin(np.minimum(share, 1.0)), np.inf)
    cosines = compute_ring(config, x)
    found = []
    for k in range(1, config.spec.reach + 1):
        both = turn + np.roll(turn, -k, axis=1)
        sine = np.sqrt(np.maximum(1 - cosines[:, k - 1] ** 2, 0.0))
        with np.errstate(invalid="ignore"):
            moved = both * sine + both**2 / 2
        found.append(np.where(np.isfinite(both), np.minimum(moved, 2.0), 2.0) + 2.0**-27)
    return np.stack(found, axis=1)
