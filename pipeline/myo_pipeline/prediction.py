"""Linear prediction of a window, ``x[i] ~ sum a[k] x[i-k]``, and the cepstrum of its spectrum: float, integer, bound.

The autocorrelation method. In integers the reflection coefficients come from the lattice recursion, in which every
number stays within 1, the prediction coefficients from them.

References
----------
Makhoul 1975, Linear prediction: a tutorial review, Proc. IEEE 63(4), doi:10.1109/PROC.1975.9792 (III.A and III.D).
Le Roux and Gueguen 1977, A fixed point computation of partial correlation coefficients, IEEE Trans. Acoust. Speech
Signal Process. 25(3), doi:10.1109/TASSP.1977.1163000.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from myo_pipeline import fixed_math as fm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_ORDER = 8
_ONE = 1 << 30  # of lags and reflection coefficients


def coefficient_bits(order: int) -> int:
    """Fraction bits of the coefficients' words: ``|a[k]|`` is at most ``binomial(order, k) <= 2^(order-1)``."""
    return 31 - order


# ---- float ----


def _lags(x: Floats, order: int) -> Floats:
    """Sum ``x[i] x[i-k]``, k = 0 .. order; (n_windows, order + 1, n_channels)."""
    n = x.shape[1]
    return np.stack([(x[:, k:] * x[:, : n - k]).sum(axis=1) for k in range(order + 1)], axis=1)


def predict(x: Floats, order: int) -> Floats:
    """Prediction coefficients ``a[1] .. a[order]`` by Levinson's recursion.

    Once a window is predicted fully, no further reflection follows.

    Parameters
    ----------
    x
        Windows, (n_windows, n_samples, n_channels).
    order
        Coefficients, 1 .. MAX_ORDER.

    Returns
    -------
    NDArray[np.float64]
        Shape (n_windows, order, n_channels).
    """
    r = _lags(x, order)
    error = r[:, 0].copy()
    a = np.zeros((len(r), order, r.shape[2]))
    for i in range(order):
        rest = r[:, i + 1] - (a[:, :i] * r[:, i:0:-1]).sum(axis=1)
        k = np.divide(rest, error, out=np.zeros_like(rest), where=error > 1e-14 * r[:, 0])
        a[:, :i] -= k[:, None] * a[:, :i][:, ::-1]
        a[:, i] = k
        error *= 1 - k * k
    return a


def cepstrum(a: Floats) -> Floats:
    """Cepstral coefficients ``c[1] .. c[order]`` of the all-pole spectrum ``1 / |1 - sum a[k] z^-k|^2``, without its gain.

    ``n c[n] = n a[n] + sum l c[l] a[n-l]``, l = 1 .. n-1.

    References
    ----------
    Atal 1974, J. Acoust. Soc. Am. 55(6), doi:10.1121/1.1914702, equation 8.
    """
    order = a.shape[1]
    scaled = np.zeros_like(a)  # n c[n]: the power sums of the poles
    for n in range(1, order + 1):
        earlier = (scaled[:, : n - 1] * a[:, : n - 1][:, ::-1]).sum(axis=1)
        scaled[:, n - 1] = n * a[:, n - 1] + earlier
    return scaled / np.arange(1, order + 1)[:, None]


# ---- integer ----


def _round_shift(v: Ints, shift: int) -> Ints:
    return (v + (1 << (shift - 1))) >> shift if shift else v


def _reflections(square: Ints, lags: Ints) -> list[Ints]:
    """Reflection coefficients in Q30; after one that reaches 1, zeros."""
    order = lags.shape[1]
    r = [np.where(square > 0, _ONE, 0)]
    r += [np.sign(v) * fm.divide_nearest(np.abs(v), square, 30) for v in np.moveaxis(lags, 1, 0)]
    forward, backward = list(r), list(r)
    found = []
    for i in range(1, order + 1):
        rest, error = forward[i], backward[i - 1]
        size = np.minimum(fm.divide_nearest(np.abs(rest), np.maximum(error, 0), 30), _ONE)
        k = np.sign(rest) * size
        for j in range(order, i - 1, -1):
            ahead, behind = forward[j], backward[j - 1]
            forward[j] = ahead - _round_shift(k * behind, 30)
            backward[j] = behind - _round_shift(k * ahead, 30)
        found.append(k)
    return found


