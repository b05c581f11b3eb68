"""The lowered network: what each kernel needs to know, as numbers, without any C.

A layer here is what an emitter turns into a configuration and a call. Passes over the network, kernels for
other cores and other packings of weights all start from these.
"""

from dataclasses import dataclass

import numpy as np

from myo_export.graph import Graph, Op
from myo_export.quantized_math import Factor, SoftmaxFactors

Shape3 = tuple[int, int, int]  # height, width, channels


@dataclass(frozen=True)
class Window:
    """How a kernel moves over a plane; see ``myo_nn_window_t``."""

    height: int
    width: int
    stride_height: int
    stride_width: int
    dilation_height: int
    dilation_width: int
    pad_top: int
    pad_left: int


@dataclass(frozen=True)
class Requantize:
    """What becomes of a sum of products: one factor per output channel, zero point, and range."""

    factors: tuple[Factor, ...]
    zero_point: int
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Conv:
    """CONV_2D. ``weights`` int8 (output channel, height, width, channel), ``bias`` int32 (output channel)."""

    input_shape: Shape3
    output_shape: Shape3
    window: Window
    input_offset: int
    weights: np.ndarray
    bias: np.ndarray
    requantize: Requantize


@dataclass(frozen=True, eq=False)
class DepthwiseConv:
    """DEPTHWISE_CONV_2D. ``weights`` int8 (height, width, output channel), ``bias`` int32 per channel."""

    input_shape: Shape3
    output_shape: Shape3
    window: Window
    depth_multiplier: int
    input_offset: int
    weights: np.ndarray
    bias: np.ndarray
    requantize: Requantize


@dataclass(frozen=True, eq=False)
class FullyConnected:
    """FULLY_CONNECTED. ``weights`` int8 (output, input), ``bias`` int32 (output)."""

    n_rows: int
    input_offset: int
    weights: np.ndarray
    bias: np.ndarray
    requantize: Requantize


@dataclass(frozen=True)
class Pool:
    """AVERAGE_POOL_2D (``kind`` average) and MAX_POOL_2D (``kind`` max)."""

    kind: str
    input_shape: Shape3
    output_shape: Shape3
    window: Window
    low: int
    high: int


@dataclass(frozen=True)
class Mean:
    """MEAN and SUM over an input seen as (kept_0, reduced_0, kept_1, reduced_1)."""

    kept_0: int
    reduced_0: int
    kept_1: int
    reduced_1: int
    sum_offset: int
    factor: Factor
    zero_point: int


@dataclass(frozen=True)
class Reduce:
    """REDUCE_MAX (``kind`` max) and REDUCE_MIN (``kind`` min) over an input seen as `Mean` sees it."""

    kind: str
    kept_0: int
    reduced_0: int
    kept_1: int
    reduced_1: int


@dataclass(frozen=True)
class Broadcast:
    """How two operands meet over four axes, outermost first; strides in words, 0 along which one is repeated.

    Neighbouring axes along which both operands go on alike are one axis.
    """

    size: tuple[int, int, int, int]
    stride_a: tuple[int, int, int, int]
    stride_b: tuple[int, int, int, int]


@dataclass(frozen=True)
class Operand:
    """An operand of a binary layer: an activation (``tensor``) or a constant (``values``, int8, flat)."""

    tensor: int
    values: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Add:
    """ADD and SUB, where ``sign``, that of ``b``, is -1."""

    broadcast: Broadcast
    a: Operand
    b: Operand
    offset_a: int
    offset_b: int
    factor_a: Factor
    factor_b: Factor
    factor_output: Factor
    zero_point: int
    low: int
    high: int
    sign: int = 1


@dataclass(frozen=True, eq=False)
class Mul:
    """MUL."""

    broadcast: Broadcast
    a: Operand
    b: Operand
    offset_a: int
    offset_b: int
    factor: Factor
    zero_point: int
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class SquaredDifference:
    """SQUARED_DIFFERENCE."""

    broadcast: Broadcast
    a: Operand
    b: Operand
    offset_a: int
    offset_b: int
    factor_a: Factor
    factor_b: Factor
    factor_output: Factor
    zero_point: int


@dataclass(frozen=True, eq=False)
class Prelu:
    """PRELU: ``b`` is the slope of negative numbers."""

    broadcast: Broadcast
    a: Operand
    b: Operand
    offset_a: int
    offset_b: int
    factor: Factor
    factor_slope: Factor
    zero_point: int


@dataclass(frozen=True, eq=False)
class Extremum:
    """MAXIMUM (``kind`` maximum) and MINIMUM (``kind`` minimum) of two tensors."""

    kind: str
    broadcast: Broadcast
    a: Operand
    b: Operand


Binary = Add | Mul | SquaredDifference | Prelu | Extremum


@dataclass(frozen=True)
class Pad:
    """PAD and PADV2 of (height, width, channels)."""

    input_shape: Shape3
    before: Shape3
    after: Shape3
    value: int


@dataclass(frozen=True)
class CopyPart:
    """Words of one input and their places in the output, over axes of ``sizes``, outermost first.

    Attributes
    ----------
    sizes : tuple of int
        At most 5; no axis that another one follows without a gap in both input and output.
    source_strides, target_strides : tuple of int
        Words from one index to the next; those of the source may be negative.
    source_begin, target_begin : int
        Word of index 0 along all axes.
    """

    sizes: tuple[int, ...]
    source_strides: tuple[int, ...]
    target_strides: tuple[int, ...]
    source_begin: int
    target_begin: int

    @property
    def is_run(self) -> bool:
        """Whether it is one stretch of neighbours in both input and output."""
        return (self.source_strides, self.target_strides) == ((1,), (1,))


