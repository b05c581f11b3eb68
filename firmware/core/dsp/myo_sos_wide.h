/* Cascade of second-order sections, 32-bit words and coefficients, that keep 31 more bits of their past
   outputs: for poles near DC, which make too much of a truncated word.

   With Y = y + e / 2^31 the output before rounding: sum = b0 x[n] + b1 x[n-1] + b2 x[n-2] + a1 y[n-1] +
   a2 y[n-2] + 2 ((a1 e[n-1] >> 32) + (a2 e[n-2] >> 32)) in 64 bits; y[n] = sum >> (31 - post_shift), e[n] its
   remainder in 31 bits; given is y[n] + (e[n] >> 30), Y to the nearest word. The export keeps every sum and
   every word in its range. Config: a myo_sos_config_t with a post_shift of 0..30. State a channel and
   section: x[n-1], x[n-2], y[n-1], y[n-2], e[n-1], e[n-2]. */
#ifndef MYO_SOS_WIDE_H
#define MYO_SOS_WIDE_H

#include "dsp/myo_sos.h"

#define MYO_SOS_WIDE_STATE_WORDS 6u

extern const myo_step_kind_t myo_sos_wide_kind;

#endif
