#include "myo_nn.h"
#include "myo_fixed_point.h"

void myo_mean_run(const myo_mean_config_t *config, const int8_t *input, int8_t *output) {
    const size_t row_size = (size_t)config->kept_1 * config->reduced_1; /* from one reduced_0 to the next */

    for (size_t k0 = 0; k0 < config->kept_0; k0++) {
        for (size_t k1 = 0; k1 < config->kept_1; k1++) {
            const int8_t *value = input + k1 * config->reduced_1;
            int32_t sum = config->sum_offset;
            for (size_t r0 = 0; r0 < config->reduced_0; r0++) {
                for (size_t r1 = 0; r1 < config->reduced_1; r1++) {
                    sum += value[r1];
                }
                value += row_size;
            }
            const int32_t mean = myo_fx_scale(sum, config->multiplier, config->shift);
            *output++ = (int8_t)myo_fx_clamp(myo_fx_add(mean, config->zero_point), INT8_MIN, INT8_MAX);
        }
        input += row_size * config->reduced_0;
    }
}
