"""Networks beside the convolutional and the dense one as ``patch.toml`` has them: keys, and what contradicts a window."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from myo_pipeline.stages import Table


class TcnModel(Table):
    """A temporal convolutional network: dilated convolutions over time that never look ahead."""

    kind: Literal["tcn"]
    filters: int = Field(default=16, ge=1, le=256, description="output channels of every convolution")
    kernel: int = Field(default=3, ge=2, le=32, description="samples that each convolution takes")
    dilations: list[Annotated[int, Field(ge=1, le=512)]] = Field(
        default=[1, 2, 4, 8],
        min_length=1,
        max_length=12,
        description="distance of the samples that each convolution takes",
    )
    stride: int = Field(
        default=1, ge=1, le=16, description="stride of a first pointwise convolution over the input"
    )
    separable: bool = Field(
        default=False,
        description="each dilated convolution as a depthwise and a pointwise one; docs/models.md says where it pays",
    )
    residual: bool = Field(default=True, description="each block's input is added to its output")
    padding: Literal["causal", "valid"] = Field(
        default="causal",
        description="before the window's first sample stand zeros; or nothing, and each layer is shorter: with "
        "`residual = false` alone, and windows that overlap reuse all layers",
    )
    readout: Literal["last", "mean"] = Field(
        default="last", description="what the output layer sees: the last step, or the mean over time"
    )
    dropout: float = Field(
        default=0.1, ge=0, lt=1, description="dropout before the output layer, in training only"
    )

    @property
    def receptive_steps(self) -> int:
        """Steps behind the first convolution that the last step depends on."""
        return 1 + (self.kernel - 1) * sum(self.dilations)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.residual and self.padding == "valid":
            raise ValueError(
                "residual needs layers of one length and padding is 'valid': use padding = 'causal', or residual = false"
            )
        return self

    def check_window(self, n_samples: int) -> None:
        """Raise ValueError unless a window of ``n_samples`` holds what the layers take."""
        steps = -(-n_samples // self.stride)
        if self.receptive_steps > steps:
            raise ValueError(
                f"model.dilations: the last step depends on {self.receptive_steps} steps and a window has {steps}: "
                "lower kernel, dilations or stride, or lengthen the window"
            )


class LstmModel(Table):
    """A long short-term memory over the window's samples; its last hidden state decides."""

    kind: Literal["lstm"]
    units: int = Field(default=24, ge=1, le=256, description="cells")
    dropout: float = Field(
        default=0.1, ge=0, lt=1, description="dropout before the output layer, in training only"
    )


class SpectrogramModel(Table):
    """Convolutions over time and frequency of the window's `stft_power`, the one feature of the spec."""

    kind: Literal["spectrogram"]
    filters: list[Annotated[int, Field(ge=1, le=256)]] = Field(
        default=[16, 24], min_length=1, max_length=8, description="output channels of each convolution"
    )
    kernel: int = Field(
        default=3, ge=1, le=15, description="segments and bands that each convolution takes, at most all"
    )
    dropout: float = Field(
        default=0.1, ge=0, lt=1, description="dropout before the output layer, in training only"
    )


class AttentionModel(Table):
    """One convolution over time with a stride, then one head of self-attention over its steps; the mean over time decides."""

    kind: Literal["attention"]
    filters: int = Field(default=24, ge=1, le=128, description="channels of the steps")
    kernel: int = Field(default=8, ge=1, le=64, description="samples that the convolution takes")
    stride: int = Field(default=4, ge=1, le=64, description="samples from one step to the next")
    keys: int = Field(default=8, ge=1, le=64, description="length of queries and keys")
    dropout: float = Field(
        default=0.1, ge=0, lt=1, description="dropout before the output layer, in training only"
    )

    def check_window(self, n_samples: int) -> None:
        """Raise ValueError unless a window of ``n_samples`` has steps to compare, and not too many."""
        steps = -(-n_samples // self.stride)
        if not 2 <= steps <= MAX_STEPS:
            raise ValueError(
                f"model.stride: a window of {n_samples} samples has {steps} steps, expected 2 to {MAX_STEPS}: change it"
            )


class AutoencoderModel(Table):
    """Dense layers that give a window's features again through a narrow code; how far they miss is the score."""

    kind: Literal["autoencoder"]
    hidden: list[Annotated[int, Field(ge=1, le=512)]] = Field(
        default=[24],
        max_length=4,
        description="units of the layers before the code; behind it, the same backwards",
    )
    code: int = Field(default=6, ge=1, le=128, description="words of the code")
    variational: bool = Field(
        default=False,
        description="learn a distribution of codes, drawn from in training alone (a variational autoencoder)",
    )
    divergence: float = Field(
        default=1e-3, ge=0, description="variational: weight of the divergence from a normal distribution"
    )


MAX_STEPS = 256  # of attention, whose softmax is over them
NETWORK_TABLES: dict[str, type[BaseModel]] = {
    "tcn": TcnModel,
    "lstm": LstmModel,
    "spectrogram": SpectrogramModel,
    "attention": AttentionModel,
    "autoencoder": AutoencoderModel,
}
NETWORKS_OF_FEATURES = frozenset({"spectrogram", "autoencoder"})
NEVER_ROUNDED = frozenset({"lstm"})  # no layer of Keras rounds what an LSTM rounds inside
POST_ONLY = NEVER_ROUNDED | {"autoencoder"}  # whose threshold stands in its last layer's weights


def check_network(kind: str, quantization: str, features: list[str]) -> None:
    """Raise ValueError where a kind of network cannot be quantized so, or takes other features.

    Parameters
    ----------
    kind, quantization
        ``model.kind`` and ``training.quantization``.
    features
        Kinds of the spec's features.
    """
    if kind == "spectrogram" and features != ["stft_power"]:
        raise ValueError(
            f"model.kind: 'spectrogram' takes one feature of kind 'stft_power', and the spec has {features}: leave only that one"
        )
    if quantization == "aware" and kind in POST_ONLY:
        raise ValueError(
            f"training.quantization: 'aware' is not to be had for {kind!r}: use 'post', or another model.kind"
        )
