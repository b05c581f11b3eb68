"""Generated C of the signal quality's config."""

from __future__ import annotations

from dataclasses import asdict

from myo_pipeline.quality import NEED_CLIPS, NEED_MAINS, QualityConfig

_ENERGIES = ("flat_energy", "off_energy", "mains_energy", "motion_energy")


def render_quality(config: QualityConfig, made_by: str) -> tuple[str, str]:
    """Write a quality config as C.

    Parameters
    ----------
    config
        What to compute.
    made_by
        The command that makes the files again.

    Returns
    -------
    tuple of str
        ``quality_config.h`` and ``quality_config.c``, which defines ``quality_config``.
    """
    header = f"""/* Sizes of the signal quality's memory. Made by `{made_by}`; do not edit. */
#ifndef QUALITY_CONFIG_H
#define QUALITY_CONFIG_H

#include "quality/myo_quality.h"

#define QUALITY_N_CHANNELS {config.n_channels}
#define QUALITY_N_WORDS {config.memory_words}u /* of the frames that are kept */

extern const myo_quality_config_t quality_config;

#endif
"""
    values: dict[str, object] = {**asdict(config), "cosines": "cosines", "sines": "sines"}
    values |= {name: f"{values[name]}u" for name in _ENERGIES}  # beyond 2^31 C takes the type that fits
    values |= {"n_channels": "QUALITY_N_CHANNELS", "period_looks": config.period_looks, "take": "take"}
    rows = "\n".join(f"    .{name} = {value}," for name, value in values.items())
    waves = "\n".join(
        f"static const int16_t {name}[] = {{{', '.join(map(str, wave))}}}; /* Q14 */"
        for name, wave in (("cosines", config.cosines), ("sines", config.sines))
    )
    source = f"""/* Signal quality: a period is {config.period_frames} frames. Made by `{made_by}`; do not edit. */
#include "quality_config.h"

#include "quality/myo_quality_take.h"

{waves}

static void take(myo_quality_t *self, const int32_t *x, uint32_t n) {{
    static const myo_quality_shape_t shape = {{
        .n_channels = QUALITY_N_CHANNELS,
        .stride = {config.stride},
        .block_frames = {config.block_frames},
        .group_blocks = {config.group_blocks},
        .clip_level = {config.clip_level},
        .is_narrow = {"true" if config.adc_bits <= 16 else "false"},
        .clips = {"true" if config.checks & NEED_CLIPS else "false"},
        .compares = {"true" if config.compares else "false"},
        .tunes = {"true" if config.checks & NEED_MAINS else "false"},
    }};
    myo_quality_take(self, x, n, shape);
}}

const myo_quality_config_t quality_config = {{
{rows}
}};
"""
    return header, source
