/* Q31 to int8, the network's input: a fixed-point multiplication that rounds half up, a
   zero point, saturation. */
#ifndef MYO_QUANTIZE_H
#define MYO_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

#include "myo_status.h"

typedef struct {
    int32_t multiplier; /* gain = multiplier * 2^-shift */
    uint8_t shift;      /* 1..62 */
    int8_t zero_point;
} myo_quantize_config_t;

/* Whether config is in range. */
myo_status_t myo_quantize_check(const myo_quantize_config_t *config);

/* clamp(((x_q31 * multiplier + 2^(shift-1)) >> shift) + zero_point, -128, 127), in 64 bits, arithmetic shift.
   Defined for every x_q31. ISR-safe: yes. */
int8_t myo_quantize_run(const myo_quantize_config_t *config, int32_t x_q31);

/* The same for n words; word i goes to out[i * stride]. ISR-safe: yes. */
void myo_quantize_block(const myo_quantize_config_t *config, const int32_t *x_q31, int8_t *out, size_t stride,
                        size_t n);

#endif
