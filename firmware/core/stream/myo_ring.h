/* Ring of sample frames between a sample source (an interrupt, or the link) and the patch.

   One producer, one consumer, no locks: the producer alone moves head, the consumer alone moves tail. A frame
   is one sample instant, n_channels interleaved counts, with the tick at which it arrived. Indices run freely
   and wrap. */
#ifndef MYO_RING_H
#define MYO_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "myo_status.h"

typedef struct {
    int32_t *counts;       /* capacity x n_channels, caller's */
    uint32_t *ticks;       /* capacity, caller's */
    uint32_t capacity;     /* frames, a power of two */
    uint16_t n_channels;   /* 1.. */
    _Atomic uint32_t head; /* frames ever put in */
    _Atomic uint32_t tail; /* frames ever taken out */
    _Atomic uint32_t lost; /* frames refused because the ring was full */
} myo_ring_t;

/* counts holds capacity_frames * n_channels words, ticks capacity_frames words; capacity_frames a power of
   two of at most 2^16. Both must outlive self. */
myo_status_t myo_ring_init(myo_ring_t *self, int32_t *counts, uint32_t *ticks, size_t capacity_frames,
                           uint16_t n_channels);

/* Empties the ring and its counters. Only while no producer runs. */
void myo_ring_reset(myo_ring_t *self);

/* Producer: where the next frame's counts go, or NULL where the ring is full (counted in
   lost). ISR-safe: yes. */
int32_t *myo_ring_reserve(myo_ring_t *self);

/* Producer: the frame that was reserved is complete and arrived at tick. ISR-safe: yes. */
void myo_ring_commit(myo_ring_t *self, uint32_t tick);

/* Producer: counts n_frames as lost without offering them. ISR-safe: yes. */
void myo_ring_lose(myo_ring_t *self, uint32_t n_frames);

/* Consumer or producer: frames in the ring, and frames that still fit. */
uint32_t myo_ring_used(const myo_ring_t *self);
uint32_t myo_ring_space(const myo_ring_t *self);

/* Consumer: frames from the oldest on that lie side by side in counts, before its end cuts them. */
uint32_t myo_ring_contiguous(const myo_ring_t *self);

/* Consumer: counts of the frame that lies `ahead` frames behind the oldest one, and its
   tick; ahead < used. */
const int32_t *myo_ring_peek(const myo_ring_t *self, uint32_t ahead);
uint32_t myo_ring_peek_tick(const myo_ring_t *self, uint32_t ahead);

/* Consumer: gives the n_frames oldest frames back; n_frames <= used. */
void myo_ring_release(myo_ring_t *self, uint32_t n_frames);

/* Frames ever put in since the last reset, and frames lost. ISR-safe: yes. */
uint32_t myo_ring_received(const myo_ring_t *self);
uint32_t myo_ring_lost(const myo_ring_t *self);

#endif
