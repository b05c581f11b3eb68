/* Vectors of int32 in the format's arithmetic; internal to core/nn, for Helium. */
#ifndef MYO_NN_VECTOR_H
#define MYO_NN_VECTOR_H

#include <arm_mve.h>
#include <stddef.h>

/* Factors of myo_fx_scale, their shifts parted: where bits go up, and where they go down (0 or negative). */
typedef struct {
    int32x4_t multiplier, up, down;
} myo_vector_factor_t;

static inline myo_vector_factor_t myo_vector_factor(int32x4_t multiplier, int32x4_t shift) {
    const int32x4_t none = vdupq_n_s32(0);
    const myo_vector_factor_t factor = {multiplier, vmaxq_s32(shift, none), vminq_s32(shift, none)};
    return factor;
}

/* What myo_fx_scale does, lane by lane, with both its roundings. VQRDMULH is the first: 2 * a * b / 2^32,
   halves up; it saturates for -1 * -1 only, and multipliers are positive. VRSHL rounds halves up too; one
   less makes it halves away from zero for negative words. That one saturates where a word is INT32_MIN, which
   every shift divides, so nothing is lost. */
static inline int32x4_t myo_vector_scale(int32x4_t a, myo_vector_factor_t factor) {
    const int32x4_t product = vqrdmulhq_s32(vshlq_s32(a, factor.up), factor.multiplier);
    const int32x4_t sign =
        vshrq_n_s32(vandq_s32(product, factor.down), 31); /* none where nothing goes down */
    return vrshlq_s32(vqaddq_s32(product, sign), factor.down);
}

/* The same with one factor for all lanes. */
static inline int32x4_t myo_vector_scale_by(int32x4_t a, int32_t multiplier, int32_t shift) {
    return myo_vector_scale(a, myo_vector_factor(vdupq_n_s32(multiplier), vdupq_n_s32(shift)));
}

/* a + zero_point modulo 2^32, held within low .. high. */
static inline int32x4_t myo_vector_place(int32x4_t a, int32_t zero_point, int32_t low, int32_t high) {
    const int32x4_t placed = vaddq_n_s32(a, zero_point);
    return vminq_s32(vmaxq_s32(placed, vdupq_n_s32(low)), vdupq_n_s32(high));
}

/* The first n of eight words, parted into even and odd ones; absent ones are 0. */
static inline int32x4x2_t myo_vector_load_pairs(const int32_t *from, size_t n) {
    const uint32x4_t places = {0, 2, 4, 6};
    const int32x4x2_t found = {
        {vldrwq_gather_shifted_offset_z_s32(from, places, vctp32q((uint32_t)(n + 1) / 2)),
         vldrwq_gather_shifted_offset_z_s32(from + 1, places, vctp32q((uint32_t)n / 2))}};
    return found;
}

/* Lanes 0, 2, 4, 6 and 1, 3, 5, 7 of eight words, put back in order. */
static inline int16x8_t myo_vector_interleave(int32x4_t even, int32x4_t odd) {
    return vmovntq_s32(vreinterpretq_s16_s32(even), odd);
}

#endif
