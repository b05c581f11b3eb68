"""Keras layers that round as int8 does, in the forward pass: what quantization-aware training and the sensitivity report run.

Words are rounded by ``tf.quantization.fake_quant_with_min_max_vars``, whose gradient passes through inside the range and
moves the range's ends; weights as the converter rounds them, symmetric, with a scale for each output.

References
----------
Jacob et al. 2018, Quantization and training of neural networks for efficient integer-arithmetic-only inference,
doi:10.1109/CVPR.2018.00286, section 3.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

from myo_training.quiet import import_tensorflow

_LEAST = 1e-8  # of a range, where all weights of an output are 0


@cache
def define_layers() -> SimpleNamespace:
    """Define the layers, once TensorFlow is wanted: ``Rounding``, ``Conv2D``, ``DepthwiseConv2D``, ``Dense``."""
    tf = import_tensorflow()
    keras = tf.keras

    def mix(rounded: Any, exact: Any, share: Any) -> Any:  # noqa: ANN401 - tensors
        return share * rounded + (1.0 - share) * exact

    def round_weights(kernel: Any, share: Any) -> Any:  # noqa: ANN401
        """Round a kernel whose last axis counts outputs."""
        most = tf.reduce_max(tf.abs(kernel), axis=list(range(len(kernel.shape) - 1)))
        most = tf.stop_gradient(tf.maximum(most, _LEAST))
        rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            kernel, -most, most, num_bits=8, narrow_range=True
        )
        return mix(rounded, kernel, share)

    class Rounding(keras.layers.Layer):  # type: ignore[name-defined, misc]
        """Words of int8 between ``low`` and ``high``; ``share`` 0 leaves them as they are."""

        def build(self, _shape: Any) -> None:  # noqa: ANN401
            self.low = self.add_weight(name="low", shape=(), initializer="zeros")
            self.high = self.add_weight(name="high", shape=(), initializer="ones")
            self.share = self.add_weight(name="share", shape=(), initializer="zeros", trainable=False)

        def call(self, x: Any) -> Any:  # noqa: ANN401
            rounded = tf.quantization.fake_quant_with_min_max_vars(x, self.low, self.high, num_bits=8)
            return mix(rounded, x, self.share)

    class FixedRounding(keras.layers.Layer):  # type: ignore[name-defined, misc]
        """The same with numbers for ends, which is what the converter reads ranges from."""

        def __init__(self, low: float, high: float, **options: Any) -> None:  # noqa: ANN401
            super().__init__(**options)
            self.low, self.high = low, high

        def call(self, x: Any) -> Any:  # noqa: ANN401
            return tf.quantization.fake_quant_with_min_max_args(x, self.low, self.high, num_bits=8)

    class Conv2D(keras.layers.Conv2D):  # type: ignore[name-defined, misc]
        def build(self, shape: Any) -> None:  # noqa: ANN401
            super().build(shape)
            self.share = self.add_weight(name="share", shape=(), initializer="zeros", trainable=False)

        def convolution_op(self, inputs: Any, kernel: Any) -> Any:  # noqa: ANN401
            return super().convolution_op(inputs, round_weights(kernel, self.share))

    class DepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[name-defined, misc]
        def build(self, shape: Any) -> None:  # noqa: ANN401
            super().build(shape)
            self.share = self.add_weight(name="share", shape=(), initializer="zeros", trainable=False)

        def call(self, inputs: Any) -> Any:  # noqa: ANN401
            kernel = tf.convert_to_tensor(self.kernel)
            flat = tf.reshape(kernel, (*kernel.shape[:2], -1))  # channels last: each has a scale
            kernel = tf.reshape(round_weights(flat, self.share), kernel.shape)
            y = keras.ops.depthwise_conv(
                inputs, kernel, strides=self.strides, padding=self.padding, dilation_rate=self.dilation_rate
            )
            return y + self.bias

    class Dense(keras.layers.Dense):  # type: ignore[name-defined, misc]
        def build(self, shape: Any) -> None:  # noqa: ANN401
            super().build(shape)
            self.share = self.add_weight(name="share", shape=(), initializer="zeros", trainable=False)

        def call(self, inputs: Any, training: Any = None) -> Any:  # noqa: ANN401
            y = keras.ops.matmul(inputs, round_weights(tf.convert_to_tensor(self.kernel), self.share))
            return self.activation(y + self.bias)

    class Draw(keras.layers.Layer):  # type: ignore[name-defined, misc]
        """Draw from a normal distribution of given mean and log variance in training; else give the mean.

        References
        ----------
        Kingma and Welling 2014, Auto-encoding variational Bayes, arXiv:1312.6114, appendix B.
        """

        def __init__(self, divergence: float, **options: Any) -> None:  # noqa: ANN401
            super().__init__(**options)
            self.divergence = divergence
            self.draws = keras.random.SeedGenerator(1)

        def call(self, inputs: Any, training: Any = None) -> Any:  # noqa: ANN401
            mean, spread = inputs
            if not training:
                return mean
            apart = tf.reduce_mean(tf.exp(spread) + mean * mean - 1.0 - spread)
            self.add_loss(0.5 * self.divergence * apart)
            return mean + tf.exp(0.5 * spread) * keras.random.normal(tf.shape(mean), seed=self.draws)

    return SimpleNamespace(
        Draw=Draw,
        Rounding=Rounding,
        FixedRounding=FixedRounding,
        Conv2D=Conv2D,
        DepthwiseConv2D=DepthwiseConv2D,
        Dense=Dense,
    )
