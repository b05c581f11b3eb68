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

static void copy_row(const int8_t *input, ptrdiff_t input_stride, int8_t *output, ptrdiff_t output_stride,
                     size_t n) {
    if (input_stride == 1 && output_stride == 1) {
        memcpy(output, input, n);
        return;
    }
    for (; n > 0; n--) {
        *output = *input;
        input += input_stride;
        output += output_stride;
    }
}

void myo_copy_run(const myo_copy_config_t *config, const int8_t *input, int8_t *output) {
    const uint32_t *size = config->size;
    const int32_t *from = config->input_stride;
    const int32_t *to = config->output_stride;

    for (uint32_t i = 0; i < size[0]; i++) {
        for (uint32_t j = 0; j < size[1]; j++) {
            for (uint32_t k = 0; k < size[2]; k++) {
                for (uint32_t l = 0; l < size[3]; l++) {
                    const ptrdiff_t source = (ptrdiff_t)i * from[0] + (ptrdiff_t)j * from[1] +
                                             (ptrdiff_t)k * from[2] + (ptrdiff_t)l * from[3];
                    const ptrdiff_t target = (ptrdiff_t)i * to[0] + (ptrdiff_t)j * to[1] +
                                             (ptrdiff_t)k * to[2] + (ptrdiff_t)l * to[3];
                    copy_row(input + source, from[4], output + target, to[4], size[4]);
                }
            }
        }
    }
}
