"""Generated C of a feature stage: its config, and an accumulator that sums only what its features need."""

from __future__ import annotations

from myo_pipeline.feature_config import FeatureConfig, FeatureRow, Sum, Transform
from myo_pipeline.features import CATALOGUE, Value

_INDENT = "    "


def _needs_text(needs: Sum) -> str:
    return " | ".join(f"MYO_SUM_{bit.name}" for bit in Sum if bit in needs)


def _row_text(row: FeatureRow) -> str:
    is_log = row.transform is Transform.LOG2
    formula = f"log2 of {CATALOGUE[row.spec.kind].formula}" if is_log else CATALOGUE[row.spec.kind].formula
    real = f"word * {row.scale:.9g}" + (f" + {row.offset:.9g}" if row.offset else "")
    kind, transform = Value(row.value).name.lower(), Transform(row.transform).name
    return (
        f"{_INDENT}/* {row.spec.kind}: {formula}; real = {real} */\n"
        f"{_INDENT}{{&myo_feature_{kind}, MYO_TRANSFORM_{transform}, {row.shift}}},"
    )


def render_features(config: FeatureConfig, made_by: str) -> tuple[str, str]:
    """Write a feature config as C.

    Parameters
    ----------
    config
        What to compute.
    made_by
        The command that makes the files again.

    Returns
    -------
    tuple of str
        ``features_config.h`` and ``features_config.c``, which defines ``features_config``.
    """
    kinds = ", ".join(dict.fromkeys(name.split("[")[0] for name in config.names))
    header = f"""/* Sizes of the features {kinds}. Made by `{made_by}`; do not edit. */
#ifndef FEATURES_CONFIG_H
#define FEATURES_CONFIG_H

#include "features/myo_features.h"

#define FEATURES_N_CHANNELS {config.n_channels}
#define FEATURES_WINDOW {config.window}u
#define FEATURES_HOP {config.hop}u
#define FEATURES_N_COMPONENTS {config.n_components} /* words a channel: {", ".join(config.names)} */
#define FEATURES_MEMORY_WORDS {config.memory_words}u
#define FEATURES_WORD_SHIFT {config.word_shift} /* count = word * 2^-shift */

extern const myo_features_config_t features_config;

#endif
"""
    fields: dict[str, object] = {
        "n_channels": "FEATURES_N_CHANNELS",
        "window": "FEATURES_WINDOW",
        "hop": "FEATURES_HOP",
        "blocks_per_hop": len(config.block_lengths),
        "block_lengths": "block_lengths",
        "n_blocks": "N_BLOCKS",
        "first_middle_block": config.first_middle_block,
        "end_middle_block": config.end_middle_block,
        "n_features": len(config.rows),
        "n_components": "FEATURES_N_COMPONENTS",
        "features": "features",
        "needs": "NEEDS",
        "n_lags": "N_LAGS",
        "order": config.order,
        "n_bins": "N_BINS",
        "bin_shift": config.bin_shift,
        "bin_range": config.bin_range,
        "bin_multiplier": f"{config.bin_multiplier}u",
        "threshold_zc": "THRESHOLD_ZC",
        "threshold_ssc": "THRESHOLD_SSC",
        "threshold_wamp": "THRESHOLD_WAMP",
        "accumulate": "accumulate",
        "sum_window": "sum_window",
    }
    assignments = "\n".join(f"{_INDENT}.{name} = {value}," for name, value in fields.items())
    lengths = ", ".join(str(length) for length in config.block_lengths)
    rows = "\n".join(_row_text(row) for row in config.rows)
    source = f"""/* Features {kinds}. Made by `{made_by}`; do not edit. */
#include "features_config.h"

#include "features/myo_features_template.h"

#define NEEDS ({_needs_text(config.needs)})
#define N_LAGS {config.n_lags}u
#define N_BINS {config.n_bins}u
#define N_BLOCKS {config.n_blocks}u
#define THRESHOLD_ZC {config.thresholds[0]} /* words */
#define THRESHOLD_SSC {config.thresholds[1]}
#define THRESHOLD_WAMP {config.thresholds[2]}

MYO_FEATURES_SPECIALIZE(NEEDS, FEATURES_N_CHANNELS, N_LAGS, N_BINS, N_BLOCKS, THRESHOLD_ZC, THRESHOLD_SSC,
                        THRESHOLD_WAMP)

static const uint16_t block_lengths[] = {{{lengths}}};

static const myo_feature_t features[] = {{
{rows}
}};

const myo_features_config_t features_config = {{
{assignments}
}};
"""
    return header, source
