"""Dense networks over features, trained in NumPy.

A study adapts thousands of networks of some 30,000 weights to persons, a second each: Keras would spend more on
calls than on arithmetic. The network is the one that :func:`to_keras` gives to the converter, and to the patch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from myo_training.quiet import import_tensorflow

Floats = NDArray[np.float32]
Augment = Callable[[Floats, Floats, np.random.Generator], tuple[Floats, Floats]]

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8  # Adam's own
_WARM_UP: Final = 0.05  # share of the steps in which the learning rate rises
_LAST_RATE: Final = 0.02  # share of it that the cosine ends on


@dataclass
class DenseNet:
    """Weights (n_in, n_out) and offsets (n_out,) of each layer; ReLU between, nothing behind the last.

    Attributes
    ----------
    weights, offsets
        Of each layer.
    n_windows
        Windows in an input: the last and those before it, the oldest first.
    n_shared
        Layers from the first that see one window each, with the same weights for all; the next sees what they make of all.
    """

    weights: list[Floats]
    offsets: list[Floats]
    n_windows: int = 1
    n_shared: int = 0

    @classmethod
    def draw(
        cls, sizes: Sequence[int], rng: np.random.Generator, *, n_windows: int = 1, n_shared: int = 0
    ) -> DenseNet:
        """Draw a network with layers of ``sizes``, a window's input first; the output begins near zero."""
        pairs = [
            (n_in * n_windows if layer == n_shared else n_in, n_out)
            for layer, (n_in, n_out) in enumerate(pairwise(sizes))
        ]
        weights = [(rng.standard_normal(pair) * np.sqrt(2 / pair[0])).astype(np.float32) for pair in pairs]
        weights[-1] *= 0.3
        return cls(weights, [np.zeros(n, np.float32) for _, n in pairs], n_windows, n_shared)

    def copy(self) -> DenseNet:
        """Return a network with weights of its own."""
        return replace(
            self, weights=[w.copy() for w in self.weights], offsets=[b.copy() for b in self.offsets]
        )

    def arrange(self, h: Floats, layer: int) -> Floats:
        """Return what goes into a layer as its rows: a window each where it is shared, else all windows of an input."""
        return h.reshape(-1, self.weights[layer].shape[0]) if layer in (0, self.n_shared) else h

    @property
    def n_parameters(self) -> int:
        """Weights and offsets."""
        return sum(w.size + b.size for w, b in zip(self.weights, self.offsets, strict=True))

    def compute_logits(self, x: NDArray[np.floating]) -> Floats:
        """Return the outputs of inputs (n, ...), flattened, before any softmax: (n, n_outputs)."""
        h = x
        for layer, (w, b) in enumerate(zip(self.weights, self.offsets, strict=True)):
            h = self.arrange(h if layer == 0 else np.maximum(h, 0), layer) @ w + b
        return np.asarray(h, np.float32)

    def predict(self, x: NDArray[np.floating]) -> Floats:
        """Return the probabilities of classes, (n, n_classes)."""
        return soften(self.compute_logits(x))


def soften(logits: NDArray[np.floating]) -> Floats:
    """Softmax over the last axis."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True), np.float32)


@dataclass(frozen=True)
class FitSettings:
    """How a network is fitted.

    Attributes
    ----------
    epochs, batch_size, learning_rate
        Adam on a cosine schedule.
    dropout
        Behind each hidden layer.
    smoothing
        Share of the target that is spread over all classes.
    decay
        Decoupled weight decay.
    """

    epochs: int
    batch_size: int = 512
    learning_rate: float = 2e-3
    dropout: float = 0.2
    smoothing: float = 0.05
    decay: float = 1e-4


class _Adam:
    def __init__(self, net: DenseNet, settings: FitSettings, n_steps: int) -> None:
        self._values = [*net.weights, *net.offsets]
        self._n_weights = len(net.weights)
        self._mean = [np.zeros_like(v) for v in self._values]
        self._square = [np.zeros_like(v) for v in self._values]
        self._settings, self._n_steps, self._step = settings, n_steps, 0

    def step(self, gradients: list[Floats]) -> None:
        self._step += 1
        t, warm = self._step, max(1, int(_WARM_UP * self._n_steps))
        turn = np.pi * max(0, t - warm) / max(1, self._n_steps - warm)
        rate = self._settings.learning_rate * min(t / warm, 1.0)
        rate *= 0.5 * (1 + np.cos(turn)) * (1 - _LAST_RATE) + _LAST_RATE
        of_mean, of_square = 1 - _BETA1**t, 1 - _BETA2**t
        for k, (value, g) in enumerate(zip(self._values, gradients, strict=True)):
            self._mean[k] += (1 - _BETA1) * (g - self._mean[k])
            self._square[k] += (1 - _BETA2) * (g * g - self._square[k])
            value -= rate * (self._mean[k] / of_mean) / (np.sqrt(self._square[k] / of_square) + _EPSILON)
            if k < self._n_weights:
                value -= rate * self._settings.decay * value


def _propagate(
    net: DenseNet, x: Floats, dropout: float, rng: np.random.Generator
) -> tuple[list[Floats], list[Floats], Floats]:
    """Return the inputs of each layer, the masks of the hidden ones (with what dropout scales by), and the output."""
    inputs, masks, h = [net.arrange(x, 0)], [], net.arrange(x, 0)
    for layer, (w, b) in enumerate(zip(net.weights[:-1], net.offsets[:-1], strict=True)):
        h = h @ w + b
        mask = (h > 0).astype(np.float32)
        if dropout:
            mask *= (rng.random(h.shape, dtype=np.float32) >= dropout).astype(np.float32) / np.float32(
                1 - dropout
            )
        h = net.arrange(h * mask, layer + 1)
        masks.append(mask)
        inputs.append(h)
    return inputs, masks, h @ net.weights[-1] + net.offsets[-1]


def _differentiate(net: DenseNet, inputs: list[Floats], masks: list[Floats], slope: Floats) -> list[Floats]:
    """Return the gradients of weights, then of offsets, from the loss's slope at the output."""
    of_weights: list[Floats] = []
    of_offsets: list[Floats] = []
    for layer in range(len(net.weights) - 1, -1, -1):
        of_weights.append(inputs[layer].T @ slope)
        of_offsets.append(slope.sum(axis=0))
        if layer:
            slope = (slope @ net.weights[layer].T).reshape(masks[layer - 1].shape) * masks[layer - 1]
    return [*of_weights[::-1], *of_offsets[::-1]]


