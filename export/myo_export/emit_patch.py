"""Generated C of a patch: everything but the network, which ``emit_net`` writes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from myo_export.aux_streams import ProvedAux
from myo_export.buffers import Buffers
from myo_export.embedding import Embedding
from myo_export.emit_aux import render_aux, render_aux_sizes
from myo_export.emit_calibration import render_calibration
from myo_export.emit_feature_set import list_feature_headers, render_parts
from myo_export.emit_front_end import list_headers, render_steps
from myo_export.emit_motion import render_motion, render_motion_size
from myo_export.front_end import FrontEnd
from myo_export.motion import ProvedMotion
from myo_pipeline.decision_rule import AVERAGE, MAJORITY, DecisionRule
from myo_pipeline.feature_stage import FeatureStage
from myo_pipeline.quality_gate import QualityGate, name_flags
from myo_pipeline.spec import PatchSpec
from myo_pipeline.twin_config import TwinConfig

_MAKE = "Made by `myopatch export`; do not edit."


def render_config_header(
    spec: PatchSpec,
    config: TwinConfig,
    front_end: FrontEnd,
    buffers: Buffers,
    aux: Sequence[ProvedAux] = (),
    motion: ProvedMotion | None = None,
) -> str:
    """Return ``patch_config.h``: the sizes of the application's static memory."""
    stage, gate = config.features, config.quality
    n_input = stage.n_inputs if stage else config.window_samples * config.front_end_channels
    newline = "\n"
    seen_ms = 1000 * config.window_samples / spec.front_end_rate_hz
    frame_words = f"(MYO_BLOCK_FRAMES * {config.front_end_channels})" if stage else "0u"
    return f"""/* Sizes of patch "{spec.name}". {_MAKE} */
#ifndef PATCH_CONFIG_H
#define PATCH_CONFIG_H

#include "net.h"
#include "stream/myo_patch.h"

#define PATCH_NAME "{spec.name}"
#define PATCH_N_CHANNELS {config.n_channels}
#define PATCH_RATE_MHZ {round(spec.sensor.rate_hz * 1000)} /* sample rate, millihertz */
#define PATCH_ADC_BITS {spec.sensor.adc_bits}
#define PATCH_SAMPLE_BYTES {spec.sensor.sample_bytes} /* of a count on the link */
#define PATCH_RING_FRAMES {buffers.ring_frames}u /* of samples: that a host may have under way */
#define PATCH_RX_BYTES {buffers.rx_bytes}u /* from the line: what a host with all its credit sends */
#define PATCH_TX_BYTES {buffers.tx_bytes}u /* to the line */
#define PATCH_WINDOW_SAMPLES {config.window_samples} /* {seen_ms:g} ms, behind the front end */
#define PATCH_HOP_SAMPLES {config.hop_samples} /* {spec.window.hop_ms:g} ms */
#define PATCH_WIDEST {max(front_end.widest, config.front_end_channels)} /* channels where the front end is widest */
#define PATCH_FRONT_END_STATE_WORDS {front_end.state_words}
#define PATCH_WINDOW_BYTES {"0u" if stage else "PATCH_NET_INPUT_SIZE"} /* of int8, for the network */
#define PATCH_FEATURE_PARTS {len(stage.config.parts) if stage else 0}u /* families of features */
#define PATCH_FEATURE_WORDS {stage.n_words if stage else 0}u /* int32 words of a window's features */
#define PATCH_FEATURE_SUMS {stage.config.memory_words if stage else 0}u /* 32-bit words of their state */
#define PATCH_FEATURE_FRAME_WORDS {frame_words} /* int16 words of a block */
{newline.join(render_aux_sizes(aux))}
{render_motion_size(motion)}
#define PATCH_QUALITY_CHANNELS {config.n_channels if gate else 0} /* that the quality gate watches */
#define PATCH_QUALITY_WORDS {gate.config.memory_words if gate else 0}u /* of the frames that it keeps */
#define PATCH_CALIBRATION_WORDS {config.calibration.n_words if config.calibration else 0} /* of an embedding */
#define PATCH_N_OUTPUTS {config.n_outputs} /* {", ".join(spec.output_names)} */
#define PATCH_OUTPUT_KIND {config.output_kind} /* {spec.output.kind} */
#define PATCH_VOTE {config.vote}
#define PATCH_NET_INPUT_SIZE {n_input}
#define PATCH_NET_OUTPUT_SIZE {config.n_outputs}
#define PATCH_NET_ARENA_SIZE NET_ARENA_SIZE

_Static_assert(NET_INPUT_SIZE == PATCH_NET_INPUT_SIZE, "the network takes what the patch gives");
_Static_assert(NET_OUTPUT_SIZE == PATCH_NET_OUTPUT_SIZE, "the network gives one window's outputs");

extern const myo_patch_config_t patch_config;

#endif
"""


