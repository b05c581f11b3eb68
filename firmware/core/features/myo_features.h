/* Time-domain features of EMG, in integers, over windows that slide by a hop.

   Samples are int16 words x of each channel, count = x * 2^-shift with a shift that the export chose. Every
   sum over a window is an exact integer, so a result depends on the window's words alone: not on how the
   samples were cut into pushes, and not on what was before the window. A window's sums are put together from
   partial sums of short blocks; a block's sums over pairs and triples of samples include those that begin
   before the block, and what reaches out of the window is subtracted again.

   A hop is cut into blocks_per_hop blocks so that every window begins and ends, and its quarters lie where
   MAV1 and MAV2 ask for them, at a block's edge. With window = k * hop that is one block a hop.

   Definitions, references and real units of the words: pipeline/myo_pipeline/features.py. */
#ifndef MYO_FEATURES_H
#define MYO_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "myo_status.h"

#define MYO_FEATURES_MAX_LAGS 16u
#define MYO_FEATURES_MAX_BINS 32u
#define MYO_FEATURES_MAX_ORDER 8u

/* What is summed; a config's needs are those of its features. */
#define MYO_SUM_ABS (1u << 0)    /* |x| */
#define MYO_SUM_RAMP (1u << 1)   /* |x| times its distance from the block's end; needs MYO_SUM_ABS */
#define MYO_SUM_X (1u << 2)      /* x */
#define MYO_SUM_SQUARE (1u << 3) /* x^2 */
#define MYO_SUM_CUBE (1u << 4)   /* x^3 */
#define MYO_SUM_FOURTH (1u << 5) /* x^4, upper and lower words apart */
#define MYO_SUM_LOG (1u << 6)    /* log2(|x| + 1), Q16, rounded for each two samples of a block */
#define MYO_SUM_WL (1u << 7)     /* |x - x[-1]| */
#define MYO_SUM_ZC (1u << 8)     /* sign changes that step by threshold_zc or more; 0 counts as positive */
#define MYO_SUM_SSC (1u << 9)    /* slope changes with a step of threshold_ssc or more beside them */
#define MYO_SUM_WAMP (1u << 10)  /* steps of threshold_wamp or more */
#define MYO_SUM_LAGS (1u << 11)  /* x * x[-lag], lag 1 .. n_lags */
#define MYO_SUM_BINS (1u << 12)  /* samples in each of n_bins bins */
#define MYO_SUM_BEND (1u << 13)  /* |x - 2 x[-1] + x[-2]|, over windows of at most 32767 frames */

typedef enum {
    MYO_TRANSFORM_LINEAR, /* value / 2^shift, nearest */
    MYO_TRANSFORM_SQRT,   /* sqrt(value * 4^shift), nearest */
    MYO_TRANSFORM_LOG2,   /* log2(max(value, 1)), Q16 */
    MYO_TRANSFORMS
} myo_feature_transform_t;

typedef struct myo_feature_kind myo_feature_kind_t; /* one of myo_features_kinds.h */

typedef struct {
    const myo_feature_kind_t *kind;
    uint8_t transform; /* myo_feature_transform_t; kinds with words of their own take LINEAR and no shift */
    uint8_t shift;     /* LINEAR 0 .. 62, SQRT 0 .. 30: chosen by the export so that the word fits */
} myo_feature_t;

typedef struct myo_features_config myo_features_config_t;
typedef struct myo_features myo_features_t;
typedef struct myo_window_sums myo_window_sums_t;

/* Adds n_frames of one channel to a block's sums, or makes them where is_fresh. x steps by n_channels.
   history: the channel's words before x end before it, the latest at history[-n_channels]. */
typedef void myo_features_accumulate_t(const myo_features_config_t *config, const int16_t *x, size_t n_frames,
                                       const int16_t *history, uint32_t *sums, bool is_fresh);

/* Puts together one channel's sums over the window that just ended. */
typedef void myo_features_sum_t(const myo_features_t *self, size_t channel, myo_window_sums_t *sums);

