#include "myo_fixed_point.h"
#include "myo_nn.h"

static void multiply(const myo_batch_matmul_config_t *config, const int8_t *a, const int8_t *b,
                     int8_t *output) {
    for (size_t r = 0; r < config->n_rows; r++) {
        for (size_t c = 0; c < config->n_columns; c++) {
            const int8_t *left = a + r * config->a.row_stride;
            const int8_t *right = b + c * config->b.column_stride;
            int32_t sum = config->bias != NULL ? config->bias[c] : 0;
            for (size_t d = config->depth; d > 0; d--) {
                sum += (*left + config->a.offset) * (*right + config->b.offset);
                left += config->a.column_stride;
                right += config->b.row_stride;
            }
            const int32_t scaled = myo_fx_scale(sum, config->multiplier, config->shift);
            *output++ =
                (int8_t)myo_fx_clamp(myo_fx_add(scaled, config->zero_point), config->low, config->high);
        }
    }
}

void myo_batch_matmul_run(const myo_batch_matmul_config_t *config, const int8_t *a, const int8_t *b,
                          int8_t *output) {
    const uint32_t *from_a = config->a.batch_stride;
    const uint32_t *from_b = config->b.batch_stride;

    for (size_t i = 0; i < config->batch[0]; i++) {
        for (size_t j = 0; j < config->batch[1]; j++) {
            for (size_t k = 0; k < config->batch[2]; k++) {
                multiply(config, a + i * from_a[0] + j * from_a[1] + k * from_a[2],
                         b + i * from_b[0] + j * from_b[1] + k * from_b[2], output);
                output += (size_t)config->n_rows * config->n_columns;
            }
        }
    }
}
