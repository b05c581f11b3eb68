/* Kernels that take two tensors word by word. They share one walk over what is repeated and differ in what
   they do to a row of words. */
#include <stdbool.h>

#include "myo_nn.h"
#include "myo_fixed_point.h"
#include "myo_nn_dispatch.h"

#if MYO_NN_DSP
#include "myo_nn_simd.h"
#endif

/* Bits by which operands are raised before they are scaled; what the format prescribes for int8. */
#define ADD_HEADROOM_BITS 20u
#define SQUARED_DIFFERENCE_HEADROOM_BITS 7u

/* One row: n words of the output. An operand's step from word to word is 0 where it is repeated, else 1. Rows
   copy their configuration: the words that they write might lie in it, for all that the compiler knows. */
typedef void row_t(const void *config, const int8_t *a, size_t step_a, const int8_t *b, size_t step_b,
                   int8_t *output, size_t n);

static void walk(const myo_nn_broadcast_t *meet, row_t *row, const void *config, const int8_t *a,
                 const int8_t *b, int8_t *output) {
    const uint32_t *step_a = meet->stride_a;
    const uint32_t *step_b = meet->stride_b;
    for (size_t i = 0; i < meet->size[0]; i++) {
        for (size_t j = 0; j < meet->size[1]; j++) {
            for (size_t k = 0; k < meet->size[2]; k++) {
                row(config, a + i * step_a[0] + j * step_a[1] + k * step_a[2], step_a[3],
                    b + i * step_b[0] + j * step_b[1] + k * step_b[2], step_b[3], output, meet->size[3]);
                output += meet->size[3];
            }
        }
    }
}

static int8_t output_word(int32_t scaled, int8_t zero_point, int8_t low, int8_t high) {
    return (int8_t)myo_fx_clamp(myo_fx_add(scaled, zero_point), low, high);
}

static void add_row(const void *config, const int8_t *a, size_t step_a, const int8_t *b, size_t step_b,
                    int8_t *output, size_t n) {
    const myo_add_config_t c = *(const myo_add_config_t *)config;
    for (; n > 0; n--, a += step_a, b += step_b) {
        const int32_t raised_a = myo_fx_shift_left(*a + c.offset_a, ADD_HEADROOM_BITS);
        const int32_t raised_b = myo_fx_shift_left(*b + c.offset_b, ADD_HEADROOM_BITS);
        const int32_t scaled_a = myo_fx_scale_down(raised_a, c.multiplier_a, c.shift_a);
        const int32_t scaled_b = myo_fx_scale_down(raised_b, c.multiplier_b, c.shift_b);
        const int32_t sum = scaled_a + c.sign * scaled_b; /* at most 2^28 */
        const int32_t scaled = myo_fx_scale_down(sum, c.multiplier_output, c.shift_output);
        *output++ = output_word(scaled, c.zero_point, c.low, c.high);
    }
}

static void mul_row(const void *config, const int8_t *a, size_t step_a, const int8_t *b, size_t step_b,
                    int8_t *output, size_t n) {
    const myo_mul_config_t c = *(const myo_mul_config_t *)config;
    for (; n > 0; n--, a += step_a, b += step_b) {
        const int32_t product = (*a + c.offset_a) * (*b + c.offset_b);
        *output++ = output_word(myo_fx_scale(product, c.multiplier, c.shift), c.zero_point, c.low, c.high);
    }
}

static void squared_difference_row(const void *config, const int8_t *a, size_t step_a, const int8_t *b,
                                   size_t step_b, int8_t *output, size_t n) {
    const myo_squared_difference_config_t c = *(const myo_squared_difference_config_t *)config;
    for (; n > 0; n--, a += step_a, b += step_b) {
        const int32_t raised_a = myo_fx_shift_left(*a + c.offset_a, SQUARED_DIFFERENCE_HEADROOM_BITS);
        const int32_t raised_b = myo_fx_shift_left(*b + c.offset_b, SQUARED_DIFFERENCE_HEADROOM_BITS);
        const int32_t scaled_a = myo_fx_scale_down(raised_a, c.multiplier_a, c.shift_a);
        const int32_t scaled_b = myo_fx_scale_down(raised_b, c.multiplier_b, c.shift_b);
        const int32_t difference = scaled_a - scaled_b; /* at most 2^15: its square fits */
        const int32_t scaled = myo_fx_scale(difference * difference, c.multiplier_output, c.shift_output);
        *output++ = output_word(scaled, c.zero_point, INT8_MIN, INT8_MAX);
    }
}

static void prelu_row(const void *config, const int8_t *a, size_t step_a, const int8_t *b, size_t step_b,
                      int8_t *output, size_t n) {
    const myo_prelu_config_t c = *(const myo_prelu_config_t *)config;
    for (; n > 0; n--, a += step_a, b += step_b) {
        const int32_t x = *a + c.offset_a;
        const int32_t scaled = x >= 0
                                   ? myo_fx_scale(x, c.multiplier, c.shift)
                                   : myo_fx_scale(x * (*b + c.offset_b), c.multiplier_slope, c.shift_slope);
        *output++ = output_word(scaled, c.zero_point, INT8_MIN, INT8_MAX);
    }
}

static void maximum_row(const void *config, const int8_t *a, size_t step_a, const int8_t *b, size_t step_b,
                        int8_t *output, size_t n) {
    (void)config;
    for (; n > 0; n--, a += step_a, b += step_b) {
        *output++ = *a > *b ? *a : *b;
    }
}

