/* Word by word along a row, four or sixteen words at once; internal to core/nn, for Helium. Each function
   returns how many words it has done: all, or none where it does not apply. Reading is done before writing,
   so what may run in place still may. */
#ifndef MYO_NN_ROWS_H
#define MYO_NN_ROWS_H

#include "myo_nn_dispatch.h"

#if MYO_NN_MVE

#include "myo_nn.h"
#include "myo_nn_vector.h"

/* An operand of a row: a word for each place, or one word for all. */
static inline int32x4_t myo_rows_load(const int8_t *row, size_t step, size_t at, mve_pred16_t p) {
    return step == 1 ? vldrbq_z_s32(row + at, p) : vdupq_n_s32(*row);
}

static inline size_t myo_rows_add(const myo_add_config_t *config, const int8_t *a, const int8_t *b,
                                  int8_t *output) {
    const size_t n = config->broadcast.size[3];
    const size_t step_a = config->broadcast.stride_a[3];
    const size_t step_b = config->broadcast.stride_b[3];
    if (step_a > 1 || step_b > 1) {
        return 0;
    }
    for (size_t i = 0; i < n; i += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(n - i));
        int32x4_t x = vshlq_n_s32(vaddq_n_s32(myo_rows_load(a, step_a, i, p), config->offset_a), 20);
        int32x4_t y = vshlq_n_s32(vaddq_n_s32(myo_rows_load(b, step_b, i, p), config->offset_b), 20);
        x = myo_vector_scale_by(x, config->multiplier_a, config->shift_a);
        y = myo_vector_scale_by(y, config->multiplier_b, config->shift_b);
        x = myo_vector_scale_by(vaddq_s32(x, y), config->multiplier_output, config->shift_output);
        vstrbq_p_s32(output + i, myo_vector_place(x, config->zero_point, config->low, config->high), p);
    }
    return n;
}

static inline size_t myo_rows_mul(const myo_mul_config_t *config, const int8_t *a, const int8_t *b,
                                  int8_t *output) {
    const size_t n = config->broadcast.size[3];
    const size_t step_a = config->broadcast.stride_a[3];
    const size_t step_b = config->broadcast.stride_b[3];
    if (step_a > 1 || step_b > 1) {
        return 0;
    }
    for (size_t i = 0; i < n; i += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(n - i));
        const int32x4_t x = vaddq_n_s32(myo_rows_load(a, step_a, i, p), config->offset_a);
        const int32x4_t y = vaddq_n_s32(myo_rows_load(b, step_b, i, p), config->offset_b);
        const int32x4_t z = myo_vector_scale_by(vmulq_s32(x, y), config->multiplier, config->shift);
        vstrbq_p_s32(output + i, myo_vector_place(z, config->zero_point, config->low, config->high), p);
    }
    return n;
}

static inline size_t myo_rows_table(const int8_t table[256], const int8_t *input, int8_t *output, size_t n) {
    for (size_t i = 0; i < n; i += 16) {
        const mve_pred16_t p = vctp8q((uint32_t)(n - i));
        const uint8x16_t words = vreinterpretq_u8_s8(vldrbq_z_s8(input + i, p));
        const uint8x16_t places = veorq_u8(words, vdupq_n_u8(0x80)); /* word + 128 */
        vstrbq_p_s8(output + i, vldrbq_gather_offset_z_s8(table, places, p), p);
    }
    return n;
}

#else

#define myo_rows_add(config, a, b, output) ((size_t)0)
#define myo_rows_mul(config, a, b, output) ((size_t)0)
#define myo_rows_table(table, input, output, n) ((size_t)0)

#endif
#endif
