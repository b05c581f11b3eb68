"""Generated C of wavelet energies and of a window's segments: their configs and tables."""

from __future__ import annotations

from myo_export.emit_spectrum import render_spectrum
from myo_pipeline.stft import FORMULA, StftConfig
from myo_pipeline.wavelet import SPLIT_FURTHER, WAVELET_CATALOGUE, Split, WaveletConfig

_INDENT = "    "


def _split_text(number: int, split: Split, names: list[str]) -> str:
    def half(component: int) -> str:
        return "MYO_WAVELET_SPLIT_FURTHER" if component == SPLIT_FURTHER else str(component)

    parent = "MYO_WAVELET_WINDOW" if split.parent < 0 else str(split.parent)
    known = ", ".join(names[c] for c in (split.low, split.high) if c != SPLIT_FURTHER)
    note = f" /* {number}: {known} */" if known else f" /* {number} */"
    return f"{_INDENT}{{{parent}, {split.level}, {half(split.low)}, {half(split.high)}}},{note}"


def render_wavelet(config: WaveletConfig, made_by: str) -> tuple[str, str]:
    """Write a config of wavelet energies as C.

    Parameters
    ----------
    config
        What to compute.
    made_by
        The command that makes the files again.

    Returns
    -------
    tuple of str
        ``<name>_config.h`` and ``<name>_config.c``, which defines ``<name>_config``; ``wavelet`` or ``packet`` is the name.
    """
    name = config.spec.kind.removesuffix("_energy")
    prefix, names = name.upper(), [component.name for component in config.components]
    title = f"{config.spec.kind} of {config.spec.wavelet}, {config.spec.levels} levels"
    header = f"""/* Sizes of {title}. Made by `{made_by}`; do not edit. */
#ifndef {prefix}_CONFIG_H
#define {prefix}_CONFIG_H

#include "features/myo_wavelet.h"

#define {prefix}_N_CHANNELS {config.n_channels}
#define {prefix}_WINDOW {config.window}u
#define {prefix}_HOP {config.hop}u
#define {prefix}_N_COMPONENTS {config.n_components} /* words a channel: {", ".join(names)} */
#define {prefix}_MEMORY_WORDS {config.memory_words}u
#define {prefix}_WORD_SHIFT {config.word_shift} /* count = word * 2^-shift */

extern const myo_wavelet_config_t {name}_config;

#endif
"""
    taps = "\n".join(f"{_INDENT}{{{low}, {high}}}," for low, high in config.taps.tolist())
    splits = "\n".join(_split_text(number, split, names) for number, split in enumerate(config.splits))
    reals = "\n".join(
        f"   {component.name}: real = word * {component.scale:.9g} + {component.offset:.9g}"
        for component in config.components
    )
    source = f"""/* {title}. Made by `{made_by}`; do not edit.

   {WAVELET_CATALOGUE[config.spec.kind].formula}
{reals} */
#include "{name}_config.h"

/* low and high, over sqrt(2), Q31 */
static const myo_wavelet_taps_t taps[] = {{
{taps}
}};

static const myo_wavelet_split_t splits[] = {{
{splits}
}};

const myo_wavelet_config_t {name}_config = {{
    .n_channels = {prefix}_N_CHANNELS,
    .window = {prefix}_WINDOW,
    .hop = {prefix}_HOP,
    .n_taps = {len(config.taps)},
    .n_splits = {len(config.splits)},
    .n_levels = {config.spec.levels},
    .up = {config.up},
    .n_components = {prefix}_N_COMPONENTS,
    .taps = taps,
    .splits = splits,
}};
"""
    return header, source


def render_stft(config: StftConfig, made_by: str) -> dict[str, str]:
    """Write a config of a window's segments as C.

    Returns
    -------
    dict
        Text of ``stft_config.h`` and ``stft_config.c``, which defines ``stft_config``, and of the segment's spectrum.
    """
    segment_h, segment_c = render_spectrum(config.segment, made_by, "segment")
    names = ", ".join(component.name for component in config.components)
    header = f"""/* Sizes of stft_power. Made by `{made_by}`; do not edit. */
#ifndef STFT_CONFIG_H
#define STFT_CONFIG_H

#include "features/myo_stft.h"

#define STFT_N_CHANNELS {config.n_channels}
#define STFT_WINDOW {config.window}u
#define STFT_HOP {config.hop}u
#define STFT_N_COMPONENTS {len(config.components)} /* words a channel: {names} */
#define STFT_MEMORY_WORDS {config.memory_words}u
#define STFT_WORD_SHIFT {config.segment.word_shift} /* count = word * 2^-shift */

extern const myo_stft_config_t stft_config;

#endif
"""
    source = f"""/* {FORMULA}. Made by `{made_by}`; do not edit. */
#include "stft_config.h"

#include "segment_config.h"

const myo_stft_config_t stft_config = {{
    .segment = &segment_config,
    .window = STFT_WINDOW,
    .hop = STFT_HOP,
    .n_segments = {config.n_segments},
}};
"""
    return {
        "segment_config.h": segment_h,
        "segment_config.c": segment_c,
        "stft_config.h": header,
        "stft_config.c": source,
    }
