"""Generated C of auxiliary streams: their steps, timing and settings, as the twin has them."""

from __future__ import annotations

from collections.abc import Sequence

from myo_export.aux_streams import ProvedAux
from myo_export.emit_front_end import render_steps


def render_aux_sizes(streams: Sequence[ProvedAux]) -> list[str]:
    """Return the lines of ``patch_config.h`` that size the streams' memory."""
    words = sum(stream.config.memory_words for stream in streams)
    names = ", ".join(stream.sensor.name for stream in streams)
    return [
        f"#define PATCH_N_AUX {len(streams)}{f' /* {names} */' if streams else ''}",
        f"#define PATCH_AUX_WORDS {words}u /* 32-bit words of their rings, states and blocks */",
    ]


def render_aux(streams: Sequence[ProvedAux]) -> list[str]:
    """Return the lines that define ``aux_stage``; none where there is no stream."""
    if not streams:
        return []
    out: list[str] = [""]
    rows: list[str] = []
    for number, stream in enumerate(streams):
        config, sensor = stream.config, stream.sensor
        timing, (reciprocal, bits) = config.timing, config.reciprocal
        out += render_steps(stream.front_end, f"aux{number}_")
        has_steps = bool(config.steps)
        rows += [
            f"    /* {stream.note} */",
            f"    {{.chain = {{.steps = {f'aux{number}_steps' if has_steps else 'NULL'}, .n_steps = {len(config.steps)}, "
            f".input_shift = {config.input_shift}, .n_channels = {config.n_channels}}},",
            f"     .rate_mhz = {round(sensor.rate_hz * 1000)},",
            f"     .adc_bits = {sensor.adc_bits},",
            f"     .sample_bytes = {config.sample_bytes},",
            f"     .ring_samples = {config.ring_samples},",
            f"     .unit = {timing.unit},",
            f"     .step = {timing.step * timing.frame},",
            f"     .first = {timing.first},",
            f"     .frame = {timing.frame},",
            f"     .max_age = {timing.max_age},",
            f"     .reciprocal = {reciprocal}u,",
            f"     .reciprocal_shift = {bits},",
            f"     .shift = {config.shift}}},",
        ]
    return [
        *out,
        f"static const myo_aux_config_t aux_streams[{len(streams)}] = {{",
        *rows,
        "};",
        "",
        "static const myo_aux_stage_config_t aux_stage = {",
        "    .streams = aux_streams,",
        f"    .n_streams = {len(streams)},",
        f"    .wide = {sum((stream.config.sample_bytes == 4) << k for k, stream in enumerate(streams))},",
        f"    .n_channels = {sum(stream.config.n_outputs for stream in streams)},",
        "    .functions = &myo_aux_functions};",
    ]
