"""Batches of training windows, augmented in training only: the patch sees electrodes in the order that they are worn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_training.model import INPUT_MAX
from myo_training.quiet import import_tensorflow

P_TURN = 0.5  # share of windows that are turned around the arm
GAIN_SD = 0.3  # natural-log standard deviation of a window's gain
CHANNEL_GAIN_SD = 0.15  # of each channel's, on top


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
    n_windows, n_channels = len(x), x.shape[-1]
    if n_channels > 2:  # one electrode further is a ring only with three or more
        turn = np.where(rng.random(n_windows) < P_TURN, rng.choice([-1, 1], n_windows), 0)
        order = (np.arange(n_channels)[None] + turn[:, None]) % n_channels
        x = np.take_along_axis(x, order[:, None, None, :], axis=3)
    gain = GAIN_SD * rng.standard_normal((n_windows, 1, 1, 1))
    gain = gain + CHANNEL_GAIN_SD * rng.standard_normal((n_windows, 1, 1, n_channels))
    return np.clip(x * np.exp(gain).astype(np.float32), -1.0, INPUT_MAX)


def make_batches(
    x: NDArray[np.float32], y: NDArray[Any], weights: NDArray[np.float32], batch_size: int, augment: bool, seed: int
) -> Any:  # noqa: ANN401 - a Keras type
    """Return a Keras data set of shuffled batches; order and augmentation follow from seed, epoch and batch alone."""

    class Batches(import_tensorflow().keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(workers=1, use_multiprocessing=False)
            self._epoch = 0
            self._order = np.random.default_rng((seed, 1, 0)).permutation(len(x))

        def __len__(self) -> int:
            return max(1, -(-len(x) // batch_size))

        def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[np.float32]]:
            chosen = self._order[index * batch_size : (index + 1) * batch_size]
            batch = x[chosen]
            if augment:
                batch = augment_windows(batch, np.random.default_rng((seed, 2, self._epoch, index)))
            return batch, y[chosen], weights[chosen]

        def on_epoch_end(self) -> None:
            self._epoch += 1
            self._order = np.random.default_rng((seed, 1, self._epoch)).permutation(len(x))

    return Batches()
