"""Figures of a compiled network, by layer and in all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from myo_export.cost_events import form_of
from myo_export.cost_model import Cost, Level, estimate_code, estimate_layer, estimate_network
from myo_export.cost_stream import estimate_push, moving_parts, push_functions
from myo_export.embedding import Embedding
from myo_export.emit_lstm import NetworkState
from myo_export.emit_net_stream import stream_summary
from myo_export.fold_mve import Folded
from myo_export.graph import Graph, Op
from myo_export.network_source import NetworkSource
from myo_export.pack_dsp import Packed
from myo_export.stream_plan import StreamPlan


@dataclass(frozen=True)
class LayerReport:
    """One layer: one output of an operator of the file, whether computed by itself or in another layer.

    Attributes
    ----------
    index : int
        Layer index, as the observer of ``net_run_observed`` gets it.
    op_name : str
        Such as ``CONV_2D``.
    output_name : str
        Name of the output tensor in the file.
    output_shape : tuple of int
        Batch first, channels last.
    output_scale : float
        Real units per step.
    output_zero_point : int
        int8 value of real zero.
    macs : int
        Multiplications with weights, padding counted as if it were data.
    weight_bytes : int
        Flash of weights, biases and constant operands; as the DSP kernels hold them, if they may run.
    table_bytes : int
        Flash of factors and function tables.
    kernel : str
        ``dsp`` and how it holds weights, ``mve``, or ``plain`` and why; ``in layer N`` where another layer computes it.
    scratch_bytes : int
        Working memory in the arena while the layer runs.
    cost : Cost
        Predicted instructions and cycles on a Cortex-M4F.
    functions : mapping
        Predicted bytes of the functions that run it, by name; layers share them.
    call_bytes : int
        Predicted bytes of its configuration and call.
    in_layer : int or None
        The layer that computes this one along: then its words never exist on the device, and its MACs, flash and
        working memory are counted there.
    """

    index: int
    op_name: str
    output_name: str
    output_shape: tuple[int, ...]
    output_scale: float
    output_zero_point: int
    macs: int
    weight_bytes: int
    table_bytes: int
    kernel: str
    scratch_bytes: int
    cost: Cost
    functions: Mapping[str, int]
    call_bytes: int
    in_layer: int | None = None

    @property
    def flash_bytes(self) -> int:
        """Weights and tables."""
        return self.weight_bytes + self.table_bytes


@dataclass(frozen=True)
class NetworkReport:
    """Figures of a compiled network.

    Attributes
    ----------
    layers : tuple of LayerReport
        One for every output of every operator, in the file's order.
    input_shape, output_shape : tuple of int
        Batch first, channels last.
    input_scale, output_scale : float
        Real units per step.
    input_zero_point, output_zero_point : int
        int8 value of real zero.
    macs : int
        Sum over the layers.
    flash_bytes : int
        Weights and tables, without code and configurations.
    arena_bytes : int
        ``NET_ARENA_SIZE``.
    run_arena_bytes, arena_lower_bound_bytes : int
        What a run needs, and the largest sum of state, activations and working memory that live at once: with the same
        tensors sharing buffers, no plan needs less.
    tflm_arena_bytes : int
        What TensorFlow Lite for Microcontrollers needs for the same model; 0 where it was not measured.
    cost : Cost
        Predicted instructions and cycles of a run on a Cortex-M4F.
    stream : StreamPlan or None
        How it is pushed, where a hop was asked for.
    push_cost : Cost or None
        Predicted instructions and cycles of a push.
    stream_summary : tuple of str
        The same in lines.
    push_functions : mapping
        Predicted bytes of what pushes add: functions by name, and configurations.
    embedding : Embedding or None
        What outlives a run, where that was asked for.
    """

    layers: tuple[LayerReport, ...]
    input_shape: tuple[int, ...]
    input_scale: float
    input_zero_point: int
    output_shape: tuple[int, ...]
    output_scale: float
    output_zero_point: int
    macs: int
    flash_bytes: int
    arena_bytes: int
    run_arena_bytes: int
    arena_lower_bound_bytes: int
    tflm_arena_bytes: int
    cost: Cost
    stream: StreamPlan | None = None
    push_cost: Cost | None = None

    stream_summary: tuple[str, ...] = ()
    push_functions: Mapping[str, int] = field(default_factory=dict)
    embedding: Embedding | None = None

    @property
    def code_bytes(self) -> int:
        """Predicted code and configurations of runs and pushes, beside ``flash_bytes``."""
        return count_code(self.layers, self.push_functions)


def count_code(layers: Iterable[LayerReport], push_functions: Mapping[str, int]) -> int:
    """Return predicted bytes of code and configurations of layers and pushes; functions count once."""
    functions = dict(push_functions)
    own = 0
    for layer in layers:
        functions |= layer.functions
        own += layer.call_bytes
    return own + sum(functions.values())


def _form_name(form: Packed | Folded) -> str:
    if isinstance(form, Folded):
        return "mve"
    return "dsp, weights int16" if form.weights.itemsize == 2 else "dsp, weights int8"


def _folded_layer(graph: Graph, op: Op, into: int) -> LayerReport:
    output = graph.tensors[op.outputs[0]]
    scale, zero_point = output.quantization.scale, output.quantization.zero_point
    return LayerReport(
        op.first_layer,
        op.name,
        output.name,
        output.shape,
        scale,
        zero_point,
        0,
        0,
        0,
        f"in layer {into}",
        0,
        Cost(0.0, 0.0),
        {},
        0,
        into,
    )


def report_network(text: NetworkSource, tflm_arena_bytes: int = 0, level: Level = "-O3") -> NetworkReport:
    """Collect the figures of a compiled network.

    Parameters
    ----------
    text : NetworkSource
        The network.
    tflm_arena_bytes : int
        0 where it was not measured.
    level : str
        How its kernels will be compiled.
    """
    graph, state_bytes = text.network.graph, NetworkState(text.network).n_bytes
    layers = [_folded_layer(graph, op, step.index) for step in text.network.steps for op in step.folded]
    for step, layer, form in zip(text.network.steps, text.texts, text.packed, strict=True):
        output = graph.tensors[step.output]
        layers.append(
            LayerReport(
                step.index,
                step.op.name,
                output.name,
                output.shape,
                output.quantization.scale,
                output.quantization.zero_point,
                step.macs,
                layer.weight_bytes,
                layer.table_bytes,
                f"plain ({form})" if isinstance(form, str) else _form_name(form),
                0 if isinstance(form, str) else form.scratch_bytes,
                estimate_layer(
                    moving_parts(step, text.plan),
                    form_of(form),
                    level,
                    moves=bool(layer.calls),
                    n_words=output.size + sum(graph.tensors[i].size for i in step.inputs),
                    macs=step.macs,
                ),
                *estimate_code(step.layer, form_of(form), level),
            )
        )
    layers.sort(key=lambda layer: layer.index)
    source, target = graph.tensors[graph.input], graph.tensors[graph.output]
    return NetworkReport(
        tuple(layers),
        source.shape,
        source.quantization.scale,
        source.quantization.zero_point,
        target.shape,
        target.quantization.scale,
        target.quantization.zero_point,
        sum(layer.macs for layer in layers),
        sum(layer.flash_bytes for layer in layers),
        text.arena_bytes,
        state_bytes + text.plan.arena_size,
        state_bytes + text.plan.lower_bound,
        tflm_arena_bytes,
        estimate_network([layer.cost for layer in layers]),
        text.stream,
        None
        if text.stream is None
        else estimate_push(text, text.stream, {layer.index: layer.cost for layer in layers}, level),
        tuple(stream_summary(text.network, text.stream)) if text.stream else (),
        push_functions(text, text.stream, level) if text.stream else {},
        text.embedding,
    )
