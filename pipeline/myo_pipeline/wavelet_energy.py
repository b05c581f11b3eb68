"""Energies of wavelet coefficients of windows: float, integer, bound. ``wavelet`` says what they are.

The bound follows a vector of coefficients. Orthonormal rows make nothing longer: where each of N samples is off by no more
than ``off``, the coefficients of a half at level j are off by ``off sqrt(N / 2^j)`` together. The integer filters add, to each
coefficient, half a unit of rounding and the taps' own, which the filters after pass on as large as their taps' sizes add up
to; n such errors make sqrt(n) of it. The length of the vector lies within the sum of both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from myo_pipeline import fixed_math as fm
from myo_pipeline.wavelet import (
    SPLIT_FURTHER,
    TAP_BITS,
    WaveletConfig,
    arrange_taps,
    design_wavelet,
    energy_offset,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def _whole_taps(config: WaveletConfig, x: NDArray[Any], level: int) -> NDArray[Any]:
    """View what the coefficients of a level take of the level before, (n_windows, n_coefficients, n_channels, L)."""
    n_taps, first = len(config.taps), config.first_whole[level]
    start = 2 * first - n_taps + 1 - config.first_whole[level - 1]
    return sliding_window_view(x, n_taps, axis=1)[:, start::2][:, : config.count(level)]


def transform_floats(config: WaveletConfig, x: Floats) -> list[Floats]:
    """Coefficients of each component inside windows (n_windows, n_samples, n_channels), divided by 2^(level / 2)."""
    taps = arrange_taps(design_wavelet(config.spec.wavelet))
    halves: dict[int, Floats] = {-1: x}
    found: dict[int, Floats] = {}
    for number, split in enumerate(config.splits):
        taken = _whole_taps(config, halves[split.parent], split.level)
        for k, component in enumerate((split.low, split.high)):
            half = np.asarray(taken @ taps[:, k], np.float64)
            if component == SPLIT_FURTHER:
                halves[2 * number + k] = half
            else:
                found[component] = half
    return [found[k] for k in range(config.n_components)]


def transform_words(config: WaveletConfig, windows: NDArray[np.int16]) -> list[Ints]:
    """Twin of :func:`transform_floats`: coefficients in units of ``2^-up`` words."""
    halves: dict[int, Ints] = {-1: windows.astype(np.int64) << config.up}
    found: dict[int, Ints] = {}
    for number, split in enumerate(config.splits):
        taken = _whole_taps(config, halves[split.parent], split.level)
        for k, component in enumerate((split.low, split.high)):
            half: Ints = (taken @ config.taps[:, k] + (1 << (TAP_BITS - 1))) >> TAP_BITS
            if component == SPLIT_FURTHER:
                halves[2 * number + k] = half
            else:
                found[component] = half
    return [found[k] for k in range(config.n_components)]


def compute_energies(config: WaveletConfig, x: Floats) -> Floats:
    """Energies of windows by their definition.

    Parameters
    ----------
    config
        What to compute.
    x
        Filtered signal in counts, (n_windows, config.window, n_channels).

    Returns
    -------
    NDArray[np.float64]
        Shape (n_windows, n_components, n_channels); of a silent window those of the least sum that the device tells.
    """
    found = []
    for coefficients, level in zip(transform_floats(config, x), config.levels_of, strict=True):
        mean = (coefficients**2).mean(axis=1)
        found.append(np.log2(np.maximum(mean, 2.0 ** energy_offset(config, level))))
    return np.stack(found, axis=1)


def compute_energy_words(config: WaveletConfig, windows: NDArray[np.int16]) -> NDArray[np.int32]:
    """Energies of windows, int16 (n_windows, config.window, n_channels), as the device gives them."""
    sums = [(coefficients**2).sum(axis=1) for coefficients in transform_words(config, windows)]
    return np.stack([fm.log2_q16(np.maximum(total, 1)) for total in sums], axis=1).astype(np.int32)


def bound_energies(config: WaveletConfig, x: Floats, deviation: float = 0.5) -> Floats:
    """Largest distance of the twin's energies from the float ones.

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
        Bounds in base-2 logarithms, (n_windows, n_components, n_channels); infinite where a half may be empty.
    """
    u = x * 2.0**config.word_shift
    largest = np.abs(u).max(axis=1) + deviation
    size = float(np.abs(arrange_taps(design_wavelet(config.spec.wavelet))).sum(axis=0).max())
    of_taps = len(config.taps) * 2.0 ** -(TAP_BITS + 1)
    error = [np.zeros_like(largest)]  # of each coefficient, by level
    for level in range(1, config.spec.levels + 1):
        rounding = 2.0 ** -(config.up + 1) + of_taps * (largest * size ** (level - 1) + error[-1])
        error.append(size * error[-1] + rounding)
    found = []
    for coefficients, level in zip(transform_floats(config, u), config.levels_of, strict=True):
        length = np.sqrt((coefficients**2).sum(axis=1))
        by = deviation * np.sqrt(config.window / 2.0**level) + error[level] * np.sqrt(config.count(level))
        with np.errstate(divide="ignore", invalid="ignore"):
            down, up = (np.abs(2 * np.log2((length + side) / length)) for side in (-by, by))
            of_word = np.maximum(down, up) + fm.LOG2_ERROR * 2.0**-16
        # A sum below one unit is raised to it.
        found.append(np.where((length > by) & ((length - by) * 2.0**config.up >= 1), of_word, np.inf))
    return np.stack(found, axis=1)
