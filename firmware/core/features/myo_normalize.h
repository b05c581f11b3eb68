/* From feature words to a network's input: take a mean away, scale, round, saturate. Z-scores, ranges and
   plain quantization are all this, with other constants: see pipeline/myo_pipeline/feature_normalization.py.
 */
#ifndef MYO_NORMALIZE_H
#define MYO_NORMALIZE_H

#include <stddef.h>
#include <stdint.h>

#include "myo_status.h"

typedef struct {
    int32_t mean;       /* any word, as the fraction */
    int32_t fraction;   /* of the mean, times the multiplier */
    int32_t multiplier; /* -2^30 .. 2^30; gain = multiplier * 2^-shift */
    uint8_t shift;      /* 1 .. 62 */
} myo_normalize_t;

/* Whether constants (n of them) are in range. */
myo_status_t myo_normalize_check(const myo_normalize_t *constants, size_t n);

/* clamp((((words[k] - mean) * multiplier + fraction + 2^(shift-1)) >> shift) + zero_point, low, high) for
   each k, in 64 bits, arithmetic shift. constants: one a word. Defined for every word; low and high within
   int16, zero_point in int8 for shift; low and high are those of the output, and an int16 output has zero
   point 0. constants: one a word. Defined for every word. outputs must not overlap words. ISR-safe: yes. */
void myo_normalize_int8(const myo_normalize_t *constants, const int32_t *words, size_t n, int8_t zero_point,
                        int8_t *outputs);
void myo_normalize_int16(const myo_normalize_t *constants, const int32_t *words, size_t n, int16_t *outputs);

#endif
