#include "myo_nn_dispatch.h"

#if MYO_NN_DSP

#include <stdbool.h>
#include <string.h>

#include "myo_nn_span.h"
#include "myo_nn_tile.h"

/* Points to the window's elements of one position; to `padding` where they lie outside of the input. */
static void point(const myo_depthwise_conv_dsp_config_t *config, const int8_t *input, const int8_t *padding,
                  int32_t oy, int32_t ox, const int8_t **elements) {
    const myo_nn_window_t *window = &config->window;
    const size_t channels = config->input.channels;
    const myo_nn_span_t rows = myo_nn_span(oy, window->stride_height, window->pad_top,
                                           window->dilation_height, window->height, config->input.height);
    const myo_nn_span_t columns = myo_nn_span(ox, window->stride_width, window->pad_left,
                                              window->dilation_width, window->width, config->input.width);
    const size_t step = window->dilation_width * channels;
    for (int32_t y = 0; y < window->height; y++) {
        const bool outside = y < rows.begin || y >= rows.end;
        const int32_t begin = outside ? window->width : columns.begin;
        const int32_t end = outside ? window->width : columns.end;
        const size_t input_row = (size_t)(rows.origin + y * window->dilation_height) * config->input.width;
        const size_t column = (size_t)(columns.origin + begin * window->dilation_width);
        int32_t x = 0;
        for (; x < begin && x < window->width; x++) {
            *elements++ = padding;
        }
        if (x < end) {
            const int8_t *element = input + (input_row + column) * channels;
            for (; x < end; x++) {
                *elements++ = element;
                element += step;
            }
        }
        for (; x < window->width; x++) {
            *elements++ = padding;
        }
    }
}

void myo_depthwise_conv_dsp_run(const myo_depthwise_conv_dsp_config_t *config, const int8_t *input,
                                int8_t *output, void *scratch) {
    const myo_nn_window_t *window = &config->window;
    const size_t channels = config->input.channels;
    const size_t n_elements = (size_t)window->height * window->width;
    const size_t n_whole = channels / MYO_NN_TILE * MYO_NN_TILE;
    const int8_t **const elements = scratch;
    int8_t *const padding = (int8_t *)(elements + n_elements);
    const int16_t *const last_weights = config->weights + n_whole * n_elements;
    const myo_nn_tile_t *const last_tile = config->tiles + n_whole / MYO_NN_TILE;
    int8_t *to = output;

    memset(padding, config->zero_point, channels);
    for (int32_t oy = 0; oy < config->output.height; oy++) {
        for (int32_t ox = 0; ox < config->output.width; ox++) {
            point(config, input, padding, oy, ox, elements);
            const int8_t *const *const found = (const int8_t *const *)elements;
            if (n_whole > 0) {
                myo_nn_depthwise_tiles(found, config->weights, config->tiles, to, n_elements, n_whole);
            }
            if (n_whole < channels) {
                myo_nn_depthwise_part(found, last_weights, last_tile, to, n_elements, n_whole,
                                      channels - n_whole);
            }
            to += channels;
        }
    }
    myo_nn_clamp(output, (size_t)(to - output), config->low, config->high);
}

#endif
