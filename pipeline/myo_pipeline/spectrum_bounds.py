"""How far the integer spectral features may be from the float ones, derived for each window.

In units of words, before the tapered samples' transform ``X``: a sample is off by half a word (or as much as is said),
by its weight's rounding and by one rounding of the product; by Parseval their transform over the bins is no longer than
``sqrt(length / 2 sum deviation^2)``. The integer transform adds at most :func:`transform_error` to each bin. With ``eta``
the length of both together, powers of any set S of bins are off by at most ``2 sqrt(P(S)) eta + eta^2``
(Cauchy-Schwarz), sums weighted by g by ``2 sqrt(sum g^2 P) eta + max |g| eta^2``; each power is cut by up to one unit.

A mean is the sum weighted by the distance from it, over the least total. The median jumps where bins are empty: its bound
is the range of places at which the powers below and above differ by no more than their error. A peak may be any bin
that the error lets rise above the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.fixed_math import LOG2_ERROR
from myo_pipeline.spectrum import (
    WORD_UP_BITS,
    SpectrumConfig,
    SpectrumKind,
    SpectrumRow,
    find_median,
    make_taper,
    moment_cut,
)

Floats = NDArray[np.float64]


def transform_error(length: int) -> float:
    """Largest distance of a bin of ``myo_fft`` from the exact transform, in units of its output.

    A stage rounds an element's two parts down by less than one; what follows sums four elements (or two) and halves, the
    last stage does not halve. The turns are off by ``sqrt(2) 2^-31`` at most, of elements that stay below ``2^31``.
    """
    n_halvings = -(-(length.bit_length() - 1) // 2) - 1
    return float(
        sum(np.sqrt(2) * 2.0 ** (n_halvings - s) * 4 for s in range(1, n_halvings + 1)) + 2.0 * n_halvings
    )


class _Powers:
    """Powers of a band in words^2 of the transform, and how far they may be off."""

    def __init__(self, config: SpectrumConfig, u: Floats, row: SpectrumRow, off: float) -> None:
        weights = make_taper(config.taper, config.window)[:, None]
        spectrum = np.abs(np.fft.rfft(u * weights, config.length, axis=1))[:, 1 : config.length // 2]
        self.size: Floats = spectrum[:, row.first_bin - 1 : row.end_bin - 1]
        self.power: Floats = self.size**2
        self.k = np.arange(row.first_bin, row.end_bin, dtype=np.float64)[:, None]
        deviation = off * weights
        if config.taper_q15 is not None:
            deviation = deviation + (np.abs(u) + off) * 2.0**-15 + 2.0**-WORD_UP_BITS
        deviation = np.broadcast_to(deviation, u.shape)
        of_bin = transform_error(config.length) / config.gain
        n_bins = row.end_bin - row.first_bin
        self.eta: Floats = np.sqrt(config.length / 2 * (deviation**2).sum(axis=1)) + of_bin * np.sqrt(n_bins)
        self.of_bin: Floats = np.minimum(deviation.sum(axis=1) + of_bin, self.eta)
        # The device raises its largest part, twice a bin's, to at least 2^30 units, and cuts 2^32 units of a square.
        self.cut: Floats = 2.0**-28 * (spectrum.max(axis=1) + self.eta) ** 2
        self.total: Floats = self.power.sum(axis=1)

    def of_sum(self, weight: Floats, cut_bits: int = 0) -> tuple[Floats, Floats]:
        """How far a weighted sum may fall and rise."""
        size = np.abs(weight)
        cross = 2 * np.sqrt((weight**2 * self.power).sum(axis=1)) * self.eta
        cut = np.broadcast_to(size, self.power.shape).sum(axis=1) * self.cut * 2.0**cut_bits
        return cross + cut + (
            weight.min(initial=0) < 0
        ) * size.max() * self.eta**2, cross + size.max() * self.eta**2 + cut


def _bound_log(powers: _Powers, config: SpectrumConfig, row: SpectrumRow) -> Floats:
    weight = powers.k ** int(row.kind)
    at = (weight * powers.power).sum(axis=1)
    fall, rise = powers.of_sum(weight, moment_cut(config.length, int(row.kind)))
    with np.errstate(divide="ignore", invalid="ignore"):
        down, up = -np.log2((at - fall) / at), np.log2((at + rise) / at)
    error = LOG2_ERROR * 2.0**-16
    return np.asarray(np.where(at > fall, np.maximum(down, up) + error, np.inf))


def _bound_mean(powers: _Powers, half_word: float) -> Floats:
    safe = np.where(powers.total > 0, powers.total, 1)
    mean = (powers.k * powers.power).sum(axis=1) / safe
    from_mean = powers.k - mean[:, None]
    cross = 2 * np.sqrt((from_mean**2 * powers.power).sum(axis=1)) * powers.eta
    largest = np.abs(from_mean).max(axis=1)
    move = cross + largest * powers.eta**2 + np.abs(from_mean).sum(axis=1) * powers.cut
    least = powers.total - powers.of_sum(np.ones_like(powers.k))[0]
    return np.where(least > 0, move / np.where(least > 0, least, 1) + half_word, np.inf)


def _bound_median(powers: _Powers, row: SpectrumRow, half_word: float) -> Floats:
    move = 2 * np.sqrt(powers.total) * powers.eta + powers.eta**2 + len(powers.k) * powers.cut
    share = np.divide(move, powers.total, out=np.full_like(move, np.inf), where=powers.total > 0)
    held = np.minimum(share, 1)
    low = find_median(powers.power, row.first_bin, (1 - held) / 2)
    high = find_median(powers.power, row.first_bin, (1 + held) / 2, is_upper=True)
    at = find_median(powers.power, row.first_bin)
    return np.where(share < 1, np.maximum(high - at, at - low) + half_word, np.inf)


def _bound_peak(powers: _Powers) -> Floats:
    of_bin, cut = powers.of_bin[:, None], powers.cut[:, None]
    least = np.maximum(powers.size - of_bin, 0) ** 2 - cut
    may_be = (powers.size + of_bin) ** 2 + cut >= least.max(axis=1, keepdims=True)
    at = powers.size.argmax(axis=1)
    places = np.arange(len(powers.k))[:, None]
    away = np.where(may_be, np.abs(places - at[:, None]), 0).max(axis=1)
    return np.where(least.max(axis=1) > 0, away, np.inf)


def bound_spectrum(config: SpectrumConfig, x: Floats, deviation: float = 0.5) -> Floats:
    """Largest distance of the twin's spectral features from the float ones.

    Parameters
    ----------
    config
        What is computed.
    x
        Signal in counts that no word saturates, (n_windows, n_samples, n_channels).
    deviation
        Largest distance of a word from the signal, in words: half a word where it is rounded from ``x`` itself.

    Returns
    -------
    NDArray[np.float64]
        Bounds in the features' units, (n_windows, n_features, n_channels); infinite where nothing is promised.
    """
    u, bin_hz = x * 2.0**config.word_shift, config.rate_hz / config.length
    half_word = 2.0 ** -(33 - config.length.bit_length() + 1)
    found = []
    for row in config.rows:
        powers = _Powers(config, u, row, deviation)
        match row.kind:
            case SpectrumKind.MEAN:
                found.append(bin_hz * _bound_mean(powers, half_word))
            case SpectrumKind.MEDIAN:
                found.append(bin_hz * _bound_median(powers, row, half_word))
            case SpectrumKind.PEAK:
                found.append(bin_hz * _bound_peak(powers))
            case _:
                found.append(_bound_log(powers, config, row))
    return np.stack(found, axis=1)
