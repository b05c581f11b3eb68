"""A network as a small graph: tensors, operators in the file's order, one input and one output."""

from dataclasses import dataclass, field

import numpy as np

from myo_export.quantized_math import Quantization


@dataclass(frozen=True)
class Tensor:
    """A tensor of the network.

    Attributes
    ----------
    index : int
        Place in the file's list.
    name : str
        As the file has it; may hold any character.
    shape : tuple of int
        All sizes positive. Activations are ``(1, ...)``, channels last.
    dtype : str
        ``int8``, ``int32``, ``float32`` ...
    scales, zero_points : tuple
        Empty if not quantized; one entry, or one per channel. In a lowered network, float32 tensors have those of
        the int8 words that stand for them.
    channel_axis : int
        Axis of per-channel scales.
    data : numpy.ndarray or None
        Values of a constant: of this shape for int8, int32 and int64, else its bytes as uint8.
    is_variable : bool
        Whether the tensor is state that lives from run to run.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    channel_axis: int = 0
    data: np.ndarray | None = field(default=None, compare=False, repr=False)
    is_variable: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def quantization(self) -> Quantization:
        """Scale and zero point of an activation."""
        return Quantization(self.scales[0], self.zero_points[0])


@dataclass(frozen=True)
class NoOptions:
    """Operators without attributes."""


@dataclass(frozen=True)
class ConvOptions:
    """CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV; ``depth_multiplier`` is of the second."""

    padding: str
    stride_height: int
    stride_width: int
    dilation_height: int
    dilation_width: int
    activation: str
    depth_multiplier: int = 0


@dataclass(frozen=True)
class PoolOptions:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""

    padding: str
    stride_height: int
    stride_width: int
    filter_height: int
    filter_width: int
    activation: str


@dataclass(frozen=True)
class FullyConnectedOptions:
    """FULLY_CONNECTED; ``weights_format`` 0 is the plain one."""

    activation: str
    weights_format: int


@dataclass(frozen=True)
class ActivationOptions:
    """ADD, SUB and MUL."""

    activation: str


@dataclass(frozen=True)
class ConcatenationOptions:
    """CONCATENATION."""

    axis: int
    activation: str


@dataclass(frozen=True)
class SoftmaxOptions:
    """SOFTMAX."""

    beta: float


@dataclass(frozen=True)
class LeakyReluOptions:
    """LEAKY_RELU."""

    alpha: float


@dataclass(frozen=True)
class LstmOptions:
    """UNIDIRECTIONAL_SEQUENCE_LSTM; ``cell_clip`` 0 is none, ``time_major`` has the time axis first."""

    activation: str
    cell_clip: float
    time_major: bool
    diagonal: bool


@dataclass(frozen=True)
class StridedSliceOptions:
    """STRIDED_SLICE; bit ``i`` of a mask stands for axis ``i``."""

    begin_mask: int
    end_mask: int
    ellipsis_mask: int
    new_axis_mask: int
    shrink_axis_mask: int
    end_is_offset: bool


@dataclass(frozen=True)
class PackOptions:
    """PACK and UNPACK; ``count`` inputs or outputs."""

    axis: int
    count: int


@dataclass(frozen=True)
class BatchMatmulOptions:
    """BATCH_MATMUL; ``adj_x``: the first operand stands transposed in memory; ``adj_y``: the second."""

    adj_x: bool
    adj_y: bool


Options = (
    NoOptions
    | ConvOptions
    | PoolOptions
    | FullyConnectedOptions
    | ActivationOptions
    | ConcatenationOptions
    | SoftmaxOptions
    | LeakyReluOptions
    | StridedSliceOptions
    | PackOptions
    | BatchMatmulOptions
    | LstmOptions
)


@dataclass(frozen=True)
class Op:
    """An operator.

    Attributes
    ----------
    index : int
        Place in the file's order, which is the order of execution.
    name : str
        The format's name, such as ``CONV_2D``; a custom one is ``CUSTOM name``.
    inputs : tuple of int
        Tensor indices; -1 where an optional input is absent.
    outputs : tuple of int
        Tensor indices.
    options : Options
        Typed attributes.
    first_layer : int
        Index of the layer that its first output is. A layer is one output of one operator; they count in the file's
        order, so an operator's index is its layer's as long as every operator before has one output.
    """

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options = NoOptions()
    first_layer: int = 0


@dataclass(frozen=True)
class Graph:
    """A network with one input and one output, both int8."""

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    input: int
    output: int

    @property
    def n_layers(self) -> int:
        """Outputs of all operators."""
        return sum(len(op.outputs) for op in self.ops)
