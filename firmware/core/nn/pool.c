#include "myo_nn.h"
#include "myo_fixed_point.h"
#include "myo_nn_dispatch.h"
#include "myo_nn_span.h"

#if MYO_NN_MVE
#include "myo_nn_vector.h"
#endif

static myo_nn_span_t row_span(const myo_pool_config_t *config, int32_t oy) {
    return myo_nn_span(oy, config->window.stride_height, config->window.pad_top, 1, config->window.height,
                       config->input.height);
}

static myo_nn_span_t column_span(const myo_pool_config_t *config, int32_t ox) {
    return myo_nn_span(ox, config->window.stride_width, config->window.pad_left, 1, config->window.width,
                       config->input.width);
}

/* The window's element (y, 0) in channel 0; its neighbours along the width are input.channels apart. */
static const int8_t *first_of_row(const myo_pool_config_t *config, const int8_t *input, myo_nn_span_t rows,
                                  myo_nn_span_t columns, int32_t y) {
    const size_t row = (size_t)(rows.origin + y) * config->input.width;
    return input + (row + (size_t)(columns.origin + columns.begin)) * config->input.channels;
}

#if MYO_NN_MVE

/* Means of `count` words of all channels, summed four channels at once. Returns how many are done. */
static size_t average_channels(const myo_pool_config_t *config, const int8_t *input, myo_nn_span_t rows,
                               myo_nn_span_t columns, int32_t count, int8_t *output) {
    const size_t channels = config->input.channels;
    const int32_t half = count / 2;
    for (size_t c = 0; c < channels; c += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(channels - c));
        int32x4_t sum = vdupq_n_s32(0);
        for (int32_t y = rows.begin; y < rows.end; y++) {
            const int8_t *value = first_of_row(config, input, rows, columns, y) + c;
            for (int32_t x = columns.begin; x < columns.end; x++) {
                sum = vaddq_s32(sum, vldrbq_z_s32(value, p));
                value += channels;
            }
        }
        int32_t means[4];
        vstrwq_s32(means, sum);
        for (size_t k = 0; k < 4; k++) { /* there is no division of vectors */
            means[k] = (means[k] > 0 ? means[k] + half : means[k] - half) / count;
        }
        vstrbq_p_s32(output + c, myo_vector_place(vldrwq_s32(means), 0, config->low, config->high), p);
    }
    return channels;
}

/* The highest words of the first channels, sixteen at once. Returns how many are done. */
static size_t max_channels(const myo_pool_config_t *config, const int8_t *input, myo_nn_span_t rows,
                           myo_nn_span_t columns, int8_t *output) {
    const size_t channels = config->input.channels;
    const int8x16_t low = vdupq_n_s8(config->low);
    const int8x16_t high = vdupq_n_s8(config->high);
    for (size_t c = 0; c < channels; c += 16) {
        const mve_pred16_t p = vctp8q((uint32_t)(channels - c));
        int8x16_t highest = low; /* which it cannot fall below in the end */
        for (int32_t y = rows.begin; y < rows.end; y++) {
            const int8_t *value = first_of_row(config, input, rows, columns, y) + c;
            for (int32_t x = columns.begin; x < columns.end; x++) {
                highest = vmaxq_m_s8(highest, highest, vldrbq_z_s8(value, p), p);
                value += channels;
            }
        }
        vstrbq_p_s8(output + c, vminq_s8(highest, high), p);
    }
    return channels;
}

#else

#define average_channels(config, input, rows, columns, count, output) ((size_t)0)
#define max_channels(config, input, rows, columns, output) ((size_t)0)

#endif

void myo_average_pool_run(const myo_pool_config_t *config, const int8_t *input, int8_t *output) {
    for (int32_t oy = 0; oy < config->output.height; oy++) {
        const myo_nn_span_t rows = row_span(config, oy);
        for (int32_t ox = 0; ox < config->output.width; ox++) {
            const myo_nn_span_t columns = column_span(config, ox);
            const int32_t count = (rows.end - rows.begin) * (columns.end - columns.begin);
            const size_t done = average_channels(config, input, rows, columns, count, output);
            output += done;
            for (size_t c = done; c < config->input.channels; c++) {
                int32_t sum = 0;
                for (int32_t y = rows.begin; y < rows.end; y++) {
                    const int8_t *value = first_of_row(config, input, rows, columns, y) + c;
                    for (int32_t x = columns.begin; x < columns.end; x++) {
                        sum += *value;
                        value += config->input.channels;
                    }
                }
                const int32_t half = count / 2;
                const int32_t mean = (sum > 0 ? sum + half : sum - half) / count;
                *output++ = (int8_t)myo_fx_clamp(mean, config->low, config->high);
            }
        }
    }
}

void myo_max_pool_run(const myo_pool_config_t *config, const int8_t *input, int8_t *output) {
    for (int32_t oy = 0; oy < config->output.height; oy++) {
        const myo_nn_span_t rows = row_span(config, oy);
        for (int32_t ox = 0; ox < config->output.width; ox++) {
            const myo_nn_span_t columns = column_span(config, ox);
            const size_t done = max_channels(config, input, rows, columns, output);
            output += done;
            for (size_t c = done; c < config->input.channels; c++) {
                int32_t highest = INT8_MIN;
                for (int32_t y = rows.begin; y < rows.end; y++) {
                    const int8_t *value = first_of_row(config, input, rows, columns, y) + c;
                    for (int32_t x = columns.begin; x < columns.end; x++) {
                        highest = *value > highest ? *value : highest;
                        value += config->input.channels;
                    }
                }
                *output++ = (int8_t)myo_fx_clamp(highest, config->low, config->high);
            }
        }
    }
}
