#include "myo_nn.h"
#include "myo_nn_requantize.h"
#include "myo_nn_span.h"

/* One output word: channel `input_channel` of the input against channel `o` of the weights. */
static int32_t sum_window(const myo_depthwise_conv_config_t *config, const int8_t *input,
                          size_t input_channel, size_t o, myo_nn_span_t rows, myo_nn_span_t columns) {
    const size_t input_channels = config->input.channels;
    const size_t output_channels = config->output.channels;
    const int32_t offset = config->input_offset;
    const size_t input_step = config->window.dilation_width * input_channels;
    int32_t sum = 0;
    for (int32_t y = rows.begin; y < rows.end; y++) {
        const size_t input_row =
            (size_t)(rows.origin + y * config->window.dilation_height) * config->input.width;
        const size_t first_column = (size_t)(columns.origin + columns.begin * config->window.dilation_width);
        const int8_t *value = input + (input_row + first_column) * input_channels + input_channel;
        const size_t first_tap = (size_t)y * config->window.width + (size_t)columns.begin;
        const int8_t *weight = config->weights + first_tap * output_channels + o;
        for (int32_t x = columns.begin; x < columns.end; x++) {
            sum += (*value + offset) * *weight;
            value += input_step;
            weight += output_channels;
        }
    }
    return sum;
}

void myo_depthwise_conv_run(const myo_depthwise_conv_config_t *config, const int8_t *input, int8_t *output) {
    const myo_nn_window_t *window = &config->window;

    for (int32_t oy = 0; oy < config->output.height; oy++) {
        const myo_nn_span_t rows = myo_nn_span(oy, window->stride_height, window->pad_top,
                                               window->dilation_height, window->height, config->input.height);
        for (int32_t ox = 0; ox < config->output.width; ox++) {
            const myo_nn_span_t columns =
                myo_nn_span(ox, window->stride_width, window->pad_left, window->dilation_width, window->width,
                            config->input.width);
            size_t o = 0;
            for (size_t c = 0; c < config->input.channels; c++) {
                for (size_t m = 0; m < config->depth_multiplier; m++, o++) {
                    const int32_t sum = config->bias[o] + sum_window(config, input, c, o, rows, columns);
                    *output++ = myo_nn_requantize(&config->requantize, o, sum);
                }
            }
        }
    }
}
