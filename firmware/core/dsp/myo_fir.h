/* Finite impulse response: y[n] = (sum of taps[k] * x[n-k] + half) >> shift in 64 bits, rounded half up.

   The export chooses taps and shift so that no sum leaves 64 bits. Where step->decimation is above 1, the
   step gives the last of every so many frames, and computes no other. State a channel: n_taps - 1 past
   samples, the oldest first, and room for a block behind them; then, if it decimates, frames since the last
   that it gave. */
#ifndef MYO_FIR_H
#define MYO_FIR_H

#include "dsp/myo_step.h"

#define MYO_FIR_MAX_TAPS 512u

typedef struct {
    const int32_t *taps; /* n_taps, that of the newest sample first */
    uint16_t n_taps;     /* 1..MYO_FIR_MAX_TAPS */
    uint8_t shift;       /* 1..62 */
} myo_fir_config_t;

extern const myo_step_kind_t myo_fir_kind;

#endif
