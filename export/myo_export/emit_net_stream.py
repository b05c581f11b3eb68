"""C text of a stream: ``net_reset`` and ``net_push``, from a `StreamPlan`."""

import re
from collections.abc import Sequence

from myo_export.emit_lstm import NetworkState
from myo_export.emit_net_layers import c_at
from myo_export.emit_net_step import Kernels, step_text
from myo_export.fold_mve import Form
from myo_export.lowered import Network
from myo_export.memory_plan import MemoryPlan
from myo_export.stream_buffers import StreamBuffer
from myo_export.stream_plan import StreamPlan


def stream_summary(network: Network, stream: StreamPlan) -> list[str]:
    """Tell in lines what a push reuses, what it computes again, and why."""
    share = 100.0 * stream.macs_push / max(stream.macs, 1)
    again = 100.0 * stream.macs_recomputed / max(stream.macs, 1)
    lines = [
        f"Stream: {stream.hop} new time steps a push, window {stream.n_steps}",
        f"a push takes {stream.macs_push} of {stream.macs} MACs ({share:.1f} %);"
        f" {stream.macs_recomputed} of them ({again:.1f} % of a run) are recomputed",
    ]
    for p, parts in stream.streamed.items():
        buffer = stream.buffers.get(network.steps[p].output)
        if buffer is not None and parts and buffer.columns.left + buffer.columns.right:
            c, step = buffer.columns, network.steps[p]
            n = sum(part.n for part in parts)
            lines += [
                f"layer {step.index} ({step.op.name}) computes {n} of {c.width} columns: {buffer.n_new} new ones,"
                f" {c.left} and {c.right} at the ends that padding reaches into"
            ]
    for sums in stream.sums:
        step, buffer = network.steps[sums.place], stream.buffers[sums.root]
        lines += [
            f"layer {step.index} ({step.op.name}) keeps running sums:"
            f" {2 * _n_changing(buffer)} columns go in or out, of {buffer.columns.width}"
        ]
    lines += [f"recomputed from layer {o.index} ({o.op_name}) on: it {o.reason}" for o in stream.obstacles]
    if stream.better_hops:
        hops = " and ".join(str(n) for n in stream.better_hops)
        lines += [f"the nearest hops that are multiples of all strides: {hops}"]
    return lines


def _n_changing(buffer: StreamBuffer) -> int:
    return buffer.columns.left + buffer.n_new + buffer.columns.right


def stream_header(network: Network, stream: StreamPlan) -> str:
    """Declare what a stream adds to ``net.h``."""
    words = stream.buffers[network.graph.input].columns.n_words
    anew = ""
    if NetworkState(network).n_bytes:
        anew = " Every push calls net_init, so that its window\n   begins anew; a run that follows needs that call too."
    return f"""
#define NET_HOP_SIZE {stream.hop * words} /* int8: {stream.hop} time steps of {words} channels */
#define NET_PUSH_ARENA_SIZE {stream.push_bytes} /* bytes; {stream.state_bytes} of them live from push to push */

/* Fills the window with the input's zero point. Call before the first push. */
void net_reset(void *arena);

/* Moves the window on by a hop and gives what net_run gives for its last {stream.n_steps} time steps. hop: NET_HOP_SIZE
   words, oldest first, left as they are; output: NET_OUTPUT_SIZE words; neither may overlap the arena. With
   net_reset and net_push alone, the first NET_PUSH_ARENA_SIZE bytes of the arena are enough. net_run may be
   called in between and leaves the window as it is.{anew} Not reentrant on one arena. */
void net_push(void *arena, const int8_t *hop, int8_t *output);
"""


def _pointers(plan: MemoryPlan, stream: StreamPlan, body: str) -> str:
    """Define the buffers that a function's body names."""
    text = ""
    for root, buffer in stream.buffers.items():
        if re.search(rf"\bs{root}\b", body):
            c, first = buffer.columns, f"first {buffer.n_left} and " * (buffer.n_left > 0)
            text += (
                f"    int8_t *const s{root} = (int8_t *)arena + {buffer.offset};"
                f" /* {first}last {buffer.n_right} of {c.width} columns of {c.n_words} */\n"
            )
    for sums in stream.sums:
        if re.search(rf"\bsums{sums.place}\b", body):
            text += f"    int32_t *const sums{sums.place} = (int32_t *)((int8_t *)arena + {sums.offset});\n"
    for root, offset in stream.offsets.items():
        if re.search(rf"\bt{root}\b", body):
            size = plan.sizes[root]
            text += f"    int8_t *const t{root} = (int8_t *)arena + {offset}; /* {size} bytes */\n"
    return text


def _move(name: str, buffer: StreamBuffer) -> str:
    """Bring the columns that stay to where they now stand in the window."""
    words = buffer.columns.n_words
    if buffer.n_old == 0:
        return ""
    to, source = (c_at(name, (buffer.n_left + n) * words) for n in (0, buffer.n_new))
    return f"    memmove({to}, {source}, {buffer.n_old * words});\n"


