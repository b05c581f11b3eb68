/* The samples of the virtual boards' ADC: noise that a host can repeat.

   Marsaglia's xorshift32 (Journal of Statistical Software 8(14), 2003, doi:10.18637/jss.v008.i14), seeded
   with MYO_VIRTUAL_ADC_SEED at every start. One step a count, in the order frame by frame, channel by
   channel; the count is the step's upper adc_bits bits as a two's complement number. */
#ifndef MYO_VIRTUAL_ADC_H
#define MYO_VIRTUAL_ADC_H

#include <stdint.h>

#include "stream/myo_ring.h"

#define MYO_VIRTUAL_ADC_SEED 2463534242u

static inline int32_t myo_virtual_adc_next(uint32_t *state, uint8_t adc_bits) {
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return (int32_t)x >> (32 - adc_bits);
}

/* One frame into a ring, stamped with the ticks of its arrival. The noise goes on where a frame is lost, as a
   real signal would. */
static inline void myo_virtual_adc_frame(uint32_t *state, uint8_t adc_bits, myo_ring_t *ring,
                                         uint32_t ticks) {
    int32_t *frame = myo_ring_reserve(ring);
    for (uint16_t channel = 0; channel < ring->n_channels; channel++) {
        const int32_t count = myo_virtual_adc_next(state, adc_bits);
        if (frame != NULL) {
            frame[channel] = count;
        }
    }
    if (frame != NULL) {
        myo_ring_commit(ring, ticks);
    }
}

#endif