def render_config_source(
    spec: PatchSpec,
    config: TwinConfig,
    front_end: FrontEnd,
    is_pushed: bool,
    aux: Sequence[ProvedAux] = (),
    embedding: Embedding | None = None,
    motion: ProvedMotion | None = None,
) -> str:
    """Return ``patch_config.c``: coefficients, quantization and settings, as the twin has them.

    ``is_pushed`` tells whether the network has ``net_push`` for the spec's hop.
    """
    stage = config.features
    out = [f'/* Settings of patch "{spec.name}". {_MAKE}', ""]
    out += [f"   {note}" for note in front_end.notes]
    out += ["*/", '#include "patch_config.h"', '#include "bundle_id.h"']
    out += [f'#include "{header}"' for header in list_feature_headers(stage.config)] if stage else []
    out += ['#include "quality_config.h"'] if config.quality else []
    out += ['#include "stream/myo_decision_rule.h"'] if config.rule else []
    chains = [front_end, *(s.front_end for s in aux), *([motion.front_end] if motion else [])]
    out += [*(f'#include "{header}"' for header in list_headers(*chains)), ""]
    out += render_steps(front_end)
    out += _render_stage(stage) if stage else _render_quantize(config)
    out += _render_gate(config.quality) if config.quality else []
    out += render_calibration(config.calibration, embedding) if config.calibration and embedding else []
    out += render_rule(config.rule) if config.rule else []
    out += render_aux(aux)
    out += render_motion(motion)
    out += [
        "",
        "const myo_patch_config_t patch_config = {",
        "    .rate_mhz = PATCH_RATE_MHZ,",
        "    .window_samples = PATCH_WINDOW_SAMPLES,",
        "    .hop_samples = PATCH_HOP_SAMPLES,",
        "    .n_layers = NET_N_LAYERS,",
        "    .n_outputs = PATCH_N_OUTPUTS,",
        "    .sample_bytes = PATCH_SAMPLE_BYTES,",
        "    .adc_bits = PATCH_ADC_BITS,",
        "    .output_kind = PATCH_OUTPUT_KIND,",
        "    .vote = PATCH_VOTE,",
        f"    .reject_below = {config.reject_below},",
        *(["    .rule = &decision_rule,"] if config.rule else []),
        "    .front_end =",
        "        {",
        f"            .steps = {'steps' if front_end.steps else 'NULL'},",
        f"            .n_steps = {len(front_end.steps)},",
        f"            .input_shift = {config.input_shift},",
        "            .n_channels = PATCH_N_CHANNELS,",
        "        },",
        "    .features = &feature_stage," if stage else "    .quantize = quantize,",
        *(["    .quality = &quality_gate,"] if config.quality else []),
        *(["    .aux = &aux_stage,"] if aux else []),
        *(["    .motion = &motion_stage,"] if motion else []),
        *(["    .calibration = &calibration_stage,"] if config.calibration else []),
        "    .bundle_hash = PATCH_BUNDLE_HASH,",
        "    .net_input_size = NET_INPUT_SIZE,",
        "    .net_output_size = NET_OUTPUT_SIZE,",
        "    .net_arena_size = NET_ARENA_SIZE,",
        "    .net_init = net_init,",
        "    .net_run = net_run_observed,",
        *(["    .net_reset = net_reset,", "    .net_push = net_push,"] if is_pushed else []),
        "};",
        "",
    ]
    return "\n".join(out)


