#include "myo_nn.h"
#include "myo_fixed_point.h"
#include "myo_nn_dispatch.h"

#if MYO_NN_MVE
#include "myo_nn_vector.h"
#elif MYO_NN_DSP
#include "myo_nn_simd.h"
#endif

static int8_t scale_sum(const myo_mean_config_t *config, int32_t sum) {
    const int32_t mean = myo_fx_scale(sum, config->multiplier, config->shift);
    return (int8_t)myo_fx_clamp(myo_fx_add(mean, config->zero_point), INT8_MIN, INT8_MAX);
}

#if MYO_NN_MVE

/* Means of all channels, four at once, over rows of channels. Returns how many are done. */
static size_t mean_of_rows(const myo_mean_config_t *config, const int8_t *input, int8_t *output) {
    const size_t channels = config->kept_1;
    if (config->reduced_1 != 1) {
        return 0;
    }
    for (size_t c = 0; c < channels; c += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(channels - c));
        const int8_t *row = input + c;
        int32x4_t sum = vdupq_n_s32(config->sum_offset);
        for (size_t n = config->reduced_0; n > 0; n--) {
            sum = vaddq_s32(sum, vldrbq_z_s32(row, p));
            row += channels;
        }
        sum = myo_vector_scale_by(sum, config->multiplier, config->shift);
        vstrbq_p_s32(output + c, myo_vector_place(sum, config->zero_point, INT8_MIN, INT8_MAX), p);
    }
    return channels;
}

#elif MYO_NN_DSP

#define MOST_ROWS 255u /* of int8 that a 16-bit sum holds, whatever they are */

/* Means of the first channels, four at once, over rows of channels. Returns how many are done. */
static size_t mean_of_rows(const myo_mean_config_t *config, const int8_t *input, int8_t *output) {
    const size_t channels = config->kept_1;
    if (config->reduced_1 != 1 || config->reduced_0 > MOST_ROWS) {
        return 0;
    }
    size_t c = 0;
    for (; c + 4 <= channels; c += 4) {
        const int8_t *row = input + c;
        uint32_t even = 0; /* sums of channels c and c + 2 */
        uint32_t odd = 0;  /* of c + 1 and c + 3 */
        for (size_t n = config->reduced_0; n > 0; n--) {
            const uint32_t word = myo_simd_load(row);
            even = myo_simd_add_even(even, word);
            odd = myo_simd_add_odd(odd, word);
            row += channels;
        }
        output[c] = scale_sum(config, config->sum_offset + (int16_t)even);
        output[c + 1] = scale_sum(config, config->sum_offset + (int16_t)odd);
        output[c + 2] = scale_sum(config, config->sum_offset + (int16_t)(even >> 16));
        output[c + 3] = scale_sum(config, config->sum_offset + (int16_t)(odd >> 16));
    }
    return c;
}

#else

static size_t mean_of_rows(const myo_mean_config_t *config, const int8_t *input, int8_t *output) {
    (void)config;
    (void)input;
    (void)output;
    return 0;
}

#endif

void myo_mean_run(const myo_mean_config_t *config, const int8_t *input, int8_t *output) {
    const size_t row_size = (size_t)config->kept_1 * config->reduced_1; /* from one reduced_0 to the next */

    for (size_t k0 = 0; k0 < config->kept_0; k0++) {
        const size_t done = mean_of_rows(config, input, output);
        output += done;
        for (size_t k1 = done; k1 < config->kept_1; k1++) {
            const int8_t *value = input + k1 * config->reduced_1;
            int32_t sum = config->sum_offset;
            for (size_t r0 = 0; r0 < config->reduced_0; r0++) {
                for (size_t r1 = 0; r1 < config->reduced_1; r1++) {
                    sum += value[r1];
                }
                value += row_size;
            }
            *output++ = scale_sum(config, sum);
        }
        input += row_size * config->reduced_0;
    }
}

void myo_mean_of_sums_run(const myo_mean_config_t *config, const int32_t *sums, int8_t *output) {
    for (size_t c = 0; c < config->kept_1; c++) {
        output[c] = scale_sum(config, config->sum_offset + sums[c]);
    }
}
