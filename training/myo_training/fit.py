"""Learning: weighted cross-entropy or mean square, Adam on a cosine schedule, the epoch chosen on others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.spec import Training
from myo_training.augmentation import augment_windows, iterate_batches
from myo_training.metrics import count_confusion, measure_macro
from myo_training.quiet import import_tensorflow, quiet_stderr

Progress = Callable[[str, float], None]
Augment = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]
WARM_UP = 0.05  # share of the steps in which the learning rate rises to its peak


@dataclass(frozen=True)
class Examples:
    """Network inputs (n, 1, n_samples, n_channels), targets, and a weight a window."""

    x: NDArray[np.float32]
    y: NDArray[Any]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class History:
    """Loss and validation score of each epoch, and the epoch (from 0) whose weights were kept."""

    loss: list[float]
    validation_score: list[float]
    kept_epoch: int


def fit_model(
    model: Any,  # noqa: ANN401
    train: Examples,
    validation: Examples | None,
    settings: Training,
    classes: bool,
    progress: Progress,
    augment: Augment = augment_windows,
) -> History:
    """Fit a model in place.

    Parameters
    ----------
    model
        Keras model, uncompiled.
    train
        Training windows.
    validation
        Windows of the persons that choose the epoch: the one with the best macro accuracy, or the least RMSE,
        is kept; without them the last one.
    settings
        Epochs, batch size, learning rate, augmentation and seed.
    classes
        Whether targets are class numbers.
    progress
        Called with a phrase and a fraction of 0 .. 1.

    Returns
    -------
    History
        Of the fit.
    """
    keras = import_tensorflow().keras
    n_steps = settings.epochs * max(1, len(train.x) // settings.batch_size)
    warm = max(1, round(WARM_UP * n_steps))
    rate = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate / 20,
        max(1, n_steps - warm),
        warmup_target=settings.learning_rate,
        warmup_steps=warm,
    )
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy" if classes else "mean_squared_error",
        jit_compile=False,
    )
    losses: list[float] = []
    scores: list[float] = []
    best: list[NDArray[np.float32]] = []
    kept = 0
    with quiet_stderr():
        for epoch in range(settings.epochs):
            batch_losses = []
            for chosen, rng in iterate_batches(len(train.x), settings.batch_size, settings.seed, epoch):
                x = train.x[chosen]
                if settings.augment:
                    x = augment(x, rng)
                model.reset_metrics()
                loss = model.train_on_batch(x, train.y[chosen], sample_weight=train.weights[chosen])
                batch_losses.append(float(np.ravel(loss)[0]))
            losses.append(float(np.mean(batch_losses)))
            text = f"epoch {epoch + 1} of {settings.epochs}, loss {losses[-1]:.3f}"
            if validation is not None:
                scores.append(_score(model, validation, classes))
                text += f", validation {'macro accuracy' if classes else 'RMSE'} {abs(scores[-1]):.3f}"
                if epoch == int(np.argmax(scores)):
                    best, kept = model.get_weights(), epoch
            else:
                kept = epoch
            progress(text, (epoch + 1) / settings.epochs)
    if best:
        model.set_weights(best)
    return History(losses, scores, kept)


def _score(model: Any, examples: Examples, classes: bool) -> float:  # noqa: ANN401
    """Return what is better the larger it is: macro accuracy, or minus RMSE."""
    chunk = 8192
    outputs = np.concatenate(
        [
            np.asarray(model.predict_on_batch(examples.x[i : i + chunk]))
            for i in range(0, len(examples.x), chunk)
        ]
    )
    if classes:
        return measure_macro(count_confusion(examples.y, outputs.argmax(axis=1), outputs.shape[1]))
    return -float(np.sqrt(((outputs - examples.y) ** 2).mean()))
