/* The DSP extension's instructions in exact C, so that the kernels that use them run on the host, under
   sanitizers. Names, types and results are those of Arm's C Language Extensions; only what the kernels use.
 */
#ifndef EMULATED_ARM_ACLE_H
#define EMULATED_ARM_ACLE_H

#include <stdint.h>

typedef int32_t int8x4_t;
typedef int32_t int16x2_t;

/* The signed half h (0 or 1) of a pair. */
static inline int32_t emulated_half(int32_t pair, unsigned h) {
    return (int16_t)((uint32_t)pair >> (16u * h));
}

/* The signed byte b (0 to 3) of four. */
static inline int32_t emulated_byte(int32_t word, unsigned b) {
    return (int8_t)((uint32_t)word >> (8u * b));
}

static inline int32_t emulated_pair(int32_t low, int32_t high) {
    return (int32_t)(((uint32_t)low & 0xffffu) | (uint32_t)high << 16);
}

static inline int16x2_t __sxtb16(int8x4_t a) {
    return emulated_pair(emulated_byte(a, 0), emulated_byte(a, 2));
}

static inline int16x2_t __sxtab16(int16x2_t a, int8x4_t b) {
    return emulated_pair(emulated_half(a, 0) + emulated_byte(b, 0),
                         emulated_half(a, 1) + emulated_byte(b, 2));
}

static inline int32_t __smlad(int16x2_t a, int16x2_t b, int32_t sum) {
    const int64_t exact = (int64_t)emulated_half(a, 0) * emulated_half(b, 0) +
                          (int64_t)emulated_half(a, 1) * emulated_half(b, 1) + sum;
    return (int32_t)(uint32_t)(uint64_t)exact; /* wraps; the instruction only sets a flag */
}

static inline int32_t __smlabt(int32_t a, int32_t b, int32_t sum) {
    return (int32_t)(uint32_t)(uint64_t)((int64_t)emulated_half(a, 0) * emulated_half(b, 1) + sum);
}

static inline int32_t __smlatt(int32_t a, int32_t b, int32_t sum) {
    return (int32_t)(uint32_t)(uint64_t)((int64_t)emulated_half(a, 1) * emulated_half(b, 1) + sum);
}

static inline int32_t emulated_saturate_int16(int32_t a) {
    return a < INT16_MIN ? INT16_MIN : (a > INT16_MAX ? INT16_MAX : a);
}

static inline int16x2_t __qadd16(int16x2_t a, int16x2_t b) {
    return emulated_pair(emulated_saturate_int16(emulated_half(a, 0) + emulated_half(b, 0)),
                         emulated_saturate_int16(emulated_half(a, 1) + emulated_half(b, 1)));
}

static inline int16x2_t __qsub16(int16x2_t a, int16x2_t b) {
    return emulated_pair(emulated_saturate_int16(emulated_half(a, 0) - emulated_half(b, 0)),
                         emulated_saturate_int16(emulated_half(a, 1) - emulated_half(b, 1)));
}

#endif
