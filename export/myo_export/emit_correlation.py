"""Generated C of the correlation around the ring."""

from __future__ import annotations

from myo_pipeline.ring import FORMULA, RingConfig


def render_correlation(config: RingConfig, made_by: str) -> tuple[str, str]:
    """Write a config of the correlation around the ring as C.

    Returns
    -------
    tuple of str
        Text of ``correlation_config.h`` and ``correlation_config.c``, which defines ``correlation_config``.
    """
    names = ", ".join(component.name for component in config.components)
    header = f"""/* Sizes of ring_correlation. Made by `{made_by}`; do not edit. */
#ifndef CORRELATION_CONFIG_H
#define CORRELATION_CONFIG_H

#include "features/myo_correlation.h"

#define CORRELATION_N_CHANNELS {config.n_channels}
#define CORRELATION_WINDOW {config.window}u
#define CORRELATION_HOP {config.hop}u
#define CORRELATION_N_COMPONENTS {len(config.components)} /* words a channel: {names} */
#define CORRELATION_MEMORY_WORDS {config.memory_words}u
#define CORRELATION_WORD_SHIFT {config.word_shift} /* count = word * 2^-shift */

extern const myo_correlation_config_t correlation_config;

#endif
"""
    source = f"""/* {FORMULA}; words are Q30. Made by `{made_by}`; do not edit. */
#include "correlation_config.h"

const myo_correlation_config_t correlation_config = {{
    .n_channels = CORRELATION_N_CHANNELS,
    .window = CORRELATION_WINDOW,
    .hop = CORRELATION_HOP,
    .reach = CORRELATION_N_COMPONENTS,
}};
"""
    return header, source
