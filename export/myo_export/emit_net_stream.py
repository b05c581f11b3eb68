"""C text of a stream: ``net_reset`` and ``net_push``, from a `StreamPlan`."""

import re
from collections.abc import Sequence

from myo_export.emit_net_step import Kernels, step_text
from myo_export.fold_mve import Form
from myo_export.lowered import Alias, Network
from myo_export.memory_plan import MemoryPlan
from myo_export.stream_plan import StreamBuffer, StreamPlan


def stream_summary(stream: StreamPlan) -> list[str]:
    """Tell in lines what a push reuses, what it recomputes, and why."""
    share = 100.0 * stream.macs_push / max(stream.macs, 1)
    again = 100.0 * stream.macs_recomputed / max(stream.macs, 1)
    lines = [
        f"Stream: {stream.hop} new time steps a push, window {stream.n_steps}",
        f"a push takes {stream.macs_push} of {stream.macs} MACs ({share:.1f} %);"
        f" {stream.macs_recomputed} of them ({again:.1f} % of a run) are recomputed",
    ]
    lines += [f"recomputed from layer {o.index} ({o.op_name}) on: it {o.reason}" for o in stream.obstacles]
    if stream.better_hops:
        hops = " and ".join(str(n) for n in stream.better_hops)
        lines += [f"the nearest hops that are multiples of all strides: {hops}"]
    return lines


def stream_header(network: Network, stream: StreamPlan) -> str:
    """Declare what a stream adds to ``net.h``."""
    words = stream.buffers[network.graph.input].columns.n_words
    return f"""
#define NET_HOP_SIZE {stream.hop * words} /* int8: {stream.hop} time steps of {words} channels */
#define NET_PUSH_ARENA_SIZE {stream.push_bytes} /* bytes; {stream.state_bytes} of them live from push to push */

/* Fills the window with the input's zero point. Call before the first push. */
void net_reset(void *arena);

/* Moves the window on by a hop and gives what net_run gives for its last {stream.n_steps} time steps. hop: NET_HOP_SIZE
   words, oldest first, left as they are; output: NET_OUTPUT_SIZE words; neither may overlap the arena. With
   net_reset and net_push alone, the first NET_PUSH_ARENA_SIZE bytes of the arena are enough. net_run may be
   called in between and leaves the window as it is. Not reentrant on one arena. */
void net_push(void *arena, const int8_t *hop, int8_t *output);
"""


def _pointers(network: Network, stream: StreamPlan, body: str) -> str:
    """Define the buffers that a function's body names."""
    text = ""
    for root, buffer in stream.buffers.items():
        if re.search(rf"\bs{root}\b", body):
            c = buffer.columns
            text += (
                f"    int8_t *const s{root} = (int8_t *)arena + {buffer.offset};"
                f" /* last {buffer.n_kept} of {c.width} columns of {c.n_words} */\n"
            )
    for root, offset in stream.offsets.items():
        if re.search(rf"\bt{root}\b", body):
            size = network.graph.tensors[root].size
            text += f"    int8_t *const t{root} = (int8_t *)arena + {offset}; /* {size} bytes */\n"
    return text


def _at(name: str, columns: int, n_words: int) -> str:
    return name if columns == 0 else f"{name} + {columns * n_words}"


def _move(name: str, buffer: StreamBuffer) -> str:
    """Bring the columns that stay to the beginning."""
    n_old, words = buffer.n_kept - buffer.n_new, buffer.columns.n_words
    if n_old == 0:
        return ""
    return f"    memmove({name}, {name} + {buffer.n_new * words}, {n_old * words});\n"


def _expression(stream: StreamPlan, plan: MemoryPlan, tensor: int) -> str:
    if tensor in stream.root_of:
        return f"s{stream.root_of[tensor]}"
    buffer = plan.buffer_of[tensor]
    return "output" if buffer == plan.output_buffer else f"t{buffer}"


