"""Generated C of a stage of spectral features: its config and tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from myo_pipeline.spectrum import SPECTRUM_CATALOGUE, SpectrumConfig, SpectrumRow
from myo_pipeline.spectrum_twin import make_turns, reverse_bits

_INDENT = "    "
_NUMBERS_A_LINE = 8


def _table(entries: Sequence[str]) -> str:
    lines = [", ".join(entries[k : k + _NUMBERS_A_LINE]) for k in range(0, len(entries), _NUMBERS_A_LINE)]
    return "\n".join(f"{_INDENT}{line}," for line in lines)


def _row_text(row: SpectrumRow, name: str) -> str:
    real = f"word * {row.scale:.9g}" + (f" + {row.offset:.9g}" if row.offset else "")
    return (
        f"{_INDENT}/* {name}: {SPECTRUM_CATALOGUE[row.spec.kind].formula}; real = {real} */\n"
        f"{_INDENT}{{MYO_SPECTRUM_{row.kind.name}, {row.first_bin}, {row.end_bin}}},"
    )


def render_spectrum(config: SpectrumConfig, made_by: str, name: str = "spectrum") -> tuple[str, str]:
    """Write a config of spectral features as C.

    Parameters
    ----------
    config
        What to compute.
    made_by
        The command that makes the files again.
    name
        Of the config and its files.

    Returns
    -------
    tuple of str
        ``<name>_config.h`` and ``<name>_config.c``, which defines ``<name>_config``.
    """
    prefix = name.upper()
    kinds = ", ".join(config.names)
    header = f"""/* Sizes of the spectral features {kinds}. Made by `{made_by}`; do not edit. */
#ifndef {prefix}_CONFIG_H
#define {prefix}_CONFIG_H

#include "features/myo_spectrum.h"

#define {prefix}_N_CHANNELS {config.n_channels}
#define {prefix}_WINDOW {config.window}u
#define {prefix}_HOP {config.hop}u
#define {prefix}_LENGTH {config.length}u
#define {prefix}_N_FEATURES {len(config.rows)} /* words a channel: {kinds} */
#define {prefix}_MEMORY_WORDS {config.memory_words}u
#define {prefix}_WORD_SHIFT {config.word_shift} /* count = word * 2^-shift */

extern const myo_spectrum_config_t {name}_config;

#endif
"""
    turns = _table([f"{{{c}, {s if s != -(2**31) else 'INT32_MIN'}}}".replace("-2147483648", "INT32_MIN")
                    for c, s in make_turns(config.length).tolist()])  # fmt: skip
    bins = _table([str(k) for k in reverse_bits(config.length.bit_length() - 2).tolist()])
    rows = "\n".join(_row_text(row, label) for row, label in zip(config.rows, config.names, strict=True))
    taper = ""
    if config.taper_q15 is not None:
        entries = _table([str(w) for w in np.asarray(config.taper_q15).tolist()])
        taper = (
            f"/* {config.taper}, Q15 */\nstatic const int16_t taper[{prefix}_WINDOW] = {{\n{entries}\n}};\n\n"
        )
    source = f"""/* Spectral features {kinds}. Made by `{made_by}`; do not edit. */
#include "{name}_config.h"

{taper}/* cos and sin of 2 pi k / {config.length}, Q31 */
static const myo_complex_t turns[3u * {prefix}_LENGTH / 4u] = {{
{turns}
}};

/* bins in the transform's order */
static const uint16_t bins[{prefix}_LENGTH / 2u] = {{
{bins}
}};

static const myo_spectrum_feature_t features[{prefix}_N_FEATURES] = {{
{rows}
}};

const myo_spectrum_config_t {name}_config = {{
    .n_channels = {prefix}_N_CHANNELS,
    .window = {prefix}_WINDOW,
    .hop = {prefix}_HOP,
    .length = {prefix}_LENGTH,
    .taper = {"NULL" if config.taper_q15 is None else "taper"},
    .turns = turns,
    .bins = bins,
    .n_features = {prefix}_N_FEATURES,
    .features = features,
}};
"""
    return header, source
