/* Mean of the last n samples, zeros before the first.

   The running sum is exact in 64 bits, so nothing drifts: y = ((sum >> before) * multiplier + half) >> shift,
   where multiplier * 2^-shift stands for 2^before / n. State a channel: n samples, the sum in two words, the
   place of the oldest sample. */
#ifndef MYO_MOVING_AVERAGE_H
#define MYO_MOVING_AVERAGE_H

#include "dsp/myo_step.h"

#define MYO_MOVING_AVERAGE_MAX 4096u

typedef struct {
    uint16_t n;         /* samples, 2..MYO_MOVING_AVERAGE_MAX */
    uint8_t before;     /* the least for which n <= 2^before: the shifted sum fits a word */
    uint8_t shift;      /* 1..31 */
    int32_t multiplier; /* 2^30 .. 2^31 - 1 */
} myo_moving_average_config_t;

extern const myo_step_kind_t myo_moving_average_kind;

#endif
