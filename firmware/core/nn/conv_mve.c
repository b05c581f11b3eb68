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

/* Windows of one row of the output that lie inside of the input. */
typedef struct {
    size_t begin;
    size_t end;
} inner_t;

static inner_t find_inner(const myo_conv_config_t *config) {
    const myo_nn_window_t *window = &config->window;
    const size_t n = config->output.width;
    const size_t stride = window->stride_width;
    const size_t reach = (size_t)(window->width - 1) * window->dilation_width + 1;
    const size_t padded = (size_t)config->input.width + window->pad_left; /* from the first window's begin */
    const size_t begin = (window->pad_left + stride - 1) / stride;
    const size_t end = padded < reach ? 0 : (padded - reach) / stride + 1;
    const inner_t inner = {begin, end < n ? end : n};
    return inner;
}

void myo_conv_mve_run(const myo_conv_config_t *config, const int8_t *input, int8_t *output, int8_t *scratch) {
    const myo_nn_window_t *window = &config->window;
    const size_t n_groups = config->input.channels / config->weight_channels;
    const size_t n_outputs = config->output.channels / n_groups; /* of a group */
    const size_t step = (size_t)window->stride_width * config->input.channels;
    const bool contiguous = is_contiguous(config);
    const inner_t inner = find_inner(config);
    const myo_nn_dot_t dot = {
        .n_words = (size_t)window->height * window->width * config->weight_channels,
        .weights = config->weights,
        .bias = config->bias,
        .requantize = &config->requantize,
        .output_step = config->output.channels,
    };

    for (int32_t oy = 0; oy < config->output.height; oy++) {
        const int32_t top = oy * window->stride_height - window->pad_top;
        const int32_t below = top + (window->height - 1) * window->dilation_height;
        const bool in_place = contiguous && top >= 0 && below < config->input.height;
        for (size_t group = 0; group < n_groups; group++) {
            const int8_t *const from = input + group * config->weight_channels;
            const size_t first = group * n_outputs;
            for (size_t ox = 0; ox < config->output.width;) {
                int8_t *const to = output + ox * config->output.channels + first;
                if (in_place && ox >= inner.begin && ox < inner.end) {
                    const size_t column = ox * window->stride_width - window->pad_left;
                    const size_t n = inner.end - ox;
                    const int8_t *const x =
                        from + ((size_t)top * config->input.width + column) * config->input.channels;
                    myo_nn_dot_run(&dot, x, step, n, first, n_outputs, to);
                    ox += n;
                } else {
                    gather(config, from, oy, (int32_t)ox, scratch);
                    myo_nn_dot_run(&dot, scratch, 0, 1, first, n_outputs, to);
                    ox++;
                }
            }
        }
        output += (size_t)config->output.width * config->output.channels;
    }
}

#endif
