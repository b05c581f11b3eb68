/* Teager-Kaiser energy: y[n] = (x[n-1]^2 - x[n] * x[n-2] + half) >> shift in 64 bits, rounded half up.

   The export keeps 2 max|x|^2 + half inside 64 bits. State a channel: x[n-1], x[n-2]. */
#ifndef MYO_TKEO_H
#define MYO_TKEO_H

#include "dsp/myo_step.h"

typedef struct {
    uint8_t shift; /* 1..62 */
} myo_tkeo_config_t;

extern const myo_step_kind_t myo_tkeo_kind;

#endif