def stream_text(
    network: Network,
    stream: StreamPlan,
    plan: MemoryPlan,
    packed: Sequence[Form],
    kernels: Kernels,
) -> str:
    """Write the functions of a stream and the configurations that only they use.

    Parameters
    ----------
    network : Network
        Lowered network.
    stream : StreamPlan
        From `plan_stream`.
    plan : MemoryPlan
        Of a run of the same network.
    packed : sequence of Packed, Folded or str
        As `step_text` takes it, for each step.
    kernels : str
        For which kernels.

    Returns
    -------
    str
        Text for the end of ``net.c``.
    """
    configs, advance, rest = "", "", ""
    for p, (step, form) in enumerate(zip(network.steps, packed, strict=True)):
        head = f"\n    /* {step.op.index}: {step.op.name}"
        sources = [_expression(stream, plan, i) for i in step.inputs]
        target = _expression(stream, plan, step.output)
        scratch = f"(int8_t *)arena + {stream.scratch.get(p, 0)}"
        if p not in stream.streamed:
            text = step_text(step.op.index, step.layer, form, kernels, sources, target, scratch)
            macs = f", {step.macs} MACs" if step.macs else ""
            rest += f"{head}, recomputed{macs} */\n{text.calls}"
        elif not isinstance(step.layer, Alias):
            found, buffer = stream.streamed[p], stream.buffers[step.output]
            sources = [
                _at(name, first, stream.buffers[stream.root_of[i]].columns.n_words)
                for name, first, i in zip(sources, found.first, step.inputs, strict=True)
            ]
            c, n_old = buffer.columns, buffer.n_kept - buffer.n_new
            place = _at(target, n_old, c.n_words)
            text = step_text(step.op.index, found.layer, form, kernels, sources, place, scratch, "_push")
            macs = f", {step.macs * buffer.n_new // c.width} MACs" if step.macs else ""
            configs += (
                f"/* Layer {step.op.index} of a push: {buffer.n_new} columns */\n{text.config}\n"
                * bool(text.config)
            )
            advance += f"{head}, {buffer.n_new} new columns of {c.width}{macs} */\n{_move(target, buffer)}{text.calls}"
    if network.graph.output in stream.root_of:
        size = network.graph.tensors[network.graph.output].size
        rest += f"\n    memcpy(output, s{stream.root_of[network.graph.output]}, {size});\n"
    return configs + _functions(network, stream, advance, rest)


def _functions(network: Network, stream: StreamPlan, advance: str, rest: str) -> str:
    source = network.graph.tensors[network.graph.input]
    name, buffer = f"s{source.index}", stream.buffers[source.index]
    words = buffer.columns.n_words
    size, n_old = stream.hop * words, buffer.n_kept - buffer.n_new
    zero_point = source.quantization.zero_point
    text = "/* " + "\n   ".join(stream_summary(stream)) + " */\n\n"
    reset = f"    memset({name}, {zero_point}, {buffer.n_kept * words});\n"
    call = ""
    if advance:
        n_pushes = -(-stream.n_steps // stream.hop)
        text += (
            "/* New columns of every layer that streams. The input's are in their place. */\n"
            f"static void advance(void *arena) {{\n{_pointers(network, stream, advance)}{advance}}}\n\n"
        )
        call = "    advance(arena);\n"
        reset += (
            f"    for (int i = 0; i < {n_pushes}; i++) {{ /* until nothing older is in any window */\n"
            "        advance(arena);\n    }\n"
        )
    push = f"{_move(name, buffer)}    memcpy({_at(name, n_old, words)}, hop, {size});\n{call}{rest}"
    text += f"void net_reset(void *arena) {{\n{_pointers(network, stream, reset)}{reset}}}\n\n"
    text += (
        "void net_push(void *arena, const int8_t *hop, int8_t *output) {\n"
        f"{_pointers(network, stream, push)}{push}}}\n"
    )
    return text
