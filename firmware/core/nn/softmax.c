/* Softmax in integers: exponentials by table in Q31, summed in Q12.19, divided by Newton's method. The
   constants and the order of the roundings define the result; the formulas beside them say what they compute.
 */
#include "myo_nn.h"
#include "myo_fixed_point.h"

#define SUM_INTEGER_BITS 12 /* the sum of exponentials is in Q12.19 */
#define ONE_Q29 (INT32_C(1) << 29)

/* a * 2^bits, held within int32; bits 1 or 2 here. */
static int32_t shift_left_saturating(int32_t a, uint32_t bits) {
    const int32_t limit = (INT32_C(1) << (31u - bits)) - 1;
    if (a > limit) {
        return INT32_MAX;
    }
    return a < -limit ? INT32_MIN : myo_fx_shift_left(a, bits);
}

/* 1 / (1 + a) for a in [0, 1), Q31 to Q31: three Newton steps on the half denominator d = (1 + a) / 2, in
   Q2.29, from the best straight line 48/17 - 32/17 d. */
static int32_t reciprocal_of_one_plus(int32_t a_q31) {
    const int32_t d = (int32_t)(((int64_t)a_q31 + INT32_MAX + 1) / 2);
    int32_t x = 1515870810 + myo_fx_mul_q31(d, -1010580540);
    for (int step = 0; step < 3; step++) {
        const int32_t error = ONE_Q29 - myo_fx_mul_q31(d, x);
        x += shift_left_saturating(myo_fx_mul_q31(x, error), 2);
    }
    return shift_left_saturating(x, 1); /* 1 / d is twice the answer, and Q2.29 is two bits short of Q31 */
}

/* a > 0 */
static uint32_t count_leading_zeros(uint32_t a) {
#if defined(__GNUC__)
    return (uint32_t)__builtin_clz((unsigned)a);
#else
    uint32_t n = 0;
    while (n < 32u && !(a & 0x80000000u)) {
        a <<= 1;
        n++;
    }
    return n;
#endif
}

static void softmax_row(const myo_softmax_config_t *config, const int8_t *input, int8_t *output) {
    int32_t highest = INT8_MIN;
    for (size_t i = 0; i < config->row_size; i++) {
        highest = input[i] > highest ? input[i] : highest;
    }

    int32_t sum_q19 = 0;
    for (size_t i = 0; i < config->row_size; i++) {
        const uint32_t below = (uint32_t)(highest - input[i]);
        if (below < config->n_exp) {
            sum_q19 += myo_fx_shift_right_rounded(config->exp_q31[below], SUM_INTEGER_BITS);
        }
    }

    /* sum = 2^integer_bits * (1 + a) / 2 with a in [0, 1) */
    const uint32_t headroom = count_leading_zeros((uint32_t)sum_q19);
    const uint32_t fraction = ((uint32_t)sum_q19 << headroom) & 0x7fffffffu;
    const int32_t scale_q31 = reciprocal_of_one_plus((int32_t)fraction);
    const uint32_t shift = (uint32_t)SUM_INTEGER_BITS - headroom + 31u - 8u; /* to steps of 1/256 */

    for (size_t i = 0; i < config->row_size; i++) {
        const uint32_t below = (uint32_t)(highest - input[i]);
        output[i] = INT8_MIN;
        if (below < config->n_exp) {
            const int32_t share_q31 = myo_fx_mul_q31(scale_q31, config->exp_q31[below]);
            const int32_t share = myo_fx_shift_right_rounded(share_q31, shift) + INT8_MIN;
            output[i] = (int8_t)myo_fx_clamp(share, INT8_MIN, INT8_MAX);
        }
    }
}

void myo_softmax_run(const myo_softmax_config_t *config, const int8_t *input, int8_t *output) {
    for (size_t row = 0; row < config->n_rows; row++) {
        softmax_row(config, input + row * config->row_size, output + row * config->row_size);
    }
}
