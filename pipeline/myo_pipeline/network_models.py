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


NETWORK_TABLES: dict[str, type[BaseModel]] = {"tcn": TcnModel}
NETWORKS_OF_FEATURES: frozenset[str] = frozenset()
