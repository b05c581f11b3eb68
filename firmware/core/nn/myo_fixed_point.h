/* The rounding arithmetic that an int8 network is defined by, as TensorFlow Lite for Microcontrollers does
   it.

   A real factor m > 0 is held as a pair (multiplier, shift): m = multiplier * 2^(shift - 31), multiplier a
   Q31 number in [0.5, 1) and shift in -31 .. 30. Scaling by it rounds twice: once where the product leaves
   Q31 (halves go up), once where bits are shifted out (halves go away from zero). Both roundings are part of
   the contract: a kernel that rounds once differs in about one word in some thousands.

   Sums wrap modulo 2^32 instead of being undefined, so a strange model gives a strange number and nothing
   worse. All functions are pure: ISR-safe, reentrant. */
#ifndef MYO_FIXED_POINT_H
#define MYO_FIXED_POINT_H

#include <stdint.h>

_Static_assert((-3 >> 1) == -2, "a right shift of a negative number must be arithmetic");

/* a + b modulo 2^32. */
static inline int32_t myo_fx_add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

/* a * 2^bits modulo 2^32; bits 0 .. 31. */
static inline int32_t myo_fx_shift_left(int32_t a, uint32_t bits) {
    return (int32_t)((uint32_t)a << bits);
}

/* a * b / 2^31, rounded to nearest, halves up: the product of two Q31 numbers.
   Never both INT32_MIN: +1 has no Q31 form. */
static inline int32_t myo_fx_mul_q31(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

/* a / 2^bits, rounded to nearest, halves away from zero; bits 0 .. 31. */
static inline int32_t myo_fx_shift_right_rounded(int32_t a, uint32_t bits) {
    const uint32_t mask = (UINT32_C(1) << bits) - 1u;
    const uint32_t remainder = (uint32_t)a & mask;
    const uint32_t threshold = (mask >> 1) + (a < 0 ? 1u : 0u);
    return (a >> bits) + (remainder > threshold ? 1 : 0);
}

/* a * multiplier * 2^(shift - 31), with the two roundings described above; multiplier >= 0, shift -31 .. 0.
 */
static inline int32_t myo_fx_scale_down(int32_t a, int32_t multiplier, int32_t shift) {
    return myo_fx_shift_right_rounded(myo_fx_mul_q31(a, multiplier), (uint32_t)-shift);
}

/* The same; shift -31 .. 30. */
static inline int32_t myo_fx_scale(int32_t a, int32_t multiplier, int32_t shift) {
    if (shift > 0) {
        return myo_fx_mul_q31(myo_fx_shift_left(a, (uint32_t)shift), multiplier);
    }
    return myo_fx_scale_down(a, multiplier, shift);
}

/* a held within low .. high. */
static inline int32_t myo_fx_clamp(int32_t a, int32_t low, int32_t high) {
    return a < low ? low : (a > high ? high : a);
}

#endif
