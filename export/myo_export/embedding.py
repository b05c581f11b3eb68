"""Where a network's embedding lies after a run: the input of its last dense layers, which calibration replaces."""

from __future__ import annotations

from dataclasses import dataclass, replace

from myo_export.lowered import Alias, FullyConnected, Network, Softmax, Step
from myo_export.memory_plan import MemoryPlan
from myo_export.stream_plan import StreamPlan
from myo_pipeline.errors import ExportError


@dataclass(frozen=True)
class Embedding:
    """A tensor that outlives a run.

    Attributes
    ----------
    tensor
        In the file.
    size
        Words, int8.
    scale, zero_point
        Of its quantization.
    n_dense
        Dense layers from it to the output.
    run_offset, push_offset
        Where ``net_run`` and ``net_push`` leave it, bytes into the arena; -1: it is the network's input, or there is no push.
    """

    tensor: int
    size: int
    scale: float
    zero_point: int
    n_dense: int
    run_offset: int
    push_offset: int


def keep_embedding(network: Network, n_dense: int) -> Network:
    """Mark the input of the last ``n_dense`` dense layers, or of as many as there are in a row, as kept.

    Raises
    ------
    ExportError
        If the network does not end with a dense layer and a softmax of int8 probabilities.
    """
    if not n_dense:
        return network
    tail = [step for step in network.steps if not isinstance(step.layer, Alias)]
    output = network.graph.tensors[network.graph.output]
    words = output.quantization
    is_softmax = bool(tail) and isinstance(tail[-1].layer, Softmax)
    dense: list[Step] = []
    for step in reversed(tail[:-1]):
        if len(dense) == n_dense or not isinstance(step.layer, FullyConnected) or step.layer.n_rows != 1:
            break
        dense.append(step)
    if not is_softmax or not dense or (words.scale, words.zero_point) != (1 / 256, -128):
        ends = ", ".join(step.op_names for step in tail[-2:])
        raise ExportError(
            f"calibration: the network ends with {ends}, expected a dense layer and a softmax in int8: "
            "take [calibration] out of the spec, or use model.kind 'cnn' or 'mlp'"
        )
    return replace(network, kept=dense[-1].inputs[0])


def place_embedding(
    network: Network, plan: MemoryPlan, stream: StreamPlan | None, state_bytes: int
) -> Embedding | None:
    """Find where the kept tensor lies; None where none is.

    Parameters
    ----------
    network, plan, stream
        Of one network.
    state_bytes
        Bytes at the arena's begin that a run leaves alone.

    Raises
    ------
    ExportError
        If pushes do not leave it in one piece.
    """
    if network.kept is None:
        return None
    tensor, home = network.graph.tensors[network.kept], plan.homes[network.kept]
    run_offset = push_offset = -1
    if home.buffer != plan.input_buffer:
        run_offset = state_bytes + plan.offsets[home.buffer] + home.begin
    if stream is not None:
        if network.kept in stream.root_of:
            raise ExportError(
                f"calibration: {tensor.size} words over time stand before the last dense layer, expected one vector a window: "
                "give the model a mean over time or a dense layer before it"
            )
        push_offset = stream.offsets[home.buffer] + home.begin
    n_dense = sum(isinstance(step.layer, FullyConnected) for step in _behind(network))
    return Embedding(
        tensor.index, tensor.size, tensor.quantization.scale, tensor.quantization.zero_point, n_dense,
        run_offset, push_offset,
    )  # fmt: skip


def _behind(network: Network) -> tuple[Step, ...]:
    """Return the steps from the kept tensor's reader on."""
    first = min(p for p, step in enumerate(network.steps) if network.kept in step.inputs)
    return network.steps[first:]
