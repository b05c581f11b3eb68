#include "myo_nn_dispatch.h"

#if MYO_NN_MVE

#include "myo_nn_mve.h"
#include "myo_nn_span.h"
#include "myo_nn_vector.h"

/* Channels at once: words are widened to 16 bits, where the zero point can be taken off and pairs of lanes
   multiply to 32. */
#define LANES 8

/* Two int32 vectors from every other word, the way VMULLB and VMULLT take them. */
static inline int32x4_t load_every_other(const int32_t *from, mve_pred16_t p) {
    const uint32x4_t places = {0, 2, 4, 6};
    return vldrwq_gather_shifted_offset_z_s32(from, places, p);
}

/* Channels c .. c + n - 1 of one position, n of 1 .. LANES. */
static void run_channels(const myo_depthwise_conv_config_t *config, const int8_t *input, myo_nn_span_t rows,
                         myo_nn_span_t columns, size_t c, size_t n, int8_t *output) {
    const size_t channels = config->input.channels;
    const size_t step = config->window.dilation_width * channels;
    const mve_pred16_t p = vctp16q((uint32_t)n);
    const mve_pred16_t p_even = vctp32q((uint32_t)(n + 1) / 2);
    const mve_pred16_t p_odd = vctp32q((uint32_t)n / 2);
    int32x4_t even = load_every_other(config->bias + c, p_even);
    int32x4_t odd = load_every_other(config->bias + c + 1, p_odd);
    for (int32_t y = rows.begin; y < rows.end; y++) {
        const size_t row = (size_t)(rows.origin + y * config->window.dilation_height) * config->input.width;
        const size_t column = (size_t)(columns.origin + columns.begin * config->window.dilation_width);
        const size_t tap = (size_t)y * config->window.width + (size_t)columns.begin;
        const int8_t *value = input + (row + column) * channels + c;
        const int8_t *weight = config->weights + tap * channels + c;
        for (int32_t left = columns.end - columns.begin; left > 0; left--) {
            const int16x8_t x = vaddq_n_s16(vldrbq_z_s16(value, p), config->input_offset);
            const int16x8_t w = vldrbq_z_s16(weight, p); /* 0 beyond n, so the offset adds nothing there */
            even = vaddq_s32(even, vmullbq_int_s16(x, w));
            odd = vaddq_s32(odd, vmulltq_int_s16(x, w));
            value += step;
            weight += channels;
        }
    }
    const myo_nn_requantize_t *to = &config->requantize;
    const int16x8_t shift = vldrbq_z_s16(to->shift + c, p);
    even = myo_vector_scale(even, load_every_other(to->multiplier + c, p_even), vmovlbq_s16(shift));
    odd = myo_vector_scale(odd, load_every_other(to->multiplier + c + 1, p_odd), vmovltq_s16(shift));
    even = myo_vector_place(even, to->zero_point, to->low, to->high);
    odd = myo_vector_place(odd, to->zero_point, to->low, to->high);
    vstrbq_p_s16(output + c, myo_vector_interleave(even, odd), p);
}

void myo_depthwise_conv_mve_run(const myo_depthwise_conv_config_t *config, const int8_t *input,
                                int8_t *output) {
    const myo_nn_window_t *window = &config->window;
    const size_t channels = config->input.channels;

    for (int32_t oy = 0; oy < config->output.height; oy++) {
        const myo_nn_span_t rows = myo_nn_span(oy, window->stride_height, window->pad_top,
                                               window->dilation_height, window->height, config->input.height);
        for (int32_t ox = 0; ox < config->output.width; ox++) {
            const myo_nn_span_t columns =
                myo_nn_span(ox, window->stride_width, window->pad_left, window->dilation_width, window->width,
                            config->input.width);
            for (size_t c = 0; c < channels; c += LANES) {
                const size_t n = channels - c < LANES ? channels - c : LANES;
                run_channels(config, input, rows, columns, c, n, output);
            }
            output += channels;
        }
    }
}

#endif