def _take(stream: StreamPlan, root: int, before: bool) -> str:
    """Take columns out of the running sums before a push changes them, or in once it has."""
    text, buffer = "", stream.buffers[root]
    c = buffer.columns
    n_left, n_right = (c.left + buffer.n_new, c.right) if before else (c.left, buffer.n_new + c.right)
    for sums in stream.sums:
        if sums.root == root:
            for first, n in ((0, n_left), (c.width - n_right, n_right)):
                place = c_at(f"s{root}", buffer.at(first) * c.n_words) if n else ""
                verb = "subtract" if before else "add"
                text += f"    myo_sums_{verb}(sums{sums.place}, {place}, {n}, {c.n_words});\n" * (n > 0)
    return text


def _expression(stream: StreamPlan, plan: MemoryPlan, tensor: int) -> str:
    if tensor in stream.root_of:
        return f"s{stream.root_of[tensor]}"
    home = plan.homes[tensor]
    return c_at("output" if home.buffer == plan.output_buffer else f"t{home.buffer}", home.begin)


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
    sums_of = {sums.place: f"sums{sums.place}" for sums in stream.sums}
    for p, (step, form) in enumerate(zip(network.steps, packed, strict=True)):
        head = f"\n    /* {step.index}: {step.op_names}"
        sources = [_expression(stream, plan, i) for i in step.inputs]
        target = _expression(stream, plan, step.output)
        scratch = f"(int8_t *)arena + {stream.scratch.get(p, 0)}"
        if p in sums_of:
            call = f"    myo_mean_of_sums_run(&layer_{step.index}, {sums_of[p]}, {target});\n"
            rest += f"{head}, from running sums */\n{call}"
        elif p not in stream.streamed:
            text = step_text(step.index, step.layer, form, kernels, sources, target, scratch)
            macs = f", {step.macs} MACs" if step.macs else ""
            rest += f"{head}, recomputed{macs} */\n{text.calls}"
        elif stream.streamed[p]:
            buffer, calls = stream.buffers[step.output], ""
            c, parts = buffer.columns, stream.streamed[p]
            for part in parts:
                begins = [
                    c_at(name, first * stream.buffers[stream.root_of[i]].columns.n_words)
                    for name, first, i in zip(sources, part.sources, step.inputs, strict=True)
                ]
                suffix = "_push" if part is parts[-1] else "_left"
                to = c_at(target, part.target * c.n_words)
                text = step_text(step.index, part.layer, form, kernels, begins, to, scratch, suffix)
                about = f"/* Layer {step.index} of a push: {part.n} columns */\n"
                configs += f"{about}{text.config}\n" * bool(text.config)
                calls += text.calls
            n = sum(part.n for part in parts)
            macs = f", {step.macs * n // c.width} MACs" if step.macs else ""
            edges = f", and {c.left} + {c.right} at its ends" if c.left + c.right else ""
            advance += f"{head}, {buffer.n_new} new columns of {c.width}{edges}{macs} */\n"
            advance += _take(stream, step.output, True) + _move(target, buffer) + calls
            advance += _take(stream, step.output, False)
    if network.graph.output in stream.root_of:
        size = network.graph.tensors[network.graph.output].size
        rest += f"\n    memcpy(output, s{stream.root_of[network.graph.output]}, {size});\n"
    return configs + _functions(network, stream, plan, advance, rest)


def _functions(network: Network, stream: StreamPlan, plan: MemoryPlan, advance: str, rest: str) -> str:
    source = network.graph.tensors[network.graph.input]
    name, buffer = f"s{source.index}", stream.buffers[source.index]
    words = buffer.columns.n_words
    size, n_old = stream.hop * words, buffer.n_old
    zero_point = source.quantization.zero_point
    text = "/* " + "\n   ".join(stream_summary(network, stream)) + " */\n\n"
    reset = f"    memset({name}, {zero_point}, {buffer.n_kept * words});\n"
    for sums in stream.sums:  # of columns that are all zero; pushes bring the window's in
        c = stream.buffers[sums.root].columns
        reset += f"    memset(s{sums.root}, 0, {c.width * c.n_words});\n"
        reset += f"    memset(sums{sums.place}, 0, {c.n_words} * sizeof(int32_t));\n"
    call = ""
    if advance:
        n_pushes = -(-stream.n_steps // stream.hop)
        text += (
            "/* New columns of every layer that streams. The input's are in their place. */\n"
            f"static void advance(void *arena) {{\n{_pointers(plan, stream, advance)}{advance}}}\n\n"
        )
        call = "    advance(arena);\n"
        reset += (
            f"    for (int i = 0; i < {n_pushes}; i++) {{ /* until nothing older is in any window */\n"
            "        advance(arena);\n    }\n"
        )
    state = NetworkState(network)
    begin = "    net_init(arena); /* every window begins anew */\n" if state.n_bytes else ""
    push = f"{_move(name, buffer)}    memcpy({c_at(name, n_old * words)}, hop, {size});\n{call}{begin}{rest}"
    text += f"void net_reset(void *arena) {{\n{_pointers(plan, stream, reset)}{reset}}}\n\n"
    text += (
        "void net_push(void *arena, const int8_t *hop, int8_t *output) {\n"
        f"{state.pointers()}{_pointers(plan, stream, push)}{push}}}\n"
    )
    return text
