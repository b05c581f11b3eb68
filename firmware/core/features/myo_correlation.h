/* Correlation of electrodes around a ring: of each channel c with channel (c + k) mod n_channels, k = 1 ..
   reach.

   Sums of squares and products are exact, over blocks of the hop; only the last step rounds. The twin is
   pipeline/myo_pipeline/ring.py. */
#ifndef MYO_CORRELATION_H
#define MYO_CORRELATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "myo_status.h"

typedef struct {
    uint16_t n_channels;
    uint16_t window; /* frames */
    uint16_t hop;    /* frames, 1 .. window */
    uint8_t reach;   /* 1 .. n_channels / 2 */
} myo_correlation_config_t;

typedef struct {
    const myo_correlation_config_t *config;
    uint32_t *sums;    /* n_blocks x n_channels x (1 + reach) sums of 64 bits, low word first; a ring */
    uint32_t *roots;   /* of each channel: a root, and the bits its square was shifted by */
    uint16_t n_blocks; /* of a window */
    uint16_t block;    /* that is being summed */
    uint16_t until_block_end;  /* frames */
    uint16_t until_window_end; /* frames */
    bool is_second;            /* block of a hop, where a window's end divides hops */
} myo_correlation_t;

/* 32-bit words of memory that config asks for; 0 where it is not valid. */
size_t myo_correlation_memory_words(const myo_correlation_config_t *config);

/* Validates config and clears the state. config and memory must outlive self. ISR-safe: no. */
myo_status_t myo_correlation_init(myo_correlation_t *self, const myo_correlation_config_t *config,
                                  uint32_t *memory, size_t memory_words);

/* As after init: the next frame is the first of a window. ISR-safe: no. */
void myo_correlation_reset(myo_correlation_t *self);

/* Takes frames (int16, n_frames x n_channels) up to the end of the next window, and moves *frames and
   *n_frames past what it took. True where a window ended: words (int32 Q30, reach x n_channels, distance by
   distance; 0 where a channel is silent) are its features, and the call is to be repeated for the rest; false
   where all was taken and words are as they were. ISR-safe: no. */
bool myo_correlation_push(myo_correlation_t *self, const int16_t **frames, size_t *n_frames, int32_t *words);

#endif
