#include "myo_nn_dispatch.h"

#if MYO_NN_MVE

#include <stdbool.h>

#include "myo_nn_mve.h"
#include "myo_nn_span.h"
#include "myo_nn_vector.h"

/* Channels at once: words are widened to 16 bits, where the zero point can be taken off, and even and odd
   lanes multiply to 32 bits. */
#define LANES 8

/* The window's elements inside of the input, channel 0; the loops over channels are the innermost ones. */
typedef struct {
    const int8_t *value;
    const int8_t *weight;
    int32_t n_rows;
    int32_t n_columns;
    size_t value_step; /* from one column to the next; a weight's is the number of channels */
    size_t value_row_step;
    size_t weight_row_step;
} taps_t;

/* Channels c .. c + n - 1 of one position; n is LANES where `whole`, else 1 .. LANES - 1. */
static inline __attribute__((always_inline)) void run_channels(const myo_depthwise_conv_config_t *config,
                                                               const taps_t *taps, size_t c, bool whole,
                                                               size_t n, int8_t *output) {
    const myo_nn_requantize_t *const to = &config->requantize;
    const size_t channels = config->input.channels;
    const size_t value_step = taps->value_step;
    const int16_t offset = config->input_offset;
    const mve_pred16_t p = whole ? 0xFFFF : vctp16q((uint32_t)n);
    int32x4x2_t sums;
    int32x4x2_t multiplier;
    if (whole) {
        sums = vld2q_s32(config->bias + c);
        multiplier = vld2q_s32(to->multiplier + c);
    } else {
        sums = myo_vector_load_pairs(config->bias + c, n);
        multiplier = myo_vector_load_pairs(to->multiplier + c, n);
    }
    int32x4_t even = sums.val[0];
    int32x4_t odd = sums.val[1];
    const int8_t *value_row = taps->value + c;
    const int8_t *weight_row = taps->weight + c;
    for (int32_t y = taps->n_rows; y > 0; y--) {
        const int8_t *value = value_row;
        const int8_t *weight = weight_row;
        for (int32_t x = taps->n_columns; x > 0; x--) {
            const int16x8_t a = whole ? vldrbq_s16(value) : vldrbq_z_s16(value, p);
            const int16x8_t w = whole ? vldrbq_s16(weight) : vldrbq_z_s16(weight, p); /* 0 beyond n */
            const int16x8_t centred = vaddq_n_s16(a, offset);
            even = vaddq_s32(even, vmullbq_int_s16(centred, w));
            odd = vaddq_s32(odd, vmulltq_int_s16(centred, w));
            value += value_step;
            weight += channels;
        }
        value_row += taps->value_row_step;
        weight_row += taps->weight_row_step;
    }
    const int16x8_t shift = whole ? vldrbq_s16(to->shift + c) : vldrbq_z_s16(to->shift + c, p);
    even = myo_vector_scale(even, myo_vector_factor(multiplier.val[0], vmovlbq_s16(shift)));
    odd = myo_vector_scale(odd, myo_vector_factor(multiplier.val[1], vmovltq_s16(shift)));
    even = myo_vector_place(even, to->zero_point, to->low, to->high);
    odd = myo_vector_place(odd, to->zero_point, to->low, to->high);
    const int16x8_t words = myo_vector_interleave(even, odd);
    if (whole) {
        vstrbq_s16(output + c, words);
    } else {
        vstrbq_p_s16(output + c, words, p);
    }
}

void myo_depthwise_conv_mve_run(const myo_depthwise_conv_config_t *config, const int8_t *input,
                                int8_t *output) {
    const myo_nn_window_t *window = &config->window;
    const size_t channels = config->input.channels;
    taps_t taps = {
        .value_step = window->dilation_width * channels,
        .value_row_step = (size_t)window->dilation_height * config->input.width * channels,
        .weight_row_step = window->width * channels,
    };

    for (int32_t oy = 0; oy < config->output.height; oy++) {
        const myo_nn_span_t rows = myo_nn_span(oy, window->stride_height, window->pad_top,
                                               window->dilation_height, window->height, config->input.height);
        const size_t row = (size_t)(rows.origin + rows.begin * window->dilation_height) * config->input.width;
        const size_t tap_row = (size_t)rows.begin * window->width;
        taps.n_rows = rows.end - rows.begin;
        for (int32_t ox = 0; ox < config->output.width; ox++) {
            const myo_nn_span_t columns =
                myo_nn_span(ox, window->stride_width, window->pad_left, window->dilation_width, window->width,
                            config->input.width);
            const size_t column = (size_t)(columns.origin + columns.begin * window->dilation_width);
            taps.value = input + (row + column) * channels;
            taps.weight = config->weights + (tap_row + (size_t)columns.begin) * channels;
            taps.n_columns = columns.end - columns.begin;
            size_t c = 0;
            for (; c + LANES <= channels; c += LANES) {
                run_channels(config, &taps, c, true, LANES, output);
            }
            if (c < channels) {
                run_channels(config, &taps, c, false, channels - c, output);
            }
            output += channels;
        }
    }
}

#endif
