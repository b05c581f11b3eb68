"""Spectral features of windows in integers: the words that ``firmware/core/features/myo_spectrum.c`` gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from myo_pipeline import fixed_math as fm
from myo_pipeline.spectrum import WORD_UP_BITS, SpectrumConfig, SpectrumKind, SpectrumRow, moment_cut

Ints = NDArray[np.int64]


def make_turns(length: int) -> Ints:
    """Cosine and sine of ``2 pi k / length`` in Q31, k = 0 .. 3/4 length - 1; (3/4 length, 2)."""
    angle = 2 * np.pi * np.arange(3 * length // 4) / length
    turns = np.floor(np.stack([np.cos(angle), np.sin(angle)], axis=1) * 2.0**31 + 0.5)
    return np.minimum(turns, 2**31 - 1).astype(np.int64)


def reverse_bits(n_bits: int) -> Ints:
    """Each index of ``2^n_bits`` with its bits reversed."""
    index = np.arange(1 << n_bits)
    return sum((((index >> b) & 1) << (n_bits - 1 - b) for b in range(n_bits)), np.zeros_like(index))


def _turn_half(re: Ints, im: Ints, by: Ints) -> tuple[Ints, Ints]:
    cosine, sine = by[:, 0], by[:, 1]
    return (re * cosine + im * sine) >> 32, (im * cosine - re * sine) >> 32


def transform(re: Ints, im: Ints) -> tuple[Ints, Ints]:
    """Twin of ``myo_fft``: (n, length) complex integers to their transform, halved at each stage but the last, bits reversed."""
    n, length = re.shape
    turns = make_turns(length)
    size = length
    if (length.bit_length() - 1) % 2:
        half = length // 2
        a, b, c, d = re[:, :half], re[:, half:], im[:, :half], im[:, half:]
        turned = _turn_half(a - b, c - d, turns[:half])
        re = np.concatenate([(a + b) >> 1, turned[0]], axis=1)
        im = np.concatenate([(c + d) >> 1, turned[1]], axis=1)
        size = half
    while size >= 4:
        quarter, stride = size // 4, length // size
        shape = (n, length // size, 4, quarter)
        (ar, br, cr, dr), (ai, bi, ci, di) = (np.moveaxis(v.reshape(shape), 2, 0) for v in (re, im))
        parts = [
            (ar + cr + br + dr, ai + ci + bi + di), (ar + cr - br - dr, ai + ci - bi - di),
            (ar - cr + bi - di, ai - ci - br + dr), (ar - cr - bi + di, ai - ci + br - dr),
        ]  # fmt: skip
        if size > 4:
            k = np.arange(quarter) * stride
            parts = [(parts[0][0] >> 1, parts[0][1] >> 1)] + [
                _turn_half(*part, turns[times * k]) for part, times in zip(parts[1:], (2, 1, 3), strict=True)
            ]
        re, im = (np.stack([part[i] for part in parts], axis=2).reshape(n, length) for i in (0, 1))
        size //= 4
    return re, im


def compute_powers(config: SpectrumConfig, windows: NDArray[np.int16]) -> tuple[Ints, Ints]:
    """Powers as the device has them, before features.

    Returns
    -------
    tuple of NDArray[np.int64]
        Powers (n_windows, length / 2, n_channels), bin 0 set to 0, and the shifts (n_windows, n_channels) by which the
        spectra's parts were raised before they were squared.
    """
    n_windows, _, n_channels = windows.shape
    x = windows.astype(np.int64)
    if config.taper_q15 is None:
        x <<= WORD_UP_BITS
    else:
        x = (x * config.taper_q15[:, None].astype(np.int64)) >> (15 - WORD_UP_BITS)
    padded = np.zeros((n_windows, n_channels + n_channels % 2, config.length), np.int64)
    padded[:, :n_channels, : config.window] = x.transpose(0, 2, 1)
    pairs = padded.reshape(-1, 2, config.length)
    order = reverse_bits(config.length.bit_length() - 1)
    re, im = (v[:, order] for v in transform(pairs[:, 0], pairs[:, 1]))
    a, b = (v[:, 1 : config.length // 2] for v in (re, im))
    c, d = (v[:, : config.length // 2 : -1] for v in (re, im))
    parts = np.stack([np.stack([a + c, b - d]), np.stack([a - c, b + d])])  # channel, part, pair, bin
    used = np.bitwise_or.reduce(np.bitwise_or.reduce(parts ^ (parts >> 63), axis=1), axis=2)
    shift = 31 - np.frexp((used | 1).astype(np.float64))[1].astype(np.int64)
    squares = ((parts << shift[:, None, :, None]) ** 2).astype(np.uint64)
    powers = (squares.sum(axis=1) >> np.uint64(32)).astype(np.int64)  # channel, pair, bin
    powers = np.pad(powers, ((0, 0), (0, 0), (1, 0)))
    n_bins = config.length // 2
    by_window = powers.transpose(1, 0, 2).reshape(n_windows, -1, n_bins)[:, :n_channels].transpose(0, 2, 1)
    return by_window, shift.T.reshape(n_windows, -1)[:, :n_channels]


def _median(powers: Ints, first_bin: int, bits: int) -> Ints:
    total, sums = powers.sum(axis=1), np.cumsum(powers, axis=1)
    k = np.argmax(2 * sums >= total[:, None], axis=1)[:, None]
    power = np.take_along_axis(powers, k, axis=1)
    below = np.take_along_axis(sums, k, axis=1) - power
    inside = fm.divide_nearest((total[:, None] - 2 * below), 2 * power, bits)
    words = ((2 * (k + first_bin) - 1) << (bits - 1)) + inside
    return np.where(total > 0, words[:, 0], 0)


def _words(row: SpectrumRow, config: SpectrumConfig, powers: Ints, shifts: Ints) -> Ints:
    powers = powers[:, row.first_bin : row.end_bin]
    k = np.arange(row.first_bin, row.end_bin)[:, None]
    bits = 33 - config.length.bit_length()
    match row.kind:
        case SpectrumKind.MEAN:
            return fm.divide_nearest((k * powers).sum(axis=1), powers.sum(axis=1), bits)
        case SpectrumKind.MEDIAN:
            return _median(powers, row.first_bin, bits)
        case SpectrumKind.PEAK:
            return np.where(powers.any(axis=1), row.first_bin + powers.argmax(axis=1), 0)
        case _:
            cut = moment_cut(config.length, int(row.kind))
            moment = (k ** int(row.kind) * (powers >> cut)).sum(axis=1)
            return fm.log2_q16(np.maximum(moment, 1)) + ((cut - 2 * shifts) << 16)


def compute_spectrum_words(config: SpectrumConfig, windows: NDArray[np.int16]) -> NDArray[np.int32]:
    """Features of windows, as the device gives them.

    Parameters
    ----------
    config
        What to compute.
    windows
        int16 words, shape (n_windows, config.window, n_channels).

    Returns
    -------
    NDArray[np.int32]
        Shape (n_windows, n_features, n_channels).
    """
    powers, shifts = compute_powers(config, windows)
    return np.stack([_words(row, config, powers, shifts) for row in config.rows], axis=1).astype(np.int32)
