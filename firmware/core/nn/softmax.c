/* Softmax in integers: exp(x - max) by table and polynomial in Q31, summed in Q12.19, divided by Newton's
   method. The constants and the order of the roundings define the result; the formulas beside them say what
   they compute. */
#include "myo_nn.h"
#include "myo_fixed_point.h"

#define EXP_INPUT_FRACTION_BITS 26u /* differences to the maximum are in Q5.26 */
#define SUM_INTEGER_BITS 12         /* the sum of exponentials is in Q12.19 */
#define ONE_Q29 (INT32_C(1) << 29)
#define QUARTER_Q26 (INT32_C(1) << 24)

/* a * 2^bits, held within int32; bits 1 or 2 here. */
static int32_t shift_left_saturating(int32_t a, uint32_t bits) {
    const int32_t limit = (INT32_C(1) << (31u - bits)) - 1;
    if (a > limit) {
        return INT32_MAX;
    }
    return a < -limit ? INT32_MIN : myo_fx_shift_left(a, bits);
}

/* exp(a) for a in [-1/4, 0), Q31 to Q31: Taylor's series to the fourth order around -1/8. */
static int32_t exp_last_quarter(int32_t a_q31) {
    const int32_t exp_minus_eighth = 1895147668;
    const int32_t third = 715827883;
    const int32_t x = a_q31 + (INT32_C(1) << 28); /* a + 1/8 */
    const int32_t x2 = myo_fx_mul_q31(x, x);
    const int32_t x3 = myo_fx_mul_q31(x2, x);
    const int32_t x4 = myo_fx_mul_q31(x2, x2);
    const int32_t x4_fourth = myo_fx_shift_right_rounded(x4, 2);
    /* x^2 / 2 + x^3 / 6 + x^4 / 24 = (x^2 + (x^3 + x^4 / 4) / 3) / 2 */
    const int32_t tail = myo_fx_shift_right_rounded(myo_fx_mul_q31(x4_fourth + x3, third) + x2, 1);
    return exp_minus_eighth + myo_fx_mul_q31(exp_minus_eighth, x + tail);
}

/* exp(a) for a <= 0, Q5.26 to Q31. a = (a multiple of -1/4) + (the rest, in [-1/4, 0)); the multiple's bits
   choose among exp(-1/4), exp(-1/2), exp(-1) ... exp(-16). */
static int32_t exp_negative(int32_t a_q26) {
    static const int32_t exp_minus_power[7] = {1672461947, 1302514674, 790015084, 290630308,
                                               39332535,   720401,     242};
    if (a_q26 == 0) {
        return INT32_MAX;
    }
    const int32_t rest = (a_q26 & (QUARTER_Q26 - 1)) - QUARTER_Q26;
    const int32_t multiple = rest - a_q26;
    int32_t result = exp_last_quarter(myo_fx_shift_left(rest, 5));
    for (uint32_t i = 0; i < 7; i++) {
        if (((uint32_t)multiple >> (EXP_INPUT_FRACTION_BITS - 2u + i)) & 1u) {
            result = myo_fx_mul_q31(result, exp_minus_power[i]);
        }
    }
    return result;
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

static uint32_t count_leading_zeros(uint32_t a) {
    uint32_t n = 0;
    while (n < 32u && !(a & 0x80000000u)) {
        a <<= 1;
        n++;
    }
    return n;
}

static int32_t exp_of_difference(const myo_softmax_config_t *config, int32_t difference) {
    return exp_negative(
        myo_fx_mul_q31(myo_fx_shift_left(difference, config->left_shift), config->multiplier));
}

static void softmax_row(const myo_softmax_config_t *config, const int8_t *input, int8_t *output) {
    int32_t highest = INT8_MIN;
    for (size_t i = 0; i < config->row_size; i++) {
        highest = input[i] > highest ? input[i] : highest;
    }

    int32_t sum_q19 = 0;
    for (size_t i = 0; i < config->row_size; i++) {
        const int32_t difference = input[i] - highest;
        if (difference >= config->lowest) {
            sum_q19 += myo_fx_shift_right_rounded(exp_of_difference(config, difference), SUM_INTEGER_BITS);
        }
    }

    /* sum = 2^integer_bits * (1 + a) / 2 with a in [0, 1) */
    const uint32_t headroom = count_leading_zeros((uint32_t)sum_q19);
    const uint32_t fraction = ((uint32_t)sum_q19 << headroom) & 0x7fffffffu;
    const int32_t scale_q31 = reciprocal_of_one_plus((int32_t)fraction);
    const uint32_t shift = (uint32_t)SUM_INTEGER_BITS - headroom + 31u - 8u; /* to steps of 1/256 */

    for (size_t i = 0; i < config->row_size; i++) {
        const int32_t difference = input[i] - highest;
        output[i] = INT8_MIN;
        if (difference >= config->lowest) {
            const int32_t share_q31 = myo_fx_mul_q31(scale_q31, exp_of_difference(config, difference));
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
