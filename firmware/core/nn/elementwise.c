/* Kernels that take two tensors word by word. They share one walk over what is repeated and differ in what
   they do to a row of words. */
#include <stdbool.h>

#include "myo_nn.h"
#include "myo_fixed_point.h"
#include "myo_nn_dispatch.h"

#if MYO_NN_MVE
#include "myo_nn_rows.h"
#elif MYO_NN_DSP
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

static void mul_row(const void *config, const int8_t *a, size_t step_a, const int8_t *b, size_t step_b,
                    int8_t *output, size_t n) {
    const myo_mul_config_t c = *(const myo_mul_config_t *)config;
    for (; n > 0; n--, a += step_a, b += step_b) {
        const int32_t product = (*a + c.offset_a) * (*b + c.offset_b);
        *output++ = output_word(myo_fx_scale(product, c.multiplier, c.shift), c.zero_point, c.low, c.high);
    }
}

#if MYO_NN_MVE

#define add_row myo_rows_add
#define mul_row_fast myo_rows_mul

#elif MYO_NN_DSP

#define AT_ONCE 4 /* words: constants that find no register are loaded once for all of them */

/* How a doubled number is scaled: (doubled * multiplier / 2^32, rounded) / 2^shift, halves away from zero.
   Negative numbers want a little less than half a step for that: hence their sign. */
typedef struct {
    int32_t multiplier;
    int32_t half;  /* 2^(shift - 1) */
    int32_t shift; /* 1 .. 31 */
} short_scale_t;

static short_scale_t short_scale(int32_t multiplier, int32_t shift) {
    const short_scale_t scale = {
        .multiplier = multiplier, .half = INT32_C(1) << (-shift - 1), .shift = -shift};
    return scale;
}

static inline int32_t scale_doubled(const short_scale_t *scale, int32_t doubled) {
    return myo_simd_add_scaled(doubled, scale->multiplier, scale->half + (doubled >> 31)) >> scale->shift;
}

/* What becomes of a doubled sum or product. */
typedef struct {
    short_scale_t scale;
    int32_t zero_point;
    int32_t low;
    int32_t high;
    bool has_limits; /* beyond those of int8 */
} short_output_t;

static short_output_t short_output(int32_t multiplier, int32_t shift, int8_t zero_point, int8_t low,
                                   int8_t high) {
    const short_output_t to = {
        .scale = short_scale(multiplier, shift),
        .zero_point = zero_point,
        .low = low,
        .high = high,
        .has_limits = low > INT8_MIN || high < INT8_MAX,
    };
    return to;
}

static inline void write_words(const short_output_t *to, const int32_t *doubled, int8_t *output, size_t n) {
    int32_t words[AT_ONCE];
    for (size_t i = 0; i < n; i++) {
        const int32_t scaled = scale_doubled(&to->scale, doubled[i]) + to->zero_point;
        words[i] = myo_fx_clamp(scaled, INT8_MIN, INT8_MAX); /* one SSAT */
    }
    if (to->has_limits) {
        for (size_t i = 0; i < n; i++) {
            words[i] = myo_fx_clamp(words[i], to->low, to->high);
        }
    }
    for (size_t i = 0; i < n; i++) {
        output[i] = (int8_t)words[i];
    }
}

/* A sum, prepared. The coarser operand's factor is exactly 1/2, so that its part of the doubled sum is
   x * coarse_raise + coarse_offset. The finer one is raised, doubled and scaled; where its factor is 1/2 too,
   with no bit to shift out, it is raised by one bit more and has one. */
typedef struct {
    int32_t coarse_raise;
    int32_t coarse_offset;
    int32_t fine_raise;
    int32_t fine_offset;
    short_scale_t fine_scale;
    int32_t fine_twice_sign;
    short_output_t output;
} prepared_sum_t;