@dataclass(frozen=True)
class Copy:
    """CONCATENATION, PACK, SLICE, SPLIT, TRANSPOSE ...: one part per input, which fill the output of ``size`` words."""

    parts: tuple[CopyPart, ...]
    size: int


@dataclass(frozen=True)
class Softmax:
    """SOFTMAX over the last axis."""

    n_rows: int
    row_size: int
    factors: SoftmaxFactors


@dataclass(frozen=True, eq=False)
class Table:
    """Any function of one int8, as 256 values for -128 .. 127."""

    table: np.ndarray
    size: int


@dataclass(frozen=True, eq=False)
class LstmGate:
    """One gate of an `Lstm`: weights int8 (cell, input) and (cell, cell), ``bias`` int32 per cell."""

    input_weights: np.ndarray
    recurrent_weights: np.ndarray
    bias: np.ndarray
    input_factor: Factor
    recurrent_factor: Factor


@dataclass(frozen=True, eq=False)
class Lstm:
    """UNIDIRECTIONAL_SEQUENCE_LSTM; see ``myo_lstm_config_t``. Its state lives from run to run."""

    n_steps: int
    input_offset: int
    hidden_offset: int
    gates: tuple[LstmGate, ...]
    forget: Factor
    update: Factor
    hidden: Factor
    tanh_multiplier: int
    tanh_shift: int
    cell_low: int
    cell_high: int

    @property
    def n_inputs(self) -> int:
        """Words of one time step of the input."""
        return int(self.gates[0].input_weights.shape[1])

    @property
    def n_cells(self) -> int:
        """Cells, which are the words of one time step of the output."""
        return int(self.gates[0].input_weights.shape[0])

    @property
    def state_bytes(self) -> int:
        """Cells of 16 bits and hidden state of 8."""
        return 3 * self.n_cells


@dataclass(frozen=True)
class Alias:
    """RESHAPE, EXPAND_DIMS, SQUEEZE: the same words under another shape."""

    size: int


@dataclass(frozen=True)
class Part:
    """One stretch of the input's words, from ``begin`` on, under another name."""

    begin: int
    size: int


@dataclass(frozen=True, eq=False)
class TransposeConv:
    """TRANSPOSE_CONV. ``weights`` int8 (output channel, height, width, channel), ``bias`` int32 (output channel)."""

    input_shape: Shape3
    output_shape: Shape3
    window: Window
    input_offset: int
    weights: np.ndarray
    bias: np.ndarray
    requantize: Requantize


@dataclass(frozen=True)
class Matrices:
    """How one operand of a product of matrices lies in memory; strides in words, 0 where it is repeated."""

    operand: Operand
    offset: int
    batch_strides: tuple[int, int, int]
    row_stride: int
    column_stride: int


@dataclass(frozen=True, eq=False)
class BatchMatmul:
    """BATCH_MATMUL, and FULLY_CONNECTED whose weights are an activation.

    ``a`` is (rows, depth), ``b`` is (depth, columns), as ``bias`` if there is one: int32 (columns).
    """

    batch: tuple[int, int, int]
    n_rows: int
    depth: int
    n_columns: int
    a: Matrices
    b: Matrices
    bias: np.ndarray | None
    factor: Factor
    zero_point: int
    low: int
    high: int


Layer = (
    Conv
    | DepthwiseConv
    | FullyConnected
    | Pool
    | Mean
    | Reduce
    | Binary
    | Pad
    | Copy
    | TransposeConv
    | BatchMatmul
    | Softmax
    | Table
    | Lstm
    | Alias
    | Part
)


@dataclass(frozen=True, eq=False)
class Step:
    """One output of one operator of the file, lowered.

    Attributes
    ----------
    op : Op
        Where it comes from.
    layer : Layer
        What runs.
    inputs : tuple of int
        Activations that it reads, in the kernel's order.
    output : int
        Activation that it writes.
    macs : int
        Multiplications with weights, padding counted as if it were data; with activations, where they take their place.
    folded : tuple of Op
        Operators that the layer computes besides, in the file's order. Their outputs never exist; ``op`` is
        the one whose output does.
    """

    op: Op
    layer: Layer
    inputs: tuple[int, ...]
    output: int
    macs: int
    folded: tuple[Op, ...] = ()

    @property
    def op_names(self) -> str:
        """Names of all operators that the layer computes, in the file's order."""
        return " + ".join(op.name for op in sorted((*self.folded, self.op), key=lambda op: op.index))

    @property
    def index(self) -> int:
        """The layer's index, as the observer of ``net_run_observed`` gets it."""
        return self.op.first_layer + self.op.outputs.index(self.output)


@dataclass(frozen=True, eq=False)
class Network:
    """A lowered network.

    Attributes
    ----------
    graph : Graph
        Tensors.
    steps : tuple of Step
        In the order in which they run.
    kept : int or None
        A tensor whose words must still stand in the arena when a run or a push has ended.
    """

    graph: Graph
    steps: tuple[Step, ...]
    kept: int | None = None

    @property
    def folded_into(self) -> dict[int, int]:
        """Index of every layer that is computed in another one, to that one's."""
        return {op.first_layer: step.index for step in self.steps for op in step.folded}
