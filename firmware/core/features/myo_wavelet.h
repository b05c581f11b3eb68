/* Energies of wavelet and wavelet-packet coefficients, in integers, over windows that slide by a hop.

   A window of int16 words (count = word * 2^-shift) is halved into a low and a high half, these again where
   the config says so. Coefficient m (from 1) of a half at level j is the sum over its parent's coefficients
   2 m - n_taps + 1 .. 2 m, each times a tap, rounded to nearest, halves up; a word counts as word * 2^up at
   level 0. An energy is log2 of the sum of squares of those coefficients whose samples all lie in the window,
   at least 0, Q16: it depends on the window's words alone.

   Levels whose step 2^j divides the hop are updated: only the hop's coefficients are computed. The others are
   computed anew for each window.

   Definitions, references and real units of the words: pipeline/myo_pipeline/wavelet.py. */
#ifndef MYO_WAVELET_H
#define MYO_WAVELET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "myo_status.h"

#define MYO_WAVELET_MAX_LEVELS 6u
#define MYO_WAVELET_MAX_TAPS 16u
#define MYO_WAVELET_MAX_SPLITS 15u
#define MYO_WAVELET_MAX_UP 12u
#define MYO_WAVELET_WINDOW 255u        /* as a parent */
#define MYO_WAVELET_SPLIT_FURTHER 255u /* in the place of a component */

typedef struct {
    int32_t low, high; /* Q31 */
} myo_wavelet_taps_t;

typedef struct {
    uint8_t parent;    /* 2 * split, one more for its high half, of a split before; MYO_WAVELET_WINDOW */
    uint8_t level;     /* of the two halves: one above the parent's */
    uint8_t low, high; /* component that the half's energy is; MYO_WAVELET_SPLIT_FURTHER */
} myo_wavelet_split_t;

typedef struct {
    uint16_t n_channels; /* 1 .. 64 */
    uint16_t window;     /* frames */
    uint16_t hop;        /* frames, 1 .. window */
    uint8_t n_taps;      /* even, 2 .. MYO_WAVELET_MAX_TAPS */
    uint8_t n_splits;    /* 1 .. MYO_WAVELET_MAX_SPLITS */
    uint8_t n_levels;    /* of the splits, at most MYO_WAVELET_MAX_LEVELS */
    uint8_t up;          /* 0 .. MYO_WAVELET_MAX_UP; init proves that no sum of squares reaches 2^62 */
    uint16_t n_components;
    const myo_wavelet_taps_t *taps; /* from the earliest to the latest */
    const myo_wavelet_split_t *splits;
} myo_wavelet_config_t;

typedef struct {
    uint32_t n_new;   /* coefficients that are computed with each hop, or with each window */
    uint32_t n_whole; /* coefficients of a window */
    uint32_t n_kept;  /* of a half that is split further, where the level is updated */
    uint32_t skip; /* of the parent's whole coefficients, before the first tap of the first that is whole */
} myo_wavelet_level_t;

typedef struct {
    const myo_wavelet_config_t *config;
    const uint32_t *at;                /* 2 n_splits: each half's place, in memory or scratch */
    const myo_wavelet_level_t *levels; /* n_levels + 1; 0 is the window itself */
    uint32_t *memory; /* n_channels x channel_words: halves that are kept, and sums of hops */
    int32_t *scratch; /* halves of one channel that are not kept */
    int16_t *frames;  /* n_channels x levels[0].n_kept, channel by channel */
    uint32_t channel_words;
    uint32_t energies_at;  /* in scratch: the low and high half that are not split further */
    uint32_t widest;       /* of these */
    uint16_t n_updated;    /* levels */
    uint16_t until_batch;  /* frames until a hop's coefficients are computed */
    uint16_t until_window; /* frames until a window ends, with a batch */
} myo_wavelet_t;

/* 32-bit words of memory that config asks for; 0 where it is not valid. */
size_t myo_wavelet_memory_words(const myo_wavelet_config_t *config);

/* Validates config and clears the state. config and memory must outlive self. ISR-safe: no. */
myo_status_t myo_wavelet_init(myo_wavelet_t *self, const myo_wavelet_config_t *config, uint32_t *memory,
                              size_t memory_words);

/* As after init: the next frame is the first of a window. ISR-safe: no. */
void myo_wavelet_reset(myo_wavelet_t *self);

/* Takes frames (int16, n_frames x n_channels) up to the end of the next window, and moves *frames and
   *n_frames past what it took. True where a window ended: words (int32, n_components x n_channels) are its
   energies, and the call is to be repeated for the rest; false where all was taken and words are as they
   were. ISR-safe: no. */
bool myo_wavelet_push(myo_wavelet_t *self, const int16_t **frames, size_t *n_frames, int32_t *words);

#endif
