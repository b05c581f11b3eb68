#include "dsp/myo_scale.h"

void myo_scale_counts(int8_t shift, const int32_t *counts, size_t stride, int32_t *out, size_t n_samples) {
    if (shift < 0) {
        const uint32_t right = (uint32_t)-shift;
        for (size_t i = 0; i < n_samples; i++, counts += stride) {
            out[i] = *counts >> right;
        }
        return;
    }
    const uint32_t left = (uint32_t)shift;
#pragma GCC unroll 4
    for (size_t i = 0; i < n_samples; i++, counts += stride) {
        out[i] = (int32_t)((uint32_t)*counts << left); /* unsigned: a shift into the sign bit is defined */
    }
}

void myo_scale_words(int8_t shift, int32_t *words, size_t n_samples) {
    if (shift >= 0) {
        for (size_t i = 0; i < n_samples; i++) {
            words[i] = (int32_t)((uint32_t)words[i] << (uint32_t)shift);
        }
        return;
    }
    /* The half is the last bit that falls out: added behind the shift, where it cannot overflow. */
    const uint32_t right = (uint32_t)-shift;
    for (size_t i = 0; i < n_samples; i++) {
        words[i] = (words[i] >> right) + ((words[i] >> (right - 1u)) & 1);
    }
}
