/* Word by word along a row, four or sixteen words at once; internal to core/nn, for Helium. An operand's step
   is 0 where one word is repeated, else 1. Reading is done before writing, so what may run in place still
   may. */
#ifndef MYO_NN_ROWS_H
#define MYO_NN_ROWS_H

#include "myo_nn.h"
#include "myo_nn_vector.h"

/* An operand of a row: a word for each place, or one word for all. */
static inline int32x4_t myo_rows_load(const int8_t *row, size_t step, size_t at, mve_pred16_t p) {
    return step == 1 ? vldrbq_z_s32(row + at, p) : vdupq_n_s32(*row);
}

static inline void myo_rows_add(const void *config, const int8_t *a, size_t step_a, const int8_t *b,
                                size_t step_b, int8_t *output, size_t n) {
    const myo_add_config_t c = *(const myo_add_config_t *)config;
    for (size_t i = 0; i < n; i += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(n - i));
        int32x4_t x = vshlq_n_s32(vaddq_n_s32(myo_rows_load(a, step_a, i, p), c.offset_a), 20);
        int32x4_t y = vshlq_n_s32(vaddq_n_s32(myo_rows_load(b, step_b, i, p), c.offset_b), 20);
        x = myo_vector_scale_by(x, c.multiplier_a, c.shift_a);
        y = myo_vector_scale_by(y, c.multiplier_b, c.shift_b);
        x = vaddq_s32(x, vmulq_n_s32(y, c.sign));
        x = myo_vector_scale_by(x, c.multiplier_output, c.shift_output);
        vstrbq_p_s32(output + i, myo_vector_place(x, c.zero_point, c.low, c.high), p);
    }
}

static inline void myo_rows_mul(const void *config, const int8_t *a, size_t step_a, const int8_t *b,
                                size_t step_b, int8_t *output, size_t n) {
    const myo_mul_config_t c = *(const myo_mul_config_t *)config;
    for (size_t i = 0; i < n; i += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(n - i));
        const int32x4_t x = vaddq_n_s32(myo_rows_load(a, step_a, i, p), c.offset_a);
        const int32x4_t y = vaddq_n_s32(myo_rows_load(b, step_b, i, p), c.offset_b);
        const int32x4_t z = myo_vector_scale_by(vmulq_s32(x, y), c.multiplier, c.shift);
        vstrbq_p_s32(output + i, myo_vector_place(z, c.zero_point, c.low, c.high), p);
    }
}

static inline void myo_rows_table(const int8_t table[256], const int8_t *input, int8_t *output, size_t n) {
    for (size_t i = 0; i < n; i += 16) {
        const mve_pred16_t p = vctp8q((uint32_t)(n - i));
        const uint8x16_t words = vreinterpretq_u8_s8(vldrbq_z_s8(input + i, p));
        const uint8x16_t places = veorq_u8(words, vdupq_n_u8(0x80)); /* word + 128 */
        vstrbq_p_s8(output + i, vldrbq_gather_offset_z_s8(table, places, p), p);
    }
}

#endif