struct myo_features_config {
    uint16_t n_channels; /* 1 .. 64 */
    uint16_t window;     /* frames, > n_lags and > 2 */
    uint16_t hop;        /* frames, 1 .. window */
    uint16_t blocks_per_hop;
    const uint16_t *block_lengths; /* blocks_per_hop, their sum is hop */
    uint16_t n_blocks;             /* of a window, their sum is window */
    uint16_t first_middle_block;   /* blocks of the window's first quarter, for MAV1 and MAV2 */
    uint16_t end_middle_block;     /* blocks before its last quarter */
    uint16_t n_features;
    uint16_t n_components; /* of all features: an output is n_components x n_channels words */
    const myo_feature_t *features;
    uint32_t needs; /* MYO_SUM_ bits that the features need */
    uint8_t
        n_lags; /* at most MYO_FEATURES_MAX_LAGS; at least 1 for STEP and MOBILITY, 2 for COMPLEXITY, TKEO */
    uint8_t order;  /* of linear prediction: at most MYO_FEATURES_MAX_ORDER and n_lags */
    uint8_t n_bins; /* at most MYO_FEATURES_MAX_BINS */
    uint8_t
        bin_shift; /* bin = (clamp(x, -bin_range, bin_range - 1) + bin_range) * bin_multiplier >> bin_shift */
    uint16_t bin_range; /* 1 .. 32768 */
    uint32_t bin_multiplier;
    int32_t threshold_zc; /* words, 0 .. 65536; as the next two */
    int32_t threshold_ssc;
    int32_t threshold_wamp;
    myo_features_accumulate_t *accumulate; /* myo_features_accumulate_any, or one made for these needs */
    myo_features_sum_t *sum_window;        /* myo_features_sum_any, or one made for these needs */
};

struct myo_features {
    const myo_features_config_t *config;
    uint32_t *partials;        /* n_blocks x n_channels x words of a block's sums */
    int16_t *history;          /* the last 2 * reach frames */
    int16_t *borders;          /* for each window under way: reach frames before its start and after it */
    uint32_t sums_words;       /* of one channel of one block */
    uint16_t reach;            /* frames that a term looks back */
    uint16_t n_starts;         /* windows under way */
    uint16_t block;            /* where the current block's sums are, 0 .. n_blocks - 1 */
    uint16_t block_of_hop;     /* which of a hop's blocks it is */
    uint16_t until_block_end;  /* frames */
    uint16_t until_window_end; /* frames */
    uint16_t until_border;     /* frames until the next window start's border is complete */
    uint16_t next_border;      /* where it goes, 0 .. n_starts - 1 */
    uint16_t first_border;     /* of the oldest window under way */
};

/* 32-bit words of memory that config asks for. */
size_t myo_features_memory_words(const myo_features_config_t *config);

/* Validates config and clears the state. config and memory must outlive self. ISR-safe: no. */
myo_status_t myo_features_init(myo_features_t *self, const myo_features_config_t *config, uint32_t *memory,
                               size_t memory_words);

/* As after init: the next frame is the first of a window. ISR-safe: no. */
void myo_features_reset(myo_features_t *self);

/* Takes frames (int16, n_frames x n_channels) up to the end of the next window, and moves *frames and
   *n_frames past what it took. True where a window ended: words (int32, n_components x n_channels, component
   by component) are its features, and the call is to be repeated for the rest; false where all was taken and
   words are as they were. Frames and words must not overlap. ISR-safe: no. */
bool myo_features_push(myo_features_t *self, const int16_t **frames, size_t *n_frames, int32_t *words);

/* For any needs. Where they are known when compiling, functions made for them take fewer instructions: see
   myo_features_template.h. */
myo_features_accumulate_t myo_features_accumulate_any;
myo_features_sum_t myo_features_sum_any;

/* x_q31 / 2^shift as a word, nearest, halves up, limited to int16; shift 1 .. 31. ISR-safe: yes. */
static inline int16_t myo_features_word(int32_t x_q31, uint32_t shift) {
    const int32_t rounded = (x_q31 >> shift) + (x_q31 >> (shift - 1u) & 1); /* floor, plus the half bit */
    return (int16_t)(rounded < INT16_MIN ? INT16_MIN : rounded > INT16_MAX ? INT16_MAX : rounded);
}

#endif
