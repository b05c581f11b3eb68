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

/* myo_simd_saturate_N: a held within a signed number of N bits. GCC compares and moves instead. */
#if defined(__arm__)
#define MYO_SIMD_SATURATE(bits)                                                                              \
    static inline int32_t myo_simd_saturate_##bits(int32_t a) {                                              \
        int32_t result;                                                                                      \
        __asm__("ssat %0, #" #bits ", %1" : "=r"(result) : "r"(a));                                          \
        return result;                                                                                       \
    }
#else
#define MYO_SIMD_SATURATE(bits)                                                                              \
    static inline int32_t myo_simd_saturate_##bits(int32_t a) {                                              \
        return myo_fx_clamp(a, -(INT32_C(1) << (bits - 1)), (INT32_C(1) << (bits - 1)) - 1);                 \
    }
#endif
MYO_SIMD_SATURATE(8)
MYO_SIMD_SATURATE(9)
MYO_SIMD_SATURATE(16)
MYO_SIMD_SATURATE(17)

/* A pair of int16 from two words that fit. */
static inline uint32_t myo_simd_pair(int32_t low, int32_t high) {
#if defined(__arm__)
    uint32_t pair;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(low), "r"(high));
    return pair;
#else
    return ((uint32_t)low & 0xffffu) | (uint32_t)high << 16;
#endif
}

/* A pair of int16 to an address aligned at 4. */
static inline void myo_simd_store_pair(int16_t *to, uint32_t pair) {
    memcpy(__builtin_assume_aligned(to, 4), &pair, sizeof pair);
}

/* a * b / 2^16, rounded down, of the lower or the upper half of b. */
static inline int32_t myo_simd_mul_wide_low(int32_t a, uint32_t b) {
#if defined(__arm__)
    int32_t result;
    __asm__("smulwb %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
#else
    return (int32_t)(((int64_t)a * (int16_t)(b)) >> 16);
#endif
}

static inline int32_t myo_simd_mul_wide_high(int32_t a, uint32_t b) {
#if defined(__arm__)
    int32_t result;
    __asm__("smulwt %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
#else
    return (int32_t)(((int64_t)a * (int16_t)(b >> 16)) >> 16);
#endif
}

/* sum + a.low * b.high and sum + a.high * b.high, modulo 2^32. */
static inline int32_t myo_simd_add_product_low_high(uint32_t a, uint32_t b, int32_t sum) {
    return __smlabt((int32_t)a, (int32_t)b, sum);
}

static inline int32_t myo_simd_add_product_high_high(uint32_t a, uint32_t b, int32_t sum) {
    return __smlatt((int32_t)a, (int32_t)b, sum);
}

/* Sums and differences of two pairs, each half held within int16. */
static inline uint32_t myo_simd_add_saturated(uint32_t a, uint32_t b) {
    return (uint32_t)__qadd16((int16x2_t)a, (int16x2_t)b);
}

static inline uint32_t myo_simd_sub_saturated(uint32_t a, uint32_t b) {
    return (uint32_t)__qsub16((int16x2_t)a, (int16x2_t)b);
}

/* From a doubled sum to an output word. */
static inline int32_t myo_simd_scale(const myo_nn_scale_t *scale, int32_t doubled) {
    const int32_t add = scale->add + (doubled >> 31);
    const int32_t scaled = myo_simd_add_scaled(doubled, scale->multiplier, add) >> scale->shift;
    return myo_fx_clamp(scaled, INT8_MIN, INT8_MAX); /* one SSAT */
}

#endif
