"""Trees and quadratic forms as C: ``net.h`` and ``net.c`` with a network's interface, so that a patch runs them as one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from myo_export.cost_model import estimate_network
from myo_export.emit_net import OBSERVE, RUN_HEAD, RUN_TAIL, write_files
from myo_export.network_report import LayerReport, NetworkReport
from myo_export.tflite_reader import printable
from myo_export.word_cost import estimate_functions, estimate_words
from myo_pipeline.quadratic import SCORE_BITS, Quadratic
from myo_pipeline.scores import LOGIT_BITS, SHARE_STEP, SHARE_ZERO
from myo_pipeline.trees import LEAF, Boosted, Forest, Trees
from myo_pipeline.word_network import INPUT_STEP, WordNetwork, describe_layer

_NUMBERS_A_LINE: Final = 16
_ALIGNMENT: Final = 16


@dataclass(frozen=True)
class LayerSource:
    """What a layer adds to ``net.c``, and the flash of its tables."""

    constants: str
    call: str
    table_bytes: int
    declaration: str = ""


def _table(ctype: str, name: str, values: Iterable[int], a_line: int = _NUMBERS_A_LINE) -> str:
    cells = [str(int(v)) if v != -(2**31) else "INT32_MIN" for v in values]
    lines = [", ".join(cells[k : k + a_line]) for k in range(0, len(cells), a_line)]
    return f"static const {ctype} {name}[] = {{\n" + "".join(f"    {line},\n" for line in lines) + "};\n"


def _link(link: int) -> str:
    return f"MYO_TREE_LEAF + {link - LEAF}" if link >= LEAF else str(link)


def _render_nodes(trees: Trees, words: Sequence[str], about: Sequence[str]) -> str:
    """Write the nodes, each with the question that it asks."""
    out = [
        "/* {word, threshold, {go on where the word is at most the threshold, where it is above}}. */",
        "static const myo_tree_node_t nodes[] = {",
    ]
    for tree, depth in enumerate(trees.measure_depths()):
        rows = trees.nodes_of(tree)
        out.append(f"    /* tree {tree}{about[tree]}: {len(rows)} nodes, at most {depth} met */")
        out += [
            f"    {{{word}, {threshold}, {{{_link(low)}, {_link(high)}}}}}, /* {words[word]} */"
            for word, threshold, low, high in rows.tolist()
        ]
    out += ["    {0, 0, {MYO_TREE_LEAF, MYO_TREE_LEAF}}, /* of no tree: C has no empty array */"] * (
        not len(trees.nodes)
    )
    return "\n".join([*out, "};"]) + "\n" + _table("uint8_t", "n_nodes", trees.n_splits)


def _trees_fields(trees: Trees) -> str:
    return f"    .trees = {{nodes, n_nodes, {trees.n_trees}}},\n"


def _render_leaves(forest: Forest) -> str:
    out = [f"/* A row a leaf, tree after tree: votes of {forest.n_outputs} classes. */"]
    out.append("static const uint8_t votes[] = {")
    votes = forest.votes
    for tree, first in enumerate(forest.trees.first_leaves):
        out.append(f"    /* tree {tree} */")
        rows = votes[first : first + int(forest.trees.n_splits[tree]) + 1]
        out += [f"    {', '.join(map(str, row))}," for row in rows.tolist()]
    return "\n".join([*out, "};"]) + "\n"


def _forest(forest: Forest, words: Sequence[str]) -> LayerSource:
    trees = forest.trees
    constants = _render_nodes(trees, words, [""] * trees.n_trees) + _render_leaves(forest)
    constants += (
        f"static const myo_forest_config_t forest = {{\n{_trees_fields(trees)}    .votes = votes,\n"
        f"    .n_outputs = {forest.n_outputs},\n    .multiplier = {forest.multiplier},\n}};\n"
    )
    n_bytes = 4 * len(trees.nodes) + trees.n_trees + forest.votes.size
    return LayerSource(constants, "myo_forest_run(&forest, input, arena, {target});", n_bytes)


def _boosted(boosted: Boosted, words: Sequence[str], outputs: Sequence[str]) -> LayerSource:
    trees, n_scores = boosted.trees, boosted.n_scores
    first = boosted.n_outputs - n_scores
    about = [f", {outputs[first + tree % n_scores]}" for tree in range(trees.n_trees)]
    constants = _render_nodes(trees, words, about)
    constants += f"/* Scores in steps of 2^-{boosted.exponent}. */\n"
    constants += _table("int16_t", "leaves", boosted.leaf_words)
    constants += _table("int32_t", "base", boosted.base_words)
    constants += (
        f"static const myo_boosted_config_t boosted = {{\n{_trees_fields(trees)}    .leaves = leaves,\n    .base = base,\n"
        f"    .n_outputs = {boosted.n_outputs},\n    .n_scores = {n_scores},\n    .shift = {boosted.shift},\n}};\n"
    )
    n_bytes = 4 * len(trees.nodes) + trees.n_trees + 2 * trees.n_leaves + 4 * boosted.n_outputs
    return LayerSource(constants, "myo_boosted_run(&boosted, input, arena, {target});", n_bytes)


def _quadratic(forms: Quadratic, words: Sequence[str], outputs: Sequence[str]) -> LayerSource:
    out = ["/* Lower triangles, a row a word that it adds, filled up to pairs. */"]
    out.append("static const _Alignas(4) int16_t maps[] = {")
    n_words = 0
    for output, triangle in enumerate(forms.map_words.tolist()):
        out.append(f"    /* {outputs[output]}, in steps of 2^-{forms.exponents[output]} */")
        for k, row in enumerate(triangle):
            cells = [*row[: k + 1], *[0] * ((k + 1) % 2)]
            n_words += len(cells)
            out.append(f"    {', '.join(map(str, cells))}, /* {words[k]} */")
    constants = "\n".join([*out, "};"]) + "\n"
    constants += _table("int32_t", "offsets", forms.offset_words.ravel(), 8)
    constants += _table("int32_t", "constants", forms.constant_words)
    constants += _table("uint8_t", "shifts", forms.shifts)
    constants += (
        "static const myo_quadratic_config_t quadratic = {\n    .maps = maps,\n    .offsets = offsets,\n"
        "    .constants = constants,\n    .shifts = shifts,\n"
        f"    .n_inputs = {forms.n_inputs},\n    .n_outputs = {forms.n_outputs},\n    .shift = {SCORE_BITS - LOGIT_BITS},\n}};\n"
    )
    n_bytes = 2 * n_words + 4 * forms.offset_words.size + 5 * forms.n_outputs
    scores, call = 4 * forms.n_outputs, "myo_quadratic_run(&quadratic, input, arena, words, {target});"
    return LayerSource(
        constants, call, n_bytes, f"    int16_t *const words = (int16_t *)arena + {scores // 2};\n"
    )


def _softmax(n_outputs: int, exp_q31: NDArray[np.int32]) -> LayerSource:
    constants = _table("int32_t", "exp_q31", exp_q31, 8)
    constants += f"static const myo_softmax_config_t softmax = {{1, {n_outputs}, exp_q31, {len(exp_q31)}}};\n"
    return LayerSource(constants, "myo_softmax_run(&softmax, {source}, {target});", 4 * len(exp_q31))


def _render_layers(
    network: WordNetwork, words: Sequence[str], outputs: Sequence[str]
) -> tuple[tuple[LayerSource, ...], str, int]:
    """Return the layers, the headers that they want, and bytes of working memory before the logits."""
    match network:
        case Forest():
            return (_forest(network, words),), '#include "classical/myo_trees.h"\n', 4 * network.n_outputs
        case Boosted():
            layers = (_boosted(network, words, outputs), _softmax(network.n_outputs, network.exp_q31))
            headers = '#include "classical/myo_trees.h"\n#include "myo_nn.h"\n'
            return layers, headers, 4 * network.n_outputs
        case Quadratic():
            layers = (_quadratic(network, words, outputs), _softmax(network.n_outputs, network.exp_q31))
            headers = '#include "classical/myo_quadratic.h"\n#include "myo_nn.h"\n'
            return layers, headers, 4 * network.n_outputs + 2 * (network.n_inputs + network.n_inputs % 2)
        case _:
            raise TypeError(f"no C for {network.KIND}")


@dataclass(frozen=True)
class WordSource:
    """Generated text of a word network, before any file is written, and its figures."""

    header: str
    source: str
    report: NetworkReport


def render_word_network(
    network: WordNetwork, made_by: str, words: Sequence[str] = (), outputs: Sequence[str] = ()
) -> WordSource:
    """Write a word network as C.

    Parameters
    ----------
    network
        What to compute.
    made_by
        The command that makes the files again.
    words, outputs
        Names for comments; numbers where there are none.
    """
    words = words or [f"word {k}" for k in range(network.n_inputs)]
    outputs = outputs or [f"class {k}" for k in range(network.n_outputs)]
    names = [[printable(name).replace("*/", "* /") for name in part] for part in (words, outputs)]
    layers, headers, scratch = _render_layers(network, *names)
    places = [*[f"logits + {k * network.n_outputs}" for k in range(len(layers) - 1)], "output"]
    places = [place.removesuffix(" + 0") for place in places]
    arena_bytes = scratch + (len(layers) - 1) * network.n_outputs
    source = f'/* {network.KIND} over feature words. Made by `{made_by}`; do not edit. */\n#include "net.h"\n\n{headers}\n'
    body = "".join(layer.declaration for layer in layers)
    body += f"    int8_t *const logits = (int8_t *)arena + {scratch};\n" * (len(layers) > 1)
    for number, (name, layer) in enumerate(zip(network.LAYERS, layers, strict=True)):
        about = f"{layer.table_bytes} bytes of tables"
        source += f"/* Layer {number}: {name}, {about} */\n{layer.constants}\n"
        target = places[number]
        call = layer.call.format(source=places[number - 1], target=target)
        body += f"\n    /* {number}: {name}, {about} */\n    {call}\n"
        body += f"    observe(observer, context, {number}, {target}, {network.n_outputs});\n"
    source += f"{OBSERVE}{RUN_HEAD}{body}{RUN_TAIL}void net_init(void *arena) {{\n    (void)arena;\n}}\n"
    header = _render_header(network, made_by, arena_bytes)
    return WordSource(header, source, _report(network, layers, arena_bytes))


def _render_header(network: WordNetwork, made_by: str, arena_bytes: int) -> str:
    return f"""/* {network.KIND} over feature words. Made by `{made_by}`; do not edit. */
