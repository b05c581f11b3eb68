/* The DSP extension's instructions that the kernels use; internal to core/nn. GCC has no intrinsics for some
   of them, and where it has, it does not fold the rotation into SXTB16. */
#ifndef MYO_NN_SIMD_H
#define MYO_NN_SIMD_H

#include <arm_acle.h>
#include <stdint.h>
#include <string.h>

#include "myo_fixed_point.h"
#include "myo_nn_dsp.h"

/* Four int8 from any address. */
static inline uint32_t myo_simd_load(const int8_t *from) {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* A pair of int16 from an address aligned at 4. */
static inline uint32_t myo_simd_load_pair(const int16_t *from) {
    uint32_t pair;
    memcpy(&pair, __builtin_assume_aligned(from, 4), sizeof pair);
    return pair;
}

/* Words 0 and 2 of four int8, widened to a pair of int16. */
static inline uint32_t myo_simd_widen_even(uint32_t word) {
    return (uint32_t)__sxtb16((int8x4_t)word);
}

/* Words 1 and 3. */
static inline uint32_t myo_simd_widen_odd(uint32_t word) {
#if defined(__arm__)
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
#else
    return (uint32_t)__sxtb16((int8x4_t)(word >> 8 | word << 24));
#endif
}

/* Words 0 and 2 of four int8, added to a pair of int16. */
static inline uint32_t myo_simd_add_even(uint32_t pair, uint32_t word) {
    return (uint32_t)__sxtab16((int16x2_t)pair, (int8x4_t)word);
}

/* Words 1 and 3. */
static inline uint32_t myo_simd_add_odd(uint32_t pair, uint32_t word) {
#if defined(__arm__)
    uint32_t sums;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(sums) : "r"(pair), "r"(word));
    return sums;
#else
    return (uint32_t)__sxtab16((int16x2_t)pair, (int8x4_t)(word >> 8 | word << 24));
#endif
}

/* sum + a.low * b.low + a.high * b.high, modulo 2^32. */
static inline int32_t myo_simd_dot(uint32_t a, uint32_t b, int32_t sum) {
    return __smlad((int16x2_t)a, (int16x2_t)b, sum);
}

/* sum + a * b / 2^32, rounded to nearest, halves up. */
static inline int32_t myo_simd_add_scaled(int32_t a, int32_t b, int32_t sum) {
#if defined(__arm__)
    int32_t result;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
#else
    return (int32_t)(sum + (((int64_t)a * b + (INT64_C(1) << 31)) >> 32));
#endif
}

/* From a doubled sum to an output word. */
static inline int32_t myo_simd_scale(const myo_nn_scale_t *scale, int32_t doubled) {
    const int32_t add = scale->add + (doubled >> 31);
    const int32_t scaled = myo_simd_add_scaled(doubled, scale->multiplier, add) >> scale->shift;
    return myo_fx_clamp(scaled, INT8_MIN, INT8_MAX); /* one SSAT */
}

#endif