static prepared_sum_t prepare_sum(const myo_add_config_t *c, bool is_a_coarse) {
    const int32_t offset = is_a_coarse ? c->offset_b : c->offset_a;
    const int32_t multiplier = is_a_coarse ? c->multiplier_b : c->multiplier_a;
    const int32_t shift = is_a_coarse ? c->shift_b : c->shift_a;
    const int32_t raise = INT32_C(1) << (ADD_HEADROOM_BITS + (shift == 0 ? 2u : 1u));
    const int32_t coarse_raise = (is_a_coarse ? 1 : c->sign) * (INT32_C(1) << ADD_HEADROOM_BITS);
    const prepared_sum_t sum = {
        .coarse_raise = coarse_raise,
        .coarse_offset = (is_a_coarse ? c->offset_a : c->offset_b) * coarse_raise,
        .fine_raise = raise,
        .fine_offset = offset * raise,
        .fine_scale = short_scale(multiplier, shift == 0 ? -1 : shift),
        .fine_twice_sign = 2 * (is_a_coarse ? c->sign : 1),
        .output = short_output(c->multiplier_output, c->shift_output, c->zero_point, c->low, c->high),
    };
    return sum;
}

static inline void add_words(const prepared_sum_t *sum, const int8_t *coarse, const int8_t *fine,
                             int8_t *output, size_t n) {
    int32_t doubled[AT_ONCE];
    for (size_t i = 0; i < n; i++) {
        const int32_t raised = fine[i] * sum->fine_raise + sum->fine_offset;
        doubled[i] = scale_doubled(&sum->fine_scale, raised) * sum->fine_twice_sign;
    }
    for (size_t i = 0; i < n; i++) {
        doubled[i] += coarse[i] * sum->coarse_raise + sum->coarse_offset;
    }
    write_words(&sum->output, doubled, output, n);
}

static void add_row(const void *config, const int8_t *a, size_t step_a, const int8_t *b, size_t step_b,
                    int8_t *output, size_t n) {
    const myo_add_config_t *c = config;
    const bool is_a_coarse = c->shift_a == 0;
    const prepared_sum_t sum = prepare_sum(c, is_a_coarse);
    const int8_t *coarse = is_a_coarse ? a : b;
    const int8_t *fine = is_a_coarse ? b : a;
    const size_t step_coarse = is_a_coarse ? step_a : step_b;
    const size_t step_fine = is_a_coarse ? step_b : step_a;
    if (step_a == 1 && step_b == 1) {
        for (; n >= AT_ONCE; n -= AT_ONCE, coarse += AT_ONCE, fine += AT_ONCE, output += AT_ONCE) {
            add_words(&sum, coarse, fine, output, AT_ONCE);
        }
    }
    for (; n > 0; n--, coarse += step_coarse, fine += step_fine) {
        add_words(&sum, coarse, fine, output++, 1);
    }
}

typedef struct {
    int32_t twice_offset_a;
    int32_t offset_b;
    short_output_t output;
} prepared_product_t;

static inline void mul_words(const prepared_product_t *product, const int8_t *a, const int8_t *b,
                             int8_t *output, size_t n) {
    int32_t doubled[AT_ONCE];
    for (size_t i = 0; i < n; i++) {
        doubled[i] = (2 * a[i] + product->twice_offset_a) * (b[i] + product->offset_b);
    }
    write_words(&product->output, doubled, output, n);
}

static void mul_row_fast(const void *config, const int8_t *a, size_t step_a, const int8_t *b, size_t step_b,
                         int8_t *output, size_t n) {
    const myo_mul_config_t *c = config;
    const prepared_product_t product = {
        .twice_offset_a = 2 * c->offset_a,
        .offset_b = c->offset_b,
        .output = short_output(c->multiplier, c->shift, c->zero_point, c->low, c->high),
    };
    if (step_a == 1 && step_b == 1) {
        for (; n >= AT_ONCE; n -= AT_ONCE, a += AT_ONCE, b += AT_ONCE, output += AT_ONCE) {
            mul_words(&product, a, b, output, AT_ONCE);
        }
    }
    for (; n > 0; n--, a += step_a, b += step_b) {
        mul_words(&product, a, b, output++, 1);
    }
}

#else

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

#define mul_row_fast mul_row

#endif

void myo_add_run(const myo_add_config_t *config, const int8_t *a, const int8_t *b, int8_t *output) {
    walk(&config->broadcast, add_row, config, a, b, output);
}

void myo_mul_run(const myo_mul_config_t *config, const int8_t *a, const int8_t *b, int8_t *output) {
    /* A product that is scaled up, or by nearly 1, is rounded once only. */
    row_t *row = config->shift < 0 ? mul_row_fast : mul_row;
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
#if MYO_NN_MVE
    myo_rows_table(table, input, output, n);
#else
    for (size_t i = 0; i < n; i++) {
        output[i] = table[input[i] + 128];
    }
#endif
}
