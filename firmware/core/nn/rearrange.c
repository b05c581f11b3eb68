#include <string.h>

#include "myo_nn.h"

/* Writes n words of the padding value and returns the place after them. */
static int8_t *fill(int8_t *output, int8_t value, size_t n) {
    memset(output, value, n);
    return output + n;
}

void myo_pad_run(const myo_pad_config_t *config, const int8_t *input, int8_t *output) {
    const myo_nn_shape_t *before = &config->before;
    const myo_nn_shape_t *after = &config->after;
    const size_t channels = config->input.channels;
    const size_t column_size = before->channels + channels + after->channels;
    const size_t row_size = ((size_t)before->width + config->input.width + after->width) * column_size;

    output = fill(output, config->value, before->height * row_size);
    for (size_t y = 0; y < config->input.height; y++) {
        output = fill(output, config->value, before->width * column_size);
        for (size_t x = 0; x < config->input.width; x++) {
            output = fill(output, config->value, before->channels);
            memcpy(output, input, channels);
            output = fill(output + channels, config->value, after->channels);
            input += channels;
        }
        output = fill(output, config->value, after->width * column_size);
    }
    fill(output, config->value, after->height * row_size);
}

void myo_concatenation_run(const myo_concatenation_config_t *config, const int8_t *input, int8_t *output) {
    for (size_t row = 0; row < config->n_rows; row++) {
        memcpy(output + row * config->output_stride, input + row * config->row_size, config->row_size);
    }
}