def predict_words(square: Ints, lags: Ints) -> Ints:
    """Twin of :func:`predict` from exact sums: ``square`` (...) and ``lags`` (n_windows, order, n_channels)."""
    order = lags.shape[1]
    a: list[Ints] = []
    for k in _reflections(square, lags):
        a = [v - _round_shift(k * w, 30) for v, w in zip(a, a[::-1], strict=True)]
        a.append(_round_shift(k, order - 1))
    return np.stack(a, axis=1)


def cepstrum_words(a: Ints) -> Ints:
    """Twin of :func:`cepstrum` from the words of the prediction."""
    order = a.shape[1]
    scaled: list[Ints] = []
    for n in range(1, order + 1):
        earlier = sum((scaled[m - 1] * a[:, n - m - 1] for m in range(1, n)), np.zeros_like(a[:, 0]))
        word = n * a[:, n - 1] + _round_shift(earlier, coefficient_bits(order))
        scaled.append(np.clip(word, fm.INT32_MIN, fm.INT32_MAX))
    return np.stack([(2 * v + n) // (2 * n) for n, v in enumerate(scaled, 1)], axis=1)


# ---- bound ----


def _bound_moved_samples(u: Floats, order: int, off: float) -> Floats:
    """How far a may move where each sample moves by ``off``, (n_windows, 1, n_channels).

    a solves the least squares ``X a = x`` of the padded signal; with ``X' = X + W`` and ``x' = x + w``, the normal
    equations give ``R' (a' - a) = W' e + X' (w - W a)`` with e the prediction's error, orthogonal to X.
    """
    a, r = predict(u, order), _lags(u, order)
    apart = np.abs(np.subtract.outer(np.arange(order), np.arange(order)))
    smallest = np.sqrt(np.maximum(np.linalg.eigvalsh(r[:, apart].transpose(0, 3, 1, 2))[..., 0], 0))
    error = np.sqrt(np.maximum(r[:, 0] - (a * r[:, 1:]).sum(axis=1), 0))
    deviation = np.sqrt(u.shape[1]) * off
    left = smallest - deviation * np.sqrt(order)
    with np.errstate(divide="ignore", invalid="ignore"):
        move = (deviation * np.sqrt(order) * error / left + (1 + np.abs(a).sum(axis=1)) * deviation) / left
    return np.where(left > 0, move, np.inf)[:, None]


def _bound_recursion(u: Floats, order: int, off: float) -> Floats:
    """Follow the rounding of the integer recursion on a window's words, (n_windows, order, n_channels).

    Words that are rounded from u are known; of others is known that each lies within ``off``, and so the lags.
    """
    words = np.floor(u + 0.5) if off == 0.5 else u
    r = _lags(words, order)
    square = np.where(r[:, 0] > 0, r[:, 0], 1)
    lags = [r[:, j] / square for j in range(order + 1)]
    moves = [np.zeros_like(square) for _ in lags]
    if off != 0.5:
        length, by = np.sqrt(r[:, 0]), off * np.sqrt(u.shape[1])
        of_lag, left = 2 * length * by + by * by, length - by
        with np.errstate(divide="ignore", invalid="ignore"):  # each over a square that moves along
            moves = [np.where(left > 0, (1 + np.abs(v)) * of_lag / left**2, np.inf) for v in lags]
        moves[0] = np.zeros_like(square)  # the first lag is 1
    with np.errstate(invalid="ignore", divide="ignore"):  # infinite where nothing is promised
        return _run_errors(lags, moves, order)


def _run_errors(lags: list[Floats], moves: list[Floats], order: int) -> Floats:
    """Bound the rounding of the recursion on any lags that are no farther than ``moves`` from ``lags``.

    Each quantity is known at ``lags``; it moves with them, and the integer one rounds beside it. What rounding grows by
    are quantities that have moved as far as they may.
    """
    forward, of_forward = list(lags), [np.full_like(lags[0], 2.0**-31) for _ in lags]
    backward, of_backward = list(lags), [np.zeros_like(lags[0]), *of_forward[1:]]
    move_forward, move_backward = list(moves), list(moves)
    a: list[Floats] = []
    move_a: list[Floats] = []
    of_a: list[Floats] = []
    half = 2.0 ** -(coefficient_bits(order) + 1)
    for i in range(1, order + 1):
        b, move_b, of_b = backward[i - 1], move_backward[i - 1], of_backward[i - 1]
        k = np.where(b > 0, forward[i] / b, 0)
        least = b - move_b
        move_k = np.where(least > 0, (move_forward[i] + np.abs(k) * move_b) / least, np.inf)
        k_most = np.abs(k) + move_k
        of_k = (of_forward[i] + k_most * of_b) / (least - of_b) + 2.0**-31
        of_k = np.where(least > of_b, of_k, np.inf)
        k = np.where(np.isfinite(of_k), k, 0)
        for j in range(order, i - 1, -1):
            f, b, move_f, move_b = forward[j], backward[j - 1], move_forward[j], move_backward[j - 1]
            of_f, of_b, f_most, b_most = (
                of_forward[j],
                of_backward[j - 1],
                np.abs(f) + move_f,
                np.abs(b) + move_b,
            )
            forward[j], backward[j] = f - k * b, b - k * f
            move_forward[j] = move_f + np.abs(k) * move_b + move_k * b_most
            move_backward[j] = move_b + np.abs(k) * move_f + move_k * f_most
            of_forward[j] = of_f + k_most * of_b + of_k * (b_most + of_b) + 2.0**-31
            of_backward[j] = of_b + k_most * of_f + of_k * (f_most + of_f) + 2.0**-31
        most = [np.abs(w) + move for w, move in zip(a, move_a, strict=True)]
        of_a = [of_v + k_most * of_w + of_k * (w + of_w) + half
                for of_v, of_w, w in zip(of_a, of_a[::-1], most[::-1], strict=True)]  # fmt: skip
        move_a = [move_v + np.abs(k) * move_w + move_k * w
                  for move_v, move_w, w in zip(move_a, move_a[::-1], most[::-1], strict=True)]  # fmt: skip
        a = [v - k * w for v, w in zip(a, a[::-1], strict=True)]
        a.append(k)
        move_a.append(move_k)
        of_a.append(of_k + half)
    return np.stack(of_a, axis=1)


def _move_of_prediction(u: Floats, order: int, off: float) -> tuple[Floats, Floats]:
    """How far a may move by the samples' deviation, in 2-norm, and each coefficient by the recursion's rounding."""
    return _bound_moved_samples(u, order, off), _bound_recursion(u, order, off)


def bound_prediction(u: Floats, order: int, off: float = 0.5) -> Floats:
    """Largest distance of the twin's prediction coefficients from the float ones.

    Parameters
    ----------
    u
        Windows in units of words, not saturated, (n_windows, n_samples, n_channels).
    order
        Coefficients.
    off
        Largest distance of a word from u; half a word where it is rounded from u itself.

    Returns
    -------
    NDArray[np.float64]
        Shape (n_windows, order, n_channels); infinite where a window is predicted almost fully.
    """
    bound = np.add(*_move_of_prediction(u, order, off))
    return np.where(np.isnan(bound), np.inf, bound)


def bound_cepstrum(u: Floats, order: int, off: float = 0.5) -> Floats:
    """Largest distance of the twin's cepstral coefficients from the float ones, as :func:`bound_prediction`.

    ``d c[n] / d a[j] = h[n-j]``, h the impulse response of ``1 / (1 - sum a[k] z^-k)``: by the mean value theorem c moves
    by no more than a's move times the largest such response of any a in between.
    """
    a, of_samples, of_recursion = predict(u, order), *_move_of_prediction(u, order, off)
    of_a, n_windows, n_channels = of_samples + of_recursion, len(a), a.shape[2]
    response = np.ones((n_windows, 1, n_channels))
    of_response = np.zeros_like(response)
    rounding = np.zeros_like(a)  # of n c[n]
    half = 2.0 ** -(coefficient_bits(order) + 1)
    bound = np.zeros_like(a)
    with np.errstate(invalid="ignore"):
        for n in range(1, order + 1):
            largest = (np.abs(response) + of_response)[:, ::-1]  # beside a[1] .. a[n]
            of_n = of_samples[:, 0] * np.sqrt((largest**2).sum(axis=1))
            bound[:, n - 1] = of_n + (largest * of_recursion[:, :n]).sum(axis=1)
            size = (np.abs(a) + of_a)[:, :n][:, ::-1]
            rounding[:, n - 1] = half + (rounding[:, : n - 1] * size[:, 1:]).sum(axis=1)
            bound[:, n - 1] += rounding[:, n - 1] / n + half
            # h[n] = sum a[k] h[n-k]
            move = (size * of_response + of_a[:, :n][:, ::-1] * np.abs(response)).sum(axis=1)
            response = np.concatenate([response, (a[:, :n][:, ::-1] * response).sum(axis=1)[:, None]], axis=1)
            of_response = np.concatenate([of_response, move[:, None]], axis=1)
    return np.where(np.isnan(bound), np.inf, bound)
