"""One operator of the file as lowerings look at it: its tensors and attributes, checked, or refused in one line."""

from typing import NoReturn, TypeVar

import numpy as np

from myo_export.graph import Graph, Op, Options, Tensor
from myo_export.lowered import Shape3
from myo_export.quantized_math import INT32_MAX, Factor, Quantization
from myo_export.tflite_reader import printable
from myo_pipeline.errors import ExportError

_Kind = TypeVar("_Kind", bound=Options)


class OpView:
    """One operator and its tensors, with the checks that lowerings share.

    Parameters
    ----------
    network : Graph
        The whole.
    op : Op
        The operator to look at.
    """

    def __init__(self, network: Graph, op: Op) -> None:
        self.graph = network
        self.op = op

    def fail(self, found: str, remedy: str) -> NoReturn:
        """Refuse the operator with one line that says which, what was found, and what to do.

        Raises
        ------
        ExportError
            Always.
        """
        name = printable(self.graph.tensors[self.op.outputs[0]].name) if self.op.outputs else ""
        raise ExportError(
            f"model: operator {self.op.index} ({self.op.name}, output '{name}') {found}; {remedy}"
        )

    def options(self, kind: type[_Kind]) -> _Kind:
        """Attributes of the operator, which must be of a kind."""
        if not isinstance(self.op.options, kind):
            self.fail("lacks its attributes", "the file is damaged, export again")
        return self.op.options

    def expect_arity(self, n_inputs: tuple[int, int], n_outputs: int = 1) -> None:
        """Check the number of inputs (least, most) and outputs."""
        least, most = n_inputs
        if not least <= len(self.op.inputs) <= most or len(self.op.outputs) != n_outputs:
            self.fail(
                f"has {len(self.op.inputs)} inputs and {len(self.op.outputs)} outputs",
                "the file is damaged, export again",
            )

    def activation(self, position: int, any_batch: bool = False) -> Tensor:
        """Input ``position`` as an int8 activation of batch 1, or of any where words keep their rows."""
        index = self.op.inputs[position]
        if index < 0 or self.graph.tensors[index].data is not None:
            self.fail(f"has a constant or no input {position}", "fold the constant before export")
        return self._check_int8(self.graph.tensors[index], f"input {position}", any_batch)

    def output(self, place: int = 0, any_batch: bool = False) -> Tensor:
        """Output ``place`` as an int8 activation of batch 1, or of any."""
        what = "its output" if len(self.op.outputs) == 1 else f"output {place}"
        return self._check_int8(self.graph.tensors[self.op.outputs[place]], what, any_batch)

    def _check_int8(self, tensor: Tensor, what: str, any_batch: bool) -> Tensor:
        if tensor.dtype != "int8":
            self.fail(f"has {tensor.dtype} as {what}, expected int8", "quantize the whole model to int8")
        if len(tensor.scales) != 1:
            self.fail(
                f"has {len(tensor.scales)} scales for {what}, expected 1", "quantize the whole model to int8"
            )
        if not any_batch and tensor.shape[:1] not in ((), (1,)):
            self.fail(
                f"has shape {list(tensor.shape)} for {what}, expected batch 1",
                "export the model with batch 1",
            )
        return tensor

    def constant(self, position: int, dtype: str, what: str) -> Tensor:
        """Input ``position`` as a constant of a dtype."""
        index = self.op.inputs[position] if position < len(self.op.inputs) else -1
        tensor = self.graph.tensors[index] if index >= 0 else None
        if tensor is None or tensor.data is None:
            self.fail(f"has no constant {what}", "export a model whose weights and shapes are constants")
        if tensor.dtype != dtype:
            self.fail(f"has {tensor.dtype} {what}, expected {dtype}", "quantize the whole model to int8")
        return tensor

    def plane(self, tensor: Tensor, what: str) -> Shape3:
        """Shape of a (1, height, width, channels) activation, every size at most 65535."""
        if len(tensor.shape) != 4 or max(tensor.shape) > 65535:
            self.fail(
                f"has shape {list(tensor.shape)} as {what}, expected [1, height, width, channels] of at most"
                " 65535 each",
                "reshape it",
            )
        return tensor.shape[1], tensor.shape[2], tensor.shape[3]

    def kernel(self, weights: Tensor) -> tuple[int, int, int, int]:
        """Shape of weights (output channels, height, width, channels), every size at most 65535."""
        if len(weights.shape) != 4 or max(weights.shape) > 65535:
            self.fail(
                f"has weights of shape {list(weights.shape)}, expected 4 sizes of at most 65535",
                "export again",
            )
        return weights.shape[0], weights.shape[1], weights.shape[2], weights.shape[3]

    def expect_shape(self, found: tuple[int, ...], expected: tuple[int, ...], what: str) -> None:
        """Check a shape that follows from others."""
        if found != expected:
            self.fail(
                f"has shape {list(found)} as {what}, expected {list(expected)}",
                "the file is damaged, export again",
            )

    def expect_same_quantization(self, source: Quantization, target: Quantization) -> None:
        """Check that a layer which only moves words has one scale and zero point."""
        if source != target:
            self.fail(
                f"changes scale or zero point ({source.scale:g}, {source.zero_point} to {target.scale:g},"
                f" {target.zero_point}) but only moves words",
                "quantize the model again with a current converter",
            )

    def expect_factor(self, factor: Factor) -> Factor:
        """Check that a factor has a place in the kernels' format."""
        if factor.shift > 30 or factor.multiplier < 0:
            self.fail(
                "has scales whose ratio is over 2^30", "quantize the model again with representative data"
            )
        return factor

    def expect_sums_fit(self, bias: np.ndarray, weights: np.ndarray, input_offset: int) -> None:
        """Check that no input can make a sum leave int32; ``weights`` is (output channel, rest)."""
        largest_input = max(abs(-128 + input_offset), abs(127 + input_offset))
        magnitude = np.abs(weights.astype(np.int64)).sum(axis=1) * largest_input + np.abs(
            bias.astype(np.int64)
        )
        if int(magnitude.max()) > INT32_MAX:
            self.fail(
                "has weights and biases whose sum may leave int32",
                "quantize the model again; the bias is damaged",
            )