#ifndef NET_H
#define NET_H

#include <stddef.h>
#include <stdint.h>

#define NET_INPUT_SIZE {network.n_inputs} /* int8, scale 1/128, zero point 0 */
#define NET_OUTPUT_SIZE {network.n_outputs} /* int8, scale 1/256, zero point -128 */
#define NET_ARENA_SIZE {arena_bytes} /* bytes */
#define NET_N_LAYERS {len(network.LAYERS)} /* {", ".join(network.LAYERS)} */

/* Gets the words of a layer after it has run; they are valid during the call only. */
typedef void (*net_observer_t)(void *context, uint16_t layer, const int8_t *data, size_t n);

/* Does nothing: nothing lives from run to run. The arena is the caller's: NET_ARENA_SIZE bytes, aligned to {_ALIGNMENT}. */
void net_init(void *arena);

/* Runs once. input: NET_INPUT_SIZE words, left as they are; output: NET_OUTPUT_SIZE words.
   Input, output and arena must not overlap. Not reentrant on one arena. */
void net_run(void *arena, const int8_t *input, int8_t *output);

/* The same; the observer sees the layers in order. It may be NULL. */
void net_run_observed(void *arena, const int8_t *input, int8_t *output, net_observer_t observer,
                      void *context);

#endif
"""


def _report(network: WordNetwork, layers: Sequence[LayerSource], arena_bytes: int) -> NetworkReport:
    rows = []
    for number, (name, layer) in enumerate(zip(network.LAYERS, layers, strict=True)):
        scale, zero_point = describe_layer(name)
        functions, own_bytes = estimate_functions(name)
        rows.append(
            LayerReport(
                index=number, op_name=name, output_name=name.lower(), output_shape=(1, network.n_outputs),
                output_scale=scale, output_zero_point=zero_point,
                macs=network.n_macs if name == "QUADRATIC" and isinstance(network, Quadratic) else 0, weight_bytes=0,
                table_bytes=layer.table_bytes, kernel="plain", scratch_bytes=0, cost=estimate_words(network, name),
                functions=functions, call_bytes=own_bytes,
            )
        )  # fmt: skip
    return NetworkReport(
        tuple(rows), (1, network.n_inputs), INPUT_STEP, 0, (1, network.n_outputs), SHARE_STEP, SHARE_ZERO,
        macs=sum(row.macs for row in rows), flash_bytes=sum(row.flash_bytes for row in rows),
        arena_bytes=arena_bytes, run_arena_bytes=arena_bytes,
        arena_lower_bound_bytes=arena_bytes, tflm_arena_bytes=0, cost=estimate_network([row.cost for row in rows]),
    )  # fmt: skip


def emit_word_network(
    network: WordNetwork, out_dir: Path, made_by: str, words: Sequence[str], outputs: Sequence[str]
) -> NetworkReport:
    """Write ``net.h`` and ``net.c`` into a folder, and take away what an earlier network left there.

    Raises
    ------
    ExportError
        If a file cannot be written; one line.
    """
    text = render_word_network(network, made_by, words, outputs)
    shutil.rmtree(out_dir / "tflm", ignore_errors=True)
    write_files(out_dir, {"net.h": text.header, "net.c": text.source})
    return text.report
