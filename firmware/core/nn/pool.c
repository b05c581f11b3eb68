#include "myo_nn.h"
#include "myo_fixed_point.h"
#include "myo_nn_span.h"

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

void myo_average_pool_run(const myo_pool_config_t *config, const int8_t *input, int8_t *output) {
    for (int32_t oy = 0; oy < config->output.height; oy++) {
        const myo_nn_span_t rows = row_span(config, oy);
        for (int32_t ox = 0; ox < config->output.width; ox++) {
            const myo_nn_span_t columns = column_span(config, ox);
            const int32_t count = (rows.end - rows.begin) * (columns.end - columns.begin);
            for (size_t c = 0; c < config->input.channels; c++) {
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
            for (size_t c = 0; c < config->input.channels; c++) {
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
