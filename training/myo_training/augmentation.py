"""Batches of training windows, augmented in training only: the patch sees its electrodes as they are worn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from myo_training.model import INPUT_MAX

P_TURN = 0.3  # share of windows that are turned around the arm
GAIN_SD = 0.15  # natural-log standard deviation of a window's gain
CHANNEL_GAIN_SD = 0.075  # of each channel's, on top


def augment_windows(x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Turn some windows by one electrode either way, and scale each window and each of its channels.

    Parameters
    ----------
    x
        Network inputs, shape (n_windows, 1, n_samples, n_channels).
    rng
        Generator of everything random.

    Returns
    -------
    NDArray[np.float32]
        New windows, clipped to the input's range.
    """
    x = turn_electrodes(x, rng)
    return np.clip(x * np.exp(draw_gains(x, rng)).astype(np.float32), -1.0, INPUT_MAX)


class ChannelAugmentation:
    """:func:`augment_windows` for inputs whose channels have scales of their own: electrodes turn in counts.

    Auxiliary channels, behind the ``n_emg`` of EMG, stay as they are: their sensors are calibrated, and do not turn with the
    electrodes.
    """

    def __init__(self, scales: NDArray[np.float64], n_emg: int | None = None) -> None:
        self._n_emg = len(scales) if n_emg is None else n_emg
        self._scales = scales[: self._n_emg].astype(np.float32)

    def __call__(self, x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return new windows (n_windows, 1, n_samples, n_channels), clipped to the input's range."""
        emg = turn_electrodes(x[..., : self._n_emg] * self._scales, rng) / self._scales
        emg = np.clip(emg * np.exp(draw_gains(emg, rng)).astype(np.float32), -1.0, INPUT_MAX)
        return np.concatenate([emg, x[..., self._n_emg :]], axis=-1)


def turn_electrodes(x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Turn some windows (n_windows, any, any, n_channels) by one electrode either way."""
    n_windows, n_channels = len(x), x.shape[-1]
    if n_channels > 2:  # one electrode further is a ring only with three or more
        turn = np.where(rng.random(n_windows) < P_TURN, rng.choice([-1, 1], n_windows), 0)
        order = (np.arange(n_channels)[None] + turn[:, None]) % n_channels
        x = np.take_along_axis(x, order[:, None, None, :], axis=3)
    return x


def draw_gains(x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the natural logarithm of a gain for each window of ``x`` and channel, (n_windows, 1, 1, n_channels)."""
    n_windows, n_channels = len(x), x.shape[-1]
    gain = GAIN_SD * rng.standard_normal((n_windows, 1, 1, 1))
    return gain + CHANNEL_GAIN_SD * rng.standard_normal((n_windows, 1, 1, n_channels))


def iterate_batches(
    n_windows: int, batch_size: int, seed: int, epoch: int
) -> Iterator[tuple[NDArray[np.int64], np.random.Generator]]:
    """Yield the windows of each batch of an epoch, shuffled, and the generator of its augmentation.

    Order and augmentation follow from seed, epoch and batch alone. The last batch is left out unless it is
    full, or the only one.
    """
    order = np.random.default_rng((seed, 1, epoch)).permutation(n_windows)
    for index in range(max(1, n_windows // batch_size)):
        chosen = order[index * batch_size : (index + 1) * batch_size]
        yield chosen, np.random.default_rng((seed, 2, epoch, index))