def _render_quantize(config: TwinConfig) -> list[str]:
    return [
        "/* Words to the network's int8 input, one a channel behind the front end: multiplier, shift, zero point. */",
        f"static const myo_quantize_config_t quantize[{config.front_end_channels}] = {{",
        *(
            f"    {{{int(multiplier)}, {int(shift)}, {config.zero_point}}},"
            for multiplier, shift in zip(config.multiplier, config.shift, strict=True)
        ),
        "};",
    ]


def _render_stage(stage: FeatureStage) -> list[str]:
    """C of the feature stage behind its families' configs: its normalization and what binds it to the patch."""
    n, config = stage.normalization, stage.config
    out = ["/* From words to the network's int8 input, one a word: mean, fraction, multiplier, shift. */"]
    out.append(f"static const myo_normalize_t normalize[{stage.n_words}] = {{")
    for name, *columns in zip(config.names, n.mean, n.fraction, n.multiplier, n.shift, strict=True):
        cells = ", ".join(
            "{" + ", ".join("INT32_MIN" if v == -(2**31) else str(int(v)) for v in constants) + "}"
            for constants in zip(*columns, strict=True)
        )
        out.append(f"    /* {name} */ {cells},")
    return [
        *out,
        "};",
        "",
        *render_parts(config),
        "",
        "static const myo_feature_stage_config_t feature_stage = {",
        "    .parts = feature_parts,",
        "    .n_parts = PATCH_FEATURE_PARTS,",
        f"    .shape = {{{config.n_channels}, {config.window}, PATCH_HOP_SAMPLES, {config.n_components}}},",
        f"    .n_windows = {stage.n_windows},",
        "    .normalize = normalize,",
        f"    .shift = {stage.filtered_shift},",
        f"    .zero_point = {n.zero_point},",
        "    .functions = &myo_feature_stage_functions,",
        "};",
    ]


def _render_gate(gate: QualityGate) -> list[str]:
    """C of the quality gate beside ``quality_config``."""
    reach = [sum(1 << k for k in np.flatnonzero(row).tolist()) for row in gate.reach]
    return [
        "",
        "/* Channels behind the front end that are made of each of the sensor. */",
        f"static const uint64_t quality_reach[] = {{{', '.join(f'0x{bits:x}u' for bits in reach)}}};",
        "",
        "static const myo_quality_gate_config_t quality_gate = {",
        "    .quality = &quality_config,",
        "    .reach = quality_reach,",
        f"    .max_masked = {gate.max_masked},",
        f"    .mask_flags = {gate.mask_flags}, /* {', '.join(name_flags(gate.mask_flags)) or 'none'} */",
        "    .functions = &myo_quality_gate_functions,",
        "};",
    ]


def render_rule(rule: DecisionRule) -> list[str]:
    """C of how classes are decided, where the majority is not all of it."""
    methods = {MAJORITY: "NULL, /* majority */", AVERAGE: "&myo_decision_average,"}
    return [
        "",
        "static const myo_decision_rule_t decision_rule = {",
        f"    .method = {methods.get(rule.method, '&myo_decision_bayes,')}",
        f"    .hold = {'myo_decision_hold' if rule.holds else 'NULL'},",
        f"    .debounce = {rule.debounce},",
        f"    .dwell = {rule.dwell},",
        f"    .gain_q32 = {rule.gain_q32}u,",
        f"    .leak_q32 = {rule.leak_q32}u,",
        "};",
    ]


def render_bundle_id(bundle_hash: str) -> str:
    """Return ``bundle_id.h``, which carries the bundle hash into the firmware."""
    values = [f"0x{bundle_hash[i : i + 2]}" for i in range(0, 64, 2)]
    lines = [", ".join(values[i : i + 8]) for i in range(0, 32, 8)]
    body = ", \\\n      ".join(lines)
    return (
        f"/* The bundle that this firmware is built from. {_MAKE} */\n#ifndef BUNDLE_ID_H\n#define BUNDLE_ID_H\n\n"
        f"#define PATCH_BUNDLE_HASH \\\n    {{ {body} }}\n\n#endif\n"
    )
