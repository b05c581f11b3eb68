/* Spectral features of segments of a window: those of myo_spectrum.h for each segment.

   Segments end with the window and before it at steps that divide the hop, so that each is computed once for
   all windows that it lies in. Its words depend on its frames alone, as a spectrum's do. */
#ifndef MYO_STFT_H
#define MYO_STFT_H

#include "features/myo_spectrum.h"

typedef struct {
    const myo_spectrum_config_t *segment; /* its window is a segment, its hop the step */
    uint16_t window;                      /* frames; a segment and n_segments - 1 steps fit into it */
    uint16_t hop;                         /* frames, 1 .. window; a multiple of the step */
    uint16_t n_segments;                  /* of a window, 1 .. */
} myo_stft_config_t;

typedef struct {
    const myo_stft_config_t *config;
    myo_spectrum_t spectrum;
    int32_t *words;        /* n_segments x n_features x n_channels of the segment, a ring */
    uint16_t skip;         /* frames to leave out before the first segment */
    uint16_t next;         /* the ring's oldest segment */
    uint16_t until_window; /* segments to come until a window ends, with the last of them */
} myo_stft_t;

/* 32-bit words of memory that config asks for. */
size_t myo_stft_memory_words(const myo_stft_config_t *config);

/* Validates config and clears the state. config and memory must outlive self. ISR-safe: no. */
myo_status_t myo_stft_init(myo_stft_t *self, const myo_stft_config_t *config, uint32_t *memory,
                           size_t memory_words);

/* The same with memory in two, as myo_spectrum_init_apart; of the scratch as many words as the segment's
   spectrum takes. */
myo_status_t myo_stft_init_apart(myo_stft_t *self, const myo_stft_config_t *config, uint32_t *memory,
                                 size_t memory_words, uint32_t *scratch);

/* As after init: the next frame is the first of a window. ISR-safe: no. */
void myo_stft_reset(myo_stft_t *self);

/* Takes frames (int16, n_frames x n_channels) up to the end of the next window, and moves *frames and
   *n_frames past what it took. True where a window ended: words (int32, n_segments x n_features x n_channels)
   are its features, the earliest segment first, and the call is to be repeated for the rest; false where all
   was taken and words are as they were. ISR-safe: no. */
bool myo_stft_push(myo_stft_t *self, const int16_t **frames, size_t *n_frames, int32_t *words);

#endif
