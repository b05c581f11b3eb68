/* Integer mathematics with every rounding defined: the same words on every core and in
   myo_pipeline.fixed_math.

   "Nearest" rounds halves up. All functions are pure: ISR-safe, reentrant; none divides by hardware, so a
   core without a divider gives the same words in about the same steps. */
#ifndef MYO_FIXED_MATH_H
#define MYO_FIXED_MATH_H

#include <stdint.h>

_Static_assert((-3 >> 1) == -2, "a right shift of a negative number must be arithmetic");

/* Entry k: log2(1 + k / 256) in Q16, and in the upper half how much the next is more. */
extern const uint32_t myo_log2_table[256];

/* log2(v) in Q16 for v >= 1, linear between the table's entries; within 1.2 / 2^16 of the true value.
   Monotone in v. */
static inline uint32_t myo_log2_q16(uint32_t v) {
    const uint32_t n_zeros = (uint32_t)__builtin_clz(v);
    const uint32_t mantissa = v << n_zeros;
    const uint32_t entry = myo_log2_table[(mantissa >> 23) & 0xFFu];
    const uint32_t fraction = (mantissa >> 7) & 0xFFFFu;
    return ((31u - n_zeros) << 16) + (entry & 0xFFFFu) + (((entry >> 16) * fraction + 0x8000u) >> 16);
}

/* log2(v) in Q16 for v >= 1, from the 32 leading bits of v; within 1.2 / 2^16 of the true value. */
uint32_t myo_log2_q16_u64(uint64_t v);

/* 2^y in Q30, y in Q26, -31 <= y < 1; within 3.1 / 2^30 below 0 and twice that above. */
int32_t myo_exp2_q30(int32_t y_q26);

/* sqrt(v), nearest integer, for v < 2^62. */
uint32_t myo_sqrt_nearest(uint64_t v);

/* a * 2^fraction_bits / b, nearest, at most INT32_MAX; a, b < 2^61, any fraction_bits in
   -256 .. 256. b == 0 gives 0. */
int32_t myo_divide_nearest(uint64_t a, uint64_t b, int32_t fraction_bits);

/* v / 2^shift, nearest, shift 0 .. 62, limited to int32. Both forms for |v| < 2^62. */
int32_t myo_shift_nearest(int64_t v, uint32_t shift);

/* An integer modulo 2^128, two's complement, least significant word first. */
typedef struct {
    uint32_t words[4];
} myo_wide_t;

/* mantissa * 2^exponent: the 61 leading bits, the rest cut off. */
typedef struct {
    uint64_t mantissa; /* 2^60 .. 2^61 - 1, or 0 */
    int32_t exponent;
} myo_mantissa_t;

myo_wide_t myo_wide_from(int64_t v);
myo_wide_t myo_wide_add(myo_wide_t a, myo_wide_t b);
myo_wide_t myo_wide_subtract(myo_wide_t a, myo_wide_t b);
myo_wide_t myo_wide_multiply(myo_wide_t a, myo_wide_t b);
int32_t myo_wide_is_negative(myo_wide_t a);
/* For a >= 0. */
myo_mantissa_t myo_wide_mantissa(myo_wide_t a);

#endif
