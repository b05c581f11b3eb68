/* Spectral features of EMG, in integers, over windows that slide by a hop.

   A window of int16 words (count = word * 2^-shift) is tapered or not, filled up with zeros to the
   transform's length, and transformed two channels at a time as real and imaginary part. P[k] is a bin's
   power; each channel's powers are brought to one exponent that its largest bin decides. A window's words
   depend on its frames alone, and in their last bits on both channels of a pair. Bins 0 and length / 2 are
   left out.

   Definitions, references and real units of the words: pipeline/myo_pipeline/spectrum.py. */
#ifndef MYO_SPECTRUM_H
#define MYO_SPECTRUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dsp/myo_fft.h"
#include "myo_status.h"

typedef enum {
    MYO_SPECTRUM_POWER,    /* log2 of the sum of P[k], Q16 */
    MYO_SPECTRUM_MOMENT_1, /* log2 of the sum of k P[k], Q16 */
    MYO_SPECTRUM_MOMENT_2, /* k^2 */
    MYO_SPECTRUM_MOMENT_3, /* k^3 */
    MYO_SPECTRUM_MEAN,   /* sum of k P[k] / sum of P[k], Q(32 - log2 length); 0 in silence, as the next two */
    MYO_SPECTRUM_MEDIAN, /* where half of the power is below, each bin's spread over k - 1/2 .. k + 1/2; as
                            MEAN */
    MYO_SPECTRUM_PEAK,   /* the k of largest P[k], the lowest of equals */
    MYO_SPECTRUM_KINDS
} myo_spectrum_kind_t;

typedef struct {
    uint16_t kind;      /* myo_spectrum_kind_t */
    uint16_t first_bin; /* 1 .. */
    uint16_t end_bin;   /* beyond the last, .. length / 2 */
} myo_spectrum_feature_t;

typedef struct {
    uint16_t n_channels;  /* 1 .. 64 */
    uint16_t window;      /* frames, 2 .. length */
    uint16_t hop;         /* frames, 1 .. window */
    uint16_t length;      /* of the transform: a power of two in MYO_FFT_MIN_LENGTH .. MYO_FFT_MAX_LENGTH */
    const int16_t *taper; /* window of them, Q15, not negative; NULL for none */
    const myo_complex_t *turns; /* as myo_fft takes them */
    const uint16_t *bins;       /* length / 2: entry i is i with its log2(length) - 1 bits reversed */
    uint16_t n_features;        /* an output is n_features x n_channels words */
    const myo_spectrum_feature_t *features;
} myo_spectrum_config_t;

typedef struct {
    const myo_spectrum_config_t *config;
    int16_t *frames;       /* the last window of frames, a ring */
    uint32_t *powers;      /* length / 2 */
    myo_complex_t *z;      /* length */
    uint16_t next;         /* the ring's oldest frame */
    uint16_t until_window; /* frames to come until a window ends */
} myo_spectrum_t;

/* 32-bit words of memory that config asks for, and those of them that are only used while a window ends. */
size_t myo_spectrum_memory_words(const myo_spectrum_config_t *config);
size_t myo_spectrum_scratch_words(const myo_spectrum_config_t *config);

/* Validates config and clears the state. config and memory must outlive self. ISR-safe: no. */
myo_status_t myo_spectrum_init(myo_spectrum_t *self, const myo_spectrum_config_t *config, uint32_t *memory,
                               size_t memory_words);

/* The same with memory in two: at least myo_spectrum_scratch_words of scratch, which others may use between
   pushes, and the rest. */
myo_status_t myo_spectrum_init_apart(myo_spectrum_t *self, const myo_spectrum_config_t *config,
                                     uint32_t *memory, size_t memory_words, uint32_t *scratch);

/* As after init: the next frame is the first of a window. ISR-safe: no. */
void myo_spectrum_reset(myo_spectrum_t *self);

/* Takes frames (int16, n_frames x n_channels) up to the end of the next window, and moves *frames and
   *n_frames past what it took. True where a window ended: words (int32, n_features x n_channels) are its
   features, and the call is to be repeated for the rest; false where all was taken and words are as they
   were. ISR-safe: no. */
bool myo_spectrum_push(myo_spectrum_t *self, const int16_t **frames, size_t *n_frames, int32_t *words);

#endif
