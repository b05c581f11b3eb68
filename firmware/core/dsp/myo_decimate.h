/* Decimation: the last of every step->decimation frames stays, counted from the first frame since the reset.
   No config; one word of state, frames since the last that stayed. */
#ifndef MYO_DECIMATE_H
#define MYO_DECIMATE_H

#include "dsp/myo_step.h"

extern const myo_step_kind_t myo_decimate_kind;

#endif