def fit_classes(
    net: DenseNet,
    x: Floats,
    targets: NDArray[Any],
    settings: FitSettings,
    rng: np.random.Generator,
    *,
    weights: NDArray[np.floating] | None = None,
    augment: Augment | None = None,
) -> DenseNet:
    """Fit a classifier in place, by weighted cross-entropy.

    Parameters
    ----------
    net
        What to fit, from the weights that it has.
    x
        Inputs, (n, ...).
    targets
        Class numbers (n,), or a probability a class, (n, n_classes).
    settings
        How.
    rng
        Generator of everything random.
    weights
        Of each window; None: the same for all.
    augment
        Makes new inputs and targets of each batch.

    Returns
    -------
    DenseNet
        ``net``.
    """
    n_classes = net.offsets[-1].size
    if targets.ndim == 1:
        targets = np.eye(n_classes, dtype=np.float32)[targets]
    goal = np.asarray(targets * (1 - settings.smoothing) + settings.smoothing / n_classes, np.float32)
    share = (
        np.ones(len(x), np.float32) if weights is None else (weights / np.mean(weights)).astype(np.float32)
    )
    n_batches = max(1, len(x) // settings.batch_size)
    adam = _Adam(net, settings, settings.epochs * n_batches)
    for _ in range(settings.epochs):
        order = rng.permutation(len(x))
        for batch in range(n_batches):
            chosen = order[batch * settings.batch_size : (batch + 1) * settings.batch_size]
            inputs, wanted = x[chosen], goal[chosen]
            if augment is not None:
                inputs, wanted = augment(inputs, wanted, rng)
            layers, masks, logits = _propagate(net, inputs, settings.dropout, rng)
            slope = (soften(logits) - wanted) * (share[chosen] / len(chosen))[:, None]
            adam.step(_differentiate(net, layers, masks, np.asarray(slope, np.float32)))
    return net


def fit_shape(
    net: DenseNet,
    trials: Sequence[tuple[Floats, NDArray[np.floating]]],
    settings: FitSettings,
    rng: np.random.Generator,
) -> DenseNet:
    """Fit a network of one output in place so that it follows a value over each trial but for scale and offset.

    The loss is minus the mean over trials of Pearson's r, which is what a sensor without calibration can be asked for.

    Parameters
    ----------
    net
        What to fit.
    trials
        Inputs (n, ...) and values (n,) of each trial.
    settings
        How; a batch is of ``batch_size`` trials, and ``smoothing`` is not used.
    rng
        Generator of everything random.
    """
    n_batches = max(1, len(trials) // settings.batch_size)
    adam = _Adam(net, settings, settings.epochs * n_batches)
    for _ in range(settings.epochs):
        order = rng.permutation(len(trials))
        for batch in range(n_batches):
            chosen = [
                trials[k] for k in order[batch * settings.batch_size : (batch + 1) * settings.batch_size]
            ]
            x = np.concatenate([inputs.reshape(len(inputs), -1) for inputs, _ in chosen])
            layers, masks, output = _propagate(net, x, settings.dropout, rng)
            slopes, start = [], 0
            for _, values in chosen:
                found = output[start : start + len(values), 0]
                slopes.append(_slope_of_correlation(found, values) / (len(values) * len(chosen)))
                start += len(values)
            slope = np.concatenate(slopes)[:, None].astype(np.float32)
            adam.step(_differentiate(net, layers, masks, slope))
    return net


def _slope_of_correlation(found: Floats, values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the slope of minus r, times the length."""
    centred = found - found.mean()
    size = np.sqrt((centred**2).mean()) + 1e-3
    wanted = (values - values.mean()) / (values.std() + 1e-6)
    z = centred / size
    return np.asarray(((z * wanted).mean() * z - wanted) / size)


def to_keras(net: DenseNet, shape: Sequence[int], *, classes: bool) -> Any:  # noqa: ANN401 - Keras has no types
    """Build the Keras model of a network for inputs of ``shape`` (n_windows, n_components, n_channels)."""
    layers = import_tensorflow().keras.layers
    inputs = x = layers.Input(tuple(shape))
    if net.n_shared:  # a convolution over the windows, of one at a time
        x = layers.Reshape((1, net.n_windows, -1))(x)
        for b in net.offsets[: net.n_shared]:
            x = layers.Conv2D(b.size, 1, activation="relu")(x)
    x = layers.Flatten()(x)
    for b in net.offsets[net.n_shared : -1]:
        x = layers.Dense(b.size, activation="relu")(x)
    activation = "softmax" if classes else "linear"
    x = layers.Dense(net.offsets[-1].size, activation=activation)(x)
    model = import_tensorflow().keras.Model(inputs, x)
    pairs = zip(model.get_weights()[::2], net.weights, net.offsets, strict=True)
    model.set_weights([a for form, w, b in pairs for a in (w.reshape(form.shape), b)])
    return model
