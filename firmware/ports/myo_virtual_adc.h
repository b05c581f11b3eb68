/* The samples of the virtual boards' ADC: noise that a host can repeat.

   Marsaglia's xorshift32 (Journal of Statistical Software 8(14), 2003, doi:10.18637/jss.v008.i14), seeded
   with MYO_VIRTUAL_ADC_SEED at every start. One step a count, in the order frame by frame, channel by
   channel; the count is the step's upper adc_bits bits as a two's complement number. */
#ifndef MYO_VIRTUAL_ADC_H
#define MYO_VIRTUAL_ADC_H

#include <stdbool.h>
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

/* Auxiliary streams beside it: the same noise, seeded with MYO_VIRTUAL_ADC_SEED + 1 + stream, at rates that
   are exact in frames of the EMG sensor. A board's port.c alone includes this: the streams are its own. */
#define MYO_VIRTUAL_AUX_STREAMS 4u

typedef struct {
    myo_ring_t *ring; /* NULL: not started */
    uint32_t noise;
    uint32_t step, unit, phase; /* a sample is due when phase reaches unit */
    uint8_t adc_bits;
} myo_virtual_aux_t;

static myo_virtual_aux_t myo_virtual_aux[MYO_VIRTUAL_AUX_STREAMS];

/* Gives the streams what comes before the next frame of the EMG sensor. */
static inline void myo_virtual_aux_frame(const myo_ring_t *frames) {
    for (uint32_t i = 0; i < MYO_VIRTUAL_AUX_STREAMS; i++) {
        myo_virtual_aux_t *const self = &myo_virtual_aux[i];
        if (self->ring == NULL) {
            continue;
        }
        for (; self->phase >= self->unit; self->phase -= self->unit) {
            myo_virtual_adc_frame(&self->noise, self->adc_bits, self->ring, myo_ring_received(frames));
        }
        self->phase += self->step;
    }
}

static inline bool myo_virtual_aux_start(uint32_t stream, myo_ring_t *ring, uint32_t rate_mhz,
                                         uint32_t emg_rate_mhz, uint8_t adc_bits) {
    if (stream >= MYO_VIRTUAL_AUX_STREAMS || rate_mhz > UINT32_MAX - emg_rate_mhz) {
        return false;
    }
    myo_virtual_aux[stream] = (myo_virtual_aux_t){.ring = ring,
                                                  .noise = MYO_VIRTUAL_ADC_SEED + 1u + stream,
                                                  .step = rate_mhz,
                                                  .unit = emg_rate_mhz,
                                                  .phase = emg_rate_mhz,
                                                  .adc_bits = adc_bits};
    return true;
}

#endif
