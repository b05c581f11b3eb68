#include "myo_nn.h"
#include "myo_fixed_point.h"
#include "myo_nn_rows.h"

/* Bits by which a sum's operands are raised before they are scaled; 20 is what the format prescribes for
 * int8. */
#define ADD_HEADROOM_BITS 20u

static int8_t add_words(const myo_add_config_t *config, int8_t a, int8_t b) {
    const int32_t raised_a = myo_fx_shift_left(a + config->offset_a, ADD_HEADROOM_BITS);
    const int32_t raised_b = myo_fx_shift_left(b + config->offset_b, ADD_HEADROOM_BITS);
    const int32_t scaled_a = myo_fx_scale(raised_a, config->multiplier_a, config->shift_a);
    const int32_t scaled_b = myo_fx_scale(raised_b, config->multiplier_b, config->shift_b);
    const int32_t sum =
        myo_fx_scale(myo_fx_add(scaled_a, scaled_b), config->multiplier_output, config->shift_output);
    return (int8_t)myo_fx_clamp(myo_fx_add(sum, config->zero_point), config->low, config->high);
}

static int8_t mul_words(const myo_mul_config_t *config, int8_t a, int8_t b) {
    const int32_t product = (a + config->offset_a) * (b + config->offset_b);
    const int32_t scaled = myo_fx_scale(product, config->multiplier, config->shift);
    return (int8_t)myo_fx_clamp(myo_fx_add(scaled, config->zero_point), config->low, config->high);
}

void myo_add_run(const myo_add_config_t *config, const int8_t *a, const int8_t *b, int8_t *output) {
    const myo_nn_broadcast_t *meet = &config->broadcast;
    for (size_t i = 0; i < meet->size[0]; i++) {
        for (size_t j = 0; j < meet->size[1]; j++) {
            for (size_t k = 0; k < meet->size[2]; k++) {
                const int8_t *row_a =
                    a + i * meet->stride_a[0] + j * meet->stride_a[1] + k * meet->stride_a[2];
                const int8_t *row_b =
                    b + i * meet->stride_b[0] + j * meet->stride_b[1] + k * meet->stride_b[2];
                const size_t done = myo_rows_add(config, row_a, row_b, output);
                output += done;
                for (size_t l = done; l < meet->size[3]; l++) {
                    *output++ = add_words(config, row_a[l * meet->stride_a[3]], row_b[l * meet->stride_b[3]]);
                }
            }
        }
    }
}

void myo_mul_run(const myo_mul_config_t *config, const int8_t *a, const int8_t *b, int8_t *output) {
    const myo_nn_broadcast_t *meet = &config->broadcast;
    for (size_t i = 0; i < meet->size[0]; i++) {
        for (size_t j = 0; j < meet->size[1]; j++) {
            for (size_t k = 0; k < meet->size[2]; k++) {
                const int8_t *row_a =
                    a + i * meet->stride_a[0] + j * meet->stride_a[1] + k * meet->stride_a[2];
                const int8_t *row_b =
                    b + i * meet->stride_b[0] + j * meet->stride_b[1] + k * meet->stride_b[2];
                const size_t done = myo_rows_mul(config, row_a, row_b, output);
                output += done;
                for (size_t l = done; l < meet->size[3]; l++) {
                    *output++ = mul_words(config, row_a[l * meet->stride_a[3]], row_b[l * meet->stride_b[3]]);
                }
            }
        }
    }
}

void myo_table_run(const int8_t table[256], const int8_t *input, int8_t *output, size_t n) {
    for (size_t i = myo_rows_table(table, input, output, n); i < n; i++) {
        output[i] = table[input[i] + 128];
    }
}