static void minimum_row(const void *config, const int8_t *a, size_t step_a, const int8_t *b, size_t step_b,
                        int8_t *output, size_t n) {
    (void)config;
    for (; n > 0; n--, a += step_a, b += step_b) {
        *output++ = *a < *b ? *a : *b;
    }
}

#if MYO_NN_DSP

/* From there on a scaling is one instruction and a shift, see myo_nn_scale_t: it takes the doubled number,
   and bits to shift out. */
static bool has_short_scale(int32_t shift) {
    return shift <= -1 && shift >= -22;
}

static myo_nn_scale_t short_scale(int32_t multiplier, int32_t shift) {
    const myo_nn_scale_t scale = {
        .multiplier = multiplier, .add = INT32_C(1) << (-shift - 1), .shift = -shift};
    return scale;
}

static myo_nn_scale_t short_scale_to(int8_t zero_point, int32_t multiplier, int32_t shift) {
    myo_nn_scale_t scale = short_scale(multiplier, shift);
    scale.add += zero_point * (INT32_C(1) << -shift);
    return scale;
}

/* How an operand of a sum is brought to the common scale: (x * raise + offset) is the raised and doubled
   operand. The coarser operand's factor is exactly 1/2, with no bit to shift out; raised by one bit more it
   has one. */
typedef struct {
    int32_t raise;
    int32_t offset;
    myo_nn_scale_t scale;
} raised_operand_t;

static raised_operand_t raised_operand(int16_t offset, int32_t multiplier, int32_t shift) {
    const uint32_t bits = ADD_HEADROOM_BITS + (shift == 0 ? 2u : 1u);
    const raised_operand_t operand = {
        .raise = INT32_C(1) << bits,
        .offset = offset * (INT32_C(1) << bits),
        .scale = short_scale(multiplier, shift == 0 ? -1 : shift),
    };
    return operand;
}

static inline int32_t scale_doubled(const myo_nn_scale_t *scale, int32_t doubled) {
    return myo_simd_add_scaled(doubled, scale->multiplier, scale->add + (doubled >> 31)) >> scale->shift;
}

static void add_row_dsp(const void *config, const int8_t *a, size_t step_a, const int8_t *b, size_t step_b,
                        int8_t *output, size_t n) {
    const myo_add_config_t *c = config;
    const raised_operand_t operand_a = raised_operand(c->offset_a, c->multiplier_a, c->shift_a);
    const raised_operand_t operand_b = raised_operand(c->offset_b, c->multiplier_b, c->shift_b);
    const myo_nn_scale_t scale = short_scale_to(c->zero_point, c->multiplier_output, c->shift_output);
    const int32_t twice_sign = 2 * c->sign, low = c->low, high = c->high;
    for (; n > 0; n--, a += step_a, b += step_b) {
        const int32_t scaled_a = scale_doubled(&operand_a.scale, *a * operand_a.raise + operand_a.offset);
        const int32_t scaled_b = scale_doubled(&operand_b.scale, *b * operand_b.raise + operand_b.offset);
        const int32_t doubled_sum = 2 * scaled_a + twice_sign * scaled_b;
        *output++ = (int8_t)myo_fx_clamp(scale_doubled(&scale, doubled_sum), low, high);
    }
}

static void mul_row_dsp(const void *config, const int8_t *a, size_t step_a, const int8_t *b, size_t step_b,
                        int8_t *output, size_t n) {
    const myo_mul_config_t *c = config;
    const myo_nn_scale_t scale = short_scale_to(c->zero_point, c->multiplier, c->shift);
    const int32_t twice_offset_a = 2 * c->offset_a, offset_b = c->offset_b, low = c->low, high = c->high;
    for (; n > 0; n--, a += step_a, b += step_b) {
        const int32_t doubled = (2 * *a + twice_offset_a) * (*b + offset_b);
        *output++ = (int8_t)myo_fx_clamp(scale_doubled(&scale, doubled), low, high);
    }
}

#else

static bool has_short_scale(int32_t shift) {
    (void)shift;
    return false;
}

#define add_row_dsp add_row
#define mul_row_dsp mul_row

#endif

void myo_add_run(const myo_add_config_t *config, const int8_t *a, const int8_t *b, int8_t *output) {
    row_t *row = has_short_scale(config->shift_output) ? add_row_dsp : add_row;
    walk(&config->broadcast, row, config, a, b, output);
}

void myo_mul_run(const myo_mul_config_t *config, const int8_t *a, const int8_t *b, int8_t *output) {
    row_t *row = has_short_scale(config->shift) ? mul_row_dsp : mul_row;
    walk(&config->broadcast, row, config, a, b, output);
}

void myo_squared_difference_run(const myo_squared_difference_config_t *config, const int8_t *a,
                                const int8_t *b, int8_t *output) {
    walk(&config->broadcast, squared_difference_row, config, a, b, output);
}

void myo_prelu_run(const myo_prelu_config_t *config, const int8_t *a, const int8_t *b, int8_t *output) {
    walk(&config->broadcast, prelu_row, config, a, b, output);
}

void myo_maximum_run(const myo_nn_broadcast_t *broadcast, const int8_t *a, const int8_t *b, int8_t *output) {
    walk(broadcast, maximum_row, broadcast, a, b, output);
}

void myo_minimum_run(const myo_nn_broadcast_t *broadcast, const int8_t *a, const int8_t *b, int8_t *output) {
    walk(broadcast, minimum_row, broadcast, a, b, output);
}

void myo_table_run(const int8_t table[256], const int8_t *input, int8_t *output, size_t n) {
    for (size_t i = 0; i < n; i++) {
        output[i] = table[input[i] + 128];
    }
}
