#include "myo_nn_dispatch.h"

#if MYO_NN_MVE

#include <stdbool.h>
#include <string.h>

#include "myo_nn_dot.h"
#include "myo_nn_mve.h"
#include "myo_nn_span.h"

/* A window inside of the input lies there as it does in a filter: one stretch of memory. */
static bool is_contiguous(const myo_conv_config_t *config) {
    const myo_nn_window_t *window = &config->window;
    const bool whole_row = config->weight_channels == config->input.channels &&
                           (window->width == 1 || window->dilation_width == 1);
    const bool row_dense = whole_row || window->width == 1;
    const bool rows_touch = whole_row && window->dilation_height == 1 && window->width == config->input.width;
    return row_dense && (window->height == 1 || rows_touch);
}

/* The window of one position, padding filled with the zero point. `group`: the input at its first channel. */
static void gather(const myo_conv_config_t *config, const int8_t *group, int32_t oy, int32_t ox, int8_t *to) {
    const myo_nn_window_t *window = &config->window;
    const size_t channels = config->weight_channels;
    const int zero_point = -config->input_offset;
    const myo_nn_span_t rows = myo_nn_span(oy, window->stride_height, window->pad_top,
                                           window->dilation_height, window->height, config->input.height);
    const myo_nn_span_t columns = myo_nn_span(ox, window->stride_width, window->pad_left,
                                              window->dilation_width, window->width, config->input.width);
    for (int32_t y = 0; y < window->height; y++) {
        const bool inside = y >= rows.begin && y < rows.end;
        const size_t row = (size_t)(rows.origin + y * window->dilation_height) * config->input.width;
        for (int32_t x = 0; x < window->width; x++) {
            if (inside && x >= columns.begin && x < columns.end) {
                const size_t column = (size_t)(columns.origin + x * window->dilation_width);
                memcpy(to, group + (row + column) * config->input.channels, channels);
            } else {
                memset(to, zero_point, channels);
            }
            to += channels;
        }
    }
}

void myo_conv_mve_run(const myo_conv_config_t *config, const int8_t *input, int8_t *output, int8_t *scratch) {
    const myo_nn_window_t *window = &config->window;
    const size_t n_groups = config->input.channels / config->weight_channels;
    const size_t n_outputs = config->output.channels / n_groups; /* of a group */
    const size_t n_words = (size_t)window->height * window->width * config->weight_channels;
    const int32_t last_row = config->input.height - (window->height - 1) * window->dilation_height;
    const int32_t last_column = config->input.width - (window->width - 1) * window->dilation_width;
    const bool contiguous = is_contiguous(config);

    int32_t top = -window->pad_top;
    for (int32_t oy = 0; oy < config->output.height; oy++) {
        int32_t left = -window->pad_left;
        for (int32_t ox = 0; ox < config->output.width; ox++) {
            const bool inside = top >= 0 && top < last_row && left >= 0 && left < last_column;
            for (size_t group = 0; group < n_groups; group++) {
                const int8_t *const from = input + group * config->weight_channels;
                const int8_t *x = scratch;
                if (contiguous && inside) {
                    x = from + (size_t)(top * config->input.width + left) * config->input.channels;
                } else {
                    gather(config, from, oy, ox, scratch);
                }
                myo_nn_dot_run(x, n_words, config->weights, config->bias, &config->requantize,
                               group * n_outputs, n_outputs, output);
                output += n_outputs;
            }
            left += window->stride_width;
        }
        top += window->stride_height;
    }
}

#endif
