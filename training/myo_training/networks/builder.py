"""One shape laid in four forms, under the same names, so that weights pass from each to the next."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from myo_training.networks.rounding import define_layers
from myo_training.quiet import import_tensorflow

Ranges = Mapping[str, tuple[float, float]]  # by layer: the ends of its words' range
INPUT = "input"  # of the network, in ranges
LSTM = "lstm"
SUM, DIFFERENCE = "add", "difference"  # layers that add or subtract others' words begin with it
WEIGHTS = "weights"  # of attention, a softmax
# By design: a scale of 1/128 and zero point 0; what the format gives a softmax.
FIXED_RANGES = {INPUT: (-1.0, 127 / 128), WEIGHTS: (0.0, 255 / 256)}


class Form(Enum):
    """What a network is laid for."""

    LEARNED = "learned"  # batch normalisation behind convolutions, dropout
    FOLDED = "folded"  # normalisation in weights and biases
    ROUNDED = "rounded"  # folded, with switches that round weights and words as int8
    RANGED = "ranged"  # folded, with the ranges of all words written down for the converter


class NetworkBuilder:
    """Lays layers in a form.

    Parameters
    ----------
    form
        The form.
    ranges
        Of the words behind each layer that :attr:`rounded` lists; for ``Form.RANGED``.

    Attributes
    ----------
    rounded
        Layers, in their order, whose words int8 has a range for; the network's input first.
    """

    def __init__(self, form: Form, ranges: Ranges | None = None) -> None:
        self.form = form
        self._ranges = ranges or {}
        self._keras = import_tensorflow().keras
        self._plain = self._keras.layers
        self._weighed = define_layers() if form is Form.ROUNDED else self._plain
        self.rounded: list[str] = []

    def input(self, shape: tuple[int, ...], name: str) -> tuple[Any, Any]:
        """Return the network's input, and what the first layer takes."""
        source = self._keras.Input(shape, name=name)
        return source, self._round(source, INPUT)

    def _round(self, x: Any, name: str) -> Any:  # noqa: ANN401
        self.rounded.append(name)
        if self.form is Form.ROUNDED:
            return define_layers().Rounding(name=f"words_{name}")(x)
        if self.form is Form.RANGED:
            return define_layers().FixedRounding(*self._ranges[name], name=f"words_{name}")(x)
        return x

    def _finish(
        self, x: Any, layer: str, norm: str, relu: str, is_rectified: bool, gain: float = 1.0,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401  # fmt: skip
        if self.form is Form.LEARNED:
            start = self._keras.initializers.Constant(gain)
            x = self._plain.BatchNormalization(momentum=0.9, gamma_initializer=start, name=norm)(x)
        if is_rectified:
            x = self._plain.ReLU(name=relu)(x)
        return self._round(x, layer)

    def convolve(
        self, x: Any, key: str, filters: int, kernel: tuple[int, int], *,  # noqa: ANN401
        stride: tuple[int, int] = (1, 1), dilation: int = 1, padding: str = "same", relu: bool = True, gain: float = 1.0,
    ) -> Any:  # noqa: ANN401  # fmt: skip
        """Convolve; layers ``conv<key>``, ``norm<key>``, ``relu<key>``. The normalisation learns from ``gain`` on."""
        x = self._weighed.Conv2D(
            filters, kernel, strides=stride, dilation_rate=(1, dilation), padding=padding,
            use_bias=self.form is not Form.LEARNED, name=f"conv{key}",
        )(x)  # fmt: skip
        return self._finish(x, f"conv{key}", f"norm{key}", f"relu{key}", relu, gain)

    def convolve_channels(self, x: Any, key: str, kernel: int, dilation: int) -> Any:  # noqa: ANN401
        """Convolve each channel by itself, without padding; layers ``depth<key>`` and so on."""
        x = self._weighed.DepthwiseConv2D(
            (1, kernel), dilation_rate=(1, dilation), padding="valid",
            use_bias=self.form is not Form.LEARNED, name=f"depth{key}",
        )(x)  # fmt: skip
        return self._finish(x, f"depth{key}", f"depth_norm{key}", f"depth_relu{key}", True)

    def look_back(self, x: Any, key: str, n_steps: int) -> Any:  # noqa: ANN401
        """Put ``n_steps`` zeros before the first time step."""
        return self._plain.ZeroPadding2D(((0, 0), (n_steps, 0)), name=f"past{key}")(x)

    def reshape(self, x: Any, shape: tuple[int, ...], name: str) -> Any:  # noqa: ANN401
        """Lay the same words out otherwise."""
        return self._plain.Reshape(shape, name=name)(x)

    def attend(self, queries: Any, keys: Any, values: Any) -> Any:  # noqa: ANN401
        """Mix values by the softmax of queries times keys; each (steps, channels)."""
        scores = self._round(self._plain.Dot(axes=(2, 2), name="scores")([queries, keys]), "scores")
        weights = self._round(self._plain.Softmax(name=WEIGHTS)(scores), WEIGHTS)
        return self._round(self._plain.Dot(axes=(2, 1), name="mixed")([weights, values]), "mixed")

    def code(self, x: Any, units: int, divergence: float | None) -> Any:  # noqa: ANN401
        """Lay the narrow layer of an autoencoder; with a divergence its words are drawn, in the learned form's training."""
        mean = self._round(self._weighed.Dense(units, name="code")(x), "code")
        if divergence is None or self.form is not Form.LEARNED:
            return mean
        spread = self._plain.Dense(units, name="spread")(x)
        return define_layers().Draw(divergence, name="drawn")([mean, spread])

    def compare(self, x: Any, given: Any) -> Any:  # noqa: ANN401
        """Lay a dense layer that gives the words ``given`` again, and return how far each is from them."""
        x = self._round(self._weighed.Dense(given.shape[1], name="again")(x), "again")
        x = self._round(self._plain.Subtract(name=DIFFERENCE)([x, given]), DIFFERENCE)
        return self._round(self._keras.ops.absolute(x), "size")

    def remember(self, x: Any, units: int) -> Any:  # noqa: ANN401
        """Run an LSTM over steps (steps, channels) and give its last hidden state; learned and folded alone."""
        return self._plain.LSTM(units, name=LSTM)(x)

    def add(self, x: Any, y: Any, key: str, relu: bool) -> Any:  # noqa: ANN401
        """Add two layers' words."""
        x = self._plain.Add(name=f"{SUM}{key}")([x, y])
        if relu:
            x = self._plain.ReLU(name=f"add_relu{key}")(x)
        return self._round(x, f"{SUM}{key}")

    def average(self, x: Any) -> Any:  # noqa: ANN401
        """Mean over both axes."""
        return self._round(self._plain.GlobalAveragePooling2D(name="mean")(x), "mean")

    def take_last(self, x: Any) -> Any:  # noqa: ANN401
        """Take the last time step."""
        if x.shape[2] > 1:
            x = self._plain.Cropping2D(((0, 0), (x.shape[2] - 1, 0)), name="last")(x)
        return self._plain.Flatten(name="flat")(x)

    def drop(self, x: Any, rate: float, name: str) -> Any:  # noqa: ANN401
        """Drop some words, in training alone."""
        return self._plain.Dropout(rate, name=name)(x) if self.form is Form.LEARNED else x

    def connect(self, x: Any, name: str, units: int) -> Any:  # noqa: ANN401
        """Lay a dense layer with ReLU."""
        return self._round(self._weighed.Dense(units, activation="relu", name=name)(x), name)

    def decide(self, x: Any, n_outputs: int, is_softmax: bool) -> Any:  # noqa: ANN401
        """Lay the output layer."""
        if not is_softmax or self.form in (Form.ROUNDED, Form.RANGED):
            x = self._round(self._weighed.Dense(n_outputs, name="output")(x), "output")
            return self._plain.Softmax(name="shares")(x) if is_softmax else x
        self.rounded.append("output")
        return self._plain.Dense(n_outputs, activation="softmax", name="output")(x)


def fold_weights(learned: Any, folded: Any) -> None:  # noqa: ANN401
    """Give a network of any folded form the weights of the learned one, normalisation folded into them."""
    names = {layer.name for layer in learned.layers}
    for layer in folded.layers:
        if layer.name == LSTM:
            layer.set_weights(learned.get_layer(LSTM).get_weights())
        if getattr(layer, "kernel", None) is None:
            continue
        source = learned.get_layer(layer.name)
        kernel, bias = source.kernel.numpy(), getattr(source, "bias", None)
        norm = layer.name.replace("conv", "norm").replace("depth", "depth_norm")
        if norm != layer.name and norm in names:
            gamma, beta, mean, variance = (w.numpy() for w in learned.get_layer(norm).weights)
            gain = gamma / (variance + learned.get_layer(norm).epsilon) ** 0.5
            kernel = kernel * (gain[:, None] if layer.name.startswith("depth") else gain)
            layer.bias.assign(beta - mean * gain)
        else:
            layer.bias.assign(bias)
        layer.kernel.assign(kernel)


def copy_weights(source: Any, target: Any) -> None:  # noqa: ANN401
    """Copy kernels and biases from one folded form to another."""
    for layer in target.layers:
        if getattr(layer, "kernel", None) is not None:
            layer.kernel.assign(source.get_layer(layer.name).kernel)
            layer.bias.assign(source.get_layer(layer.name).bias)
