#include "myo_nn.h"
#include "myo_nn_requantize.h"
#include "myo_nn_span.h"

/* One output word: the filter over the part of its window that lies inside of the input. Filter and input are
   both channels-last, so the innermost loop runs over contiguous memory in both. */
static int32_t sum_window(const myo_conv_config_t *config, const int8_t *input, const int8_t *filter,
                          myo_nn_span_t rows, myo_nn_span_t columns) {
    const size_t input_channels = config->input.channels;
    const size_t weight_channels = config->weight_channels;
    const int32_t offset = config->input_offset;
    int32_t sum = 0;
    for (int32_t y = rows.begin; y < rows.end; y++) {
        const size_t input_row =
            (size_t)(rows.origin + y * config->window.dilation_height) * config->input.width;
        const size_t filter_row = (size_t)y * config->window.width;
        for (int32_t x = columns.begin; x < columns.end; x++) {
            const size_t column = (size_t)(columns.origin + x * config->window.dilation_width);
            const int8_t *values = input + (input_row + column) * input_channels;
            const int8_t *weights = filter + (filter_row + (size_t)x) * weight_channels;
            for (size_t c = 0; c < weight_channels; c++) {
                sum += (values[c] + offset) * weights[c];
            }
        }
    }
    return sum;
}

void myo_conv_run(const myo_conv_config_t *config, const int8_t *input, int8_t *output) {
    const myo_nn_window_t *window = &config->window;
    const size_t n_outputs = config->output.channels;
    const size_t filter_size = (size_t)window->height * window->width * config->weight_channels;
    const size_t outputs_per_group = n_outputs / (config->input.channels / config->weight_channels);

    for (int32_t oy = 0; oy < config->output.height; oy++) {
        const myo_nn_span_t rows = myo_nn_span(oy, window->stride_height, window->pad_top,
                                               window->dilation_height, window->height, config->input.height);
        for (int32_t ox = 0; ox < config->output.width; ox++) {
            const myo_nn_span_t columns =
                myo_nn_span(ox, window->stride_width, window->pad_left, window->dilation_width, window->width,
                            config->input.width);
            const int8_t *filter = config->weights;
            const int8_t *group = input; /* first channel of the group */
            size_t left_in_group = outputs_per_group;
            for (size_t o = 0; o < n_outputs; o++) {
                const int32_t sum = config->bias[o] + sum_window(config, group, filter, rows, columns);
                *output++ = myo_nn_requantize(&config->requantize, o, sum);
                filter += filter_size;
                if (--left_in_group == 0) {
                    left_in_group = outputs_per_group;
                    group += config->weight_channels;
                }
            }
        }
    }
}
