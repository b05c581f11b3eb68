/* The feature stage of a patch: filtered blocks -> int16 words -> features of each window -> network input,
   which holds the features of the last n_windows windows, oldest first.

   A patch without features does not link it: its config has no myo_feature_stage_config_t. The twin is
   pipeline/myo_pipeline/feature_stage.py. */
#ifndef MYO_FEATURE_STAGE_H
#define MYO_FEATURE_STAGE_H

#include <stddef.h>
#include <stdint.h>

#include "features/myo_correlation.h"
#include "features/myo_feature_engine.h"
#include "features/myo_features.h"
#include "features/myo_normalize.h"
#include "features/myo_spectrum.h"
#include "features/myo_stft.h"
#include "features/myo_wavelet.h"
#include "myo_status.h"

typedef struct myo_feature_stage_functions myo_feature_stage_functions_t;

/* A family of features. */
typedef struct {
    const myo_feature_engine_t *engine;
    const void *config; /* of the engine's type */
} myo_feature_part_t;

/* What the export knows of it; bundle/c/patch_config.c defines one. */
typedef struct {
    const myo_feature_part_t *parts;
    uint16_t n_parts;                               /* their words stand one after the other */
    myo_feature_shape_t shape;                      /* of all parts, behind the front end */
    uint16_t n_windows;                             /* whose features the network takes at once, 1.. */
    const myo_normalize_t *normalize;               /* one a feature word */
    uint8_t shift;                                  /* from the front end's words to int16, 1..31 */
    int8_t zero_point;                              /* of the network's input */
    const myo_feature_stage_functions_t *functions; /* &myo_feature_stage_functions */
} myo_feature_stage_config_t;

/* One part's. */
typedef union {
    myo_features_t features;
    myo_spectrum_t spectrum;
    myo_stft_t stft;
    myo_wavelet_t wavelet;
    myo_correlation_t correlation;
} myo_feature_state_t;

/* Memory that the caller owns; sizes in elements. */
typedef struct {
    myo_feature_state_t *states; /* n_parts */
    size_t n_states;
    uint32_t *sums; /* memory_words of all parts' engines, and the most scratch_words of one */
    size_t n_sums;
    int16_t *frames; /* a block's frames times n_channels */
    size_t n_frame_words;
    int32_t *words; /* n_components * n_channels */
    size_t n_words;
} myo_feature_stage_memory_t;

/* The stage's functions: a config names them, so that they are linked where there is one. */
struct myo_feature_stage_functions {
    /* Validates config and memory for blocks of block_frames, and clears the state. ISR-safe: no. */
    myo_status_t (*init)(const myo_feature_stage_config_t *config, const myo_feature_stage_memory_t *memory,
                         size_t block_frames);
    /* The next block begins a window. ISR-safe: no. */
    void (*reset)(const myo_feature_stage_config_t *config, const myo_feature_stage_memory_t *memory);
    /* Takes n_frames <= block_frames of each channel behind the front end, channel c at block[c *
       block_frames]. No window ends before a block does; where one ends with it, memory->words are its
       features. ISR-safe: no. */
    void (*push)(const myo_feature_stage_config_t *config, const myo_feature_stage_memory_t *memory,
                 const int32_t *block, size_t block_frames, size_t n_frames);
    /* Moves the n_windows vectors of the network's input up by one, the oldest out, and puts that of
       memory->words behind them; gives it, n_components * n_channels. Nobody else may write to input.
       ISR-safe: yes. */
    int8_t *(*append)(const myo_feature_stage_config_t *config, const myo_feature_stage_memory_t *memory,
                      int8_t *input);
};

extern const myo_feature_stage_functions_t myo_feature_stage_functions;

/* Words of a window. */
static inline size_t myo_feature_stage_words(const myo_feature_stage_config_t *config) {
    return (size_t)config->shape.n_components * config->shape.n_channels;
}

/* Frames from the first of the oldest window to the last of the newest. */
static inline uint32_t myo_feature_stage_span(const myo_feature_stage_config_t *config) {
    return config->shape.window + (config->n_windows - 1u) * (uint32_t)config->shape.hop;
}

#endif
