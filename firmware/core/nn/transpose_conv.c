#include "myo_nn.h"
#include "myo_nn_requantize.h"

/* The elements of a window that reach one output position along one axis: every stride-th from `first` on.
   The element first + n * stride comes from input position `origin` - n. */
typedef struct {
    int32_t first;
    int32_t origin;
    int32_t begin; /* least n whose input position exists */
    int32_t end;   /* one past the greatest */
} reach_t;

static reach_t reach_of(int32_t position, int32_t stride, int32_t pad, int32_t window_size,
                        int32_t input_size) {
    reach_t reach;
    reach.first = (position + pad) % stride;
    reach.origin = (position + pad) / stride;
    reach.begin = reach.origin < input_size ? 0 : reach.origin - (input_size - 1);
    const int32_t in_window =
        reach.first < window_size ? (window_size - reach.first + stride - 1) / stride : 0;
    reach.end = reach.origin + 1 < in_window ? reach.origin + 1 : in_window;
    return reach;
}

static int32_t sum_reach(const myo_transpose_conv_config_t *config, const int8_t *input, const int8_t *filter,
                         reach_t rows, reach_t columns) {
    const size_t channels = config->input.channels;
    const int32_t offset = config->input_offset;
    int32_t sum = 0;
    for (int32_t i = rows.begin; i < rows.end; i++) {
        const size_t input_row = (size_t)(rows.origin - i) * config->input.width;
        const size_t filter_row =
            (size_t)(rows.first + i * config->window.stride_height) * config->window.width;
        for (int32_t j = columns.begin; j < columns.end; j++) {
            const int8_t *values = input + (input_row + (size_t)(columns.origin - j)) * channels;
            const size_t column = (size_t)(columns.first + j * config->window.stride_width);
            const int8_t *weights = filter + (filter_row + column) * channels;
            for (size_t c = 0; c < channels; c++) {
                sum += (values[c] + offset) * weights[c];
            }
        }
    }
    return sum;
}

void myo_transpose_conv_run(const myo_transpose_conv_config_t *config, const int8_t *input, int8_t *output) {
    const myo_nn_window_t *window = &config->window;
    const size_t filter_size = (size_t)window->height * window->width * config->input.channels;

    for (int32_t oy = 0; oy < config->output.height; oy++) {
        const reach_t rows =
            reach_of(oy, window->stride_height, window->pad_top, window->height, config->input.height);
        for (int32_t ox = 0; ox < config->output.width; ox++) {
            const reach_t columns =
                reach_of(ox, window->stride_width, window->pad_left, window->width, config->input.width);
            const int8_t *filter = config->weights;
            for (size_t o = 0; o < config->output.channels; o++) {
                const int32_t sum = config->bias[o] + sum_reach(config, input, filter, rows, columns);
                *output++ = myo_nn_requantize(&config->requantize, o, sum);
                filter += filter_size;
            }
        }
    }
}
