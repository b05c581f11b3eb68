"""Generated C of the signal quality's config."""

from __future__ import annotations

from dataclasses import asdict

from myo_pipeline.quality import QualityConfig

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
#define QUALITY_PERIOD_FRAMES {config.period_frames}u
#define QUALITY_N_BLOCKS {config.n_channels * config.group_blocks}u /* words of the blocks' sums */

extern const myo_quality_config_t quality_config;

#endif
"""
    values: dict[str, object] = {**asdict(config), "cosines": "cosines", "sines": "sines"}
    values |= {name: f"{values[name]}u" for name in _ENERGIES}  # beyond 2^31 C takes the type that fits
    values |= {"n_channels": "QUALITY_N_CHANNELS", "period_frames": "QUALITY_PERIOD_FRAMES"}
    rows = "\n".join(f"    .{name} = {value}," for name, value in values.items())
    waves = "\n".join(
        f"static const int16_t {name}[] = {{{', '.join(map(str, wave))}}}; /* Q14 */"
        for name, wave in (("cosines", config.cosines), ("sines", config.sines))
    )
    source = f"""/* Signal quality: a period is {config.period_frames} frames. Made by `{made_by}`; do not edit. */
#include "quality_config.h"

{waves}

const myo_quality_config_t quality_config = {{
{rows}
}};
"""
    return header, source
