#include "dsp/myo_quantize.h"

myo_status_t myo_quantize_check(const myo_quantize_config_t *config) {
    if (config == NULL) {
        return MYO_ERROR_NULL;
    }
    return config->shift < 1 || config->shift > 62 ? MYO_ERROR_CONFIG : MYO_OK;
}

int8_t myo_quantize_run(const myo_quantize_config_t *config, int32_t x_q31) {
    /* |product| <= 2^62 and the rounding term <= 2^61: the sum fits an int64. */
    const int64_t half = (int64_t)1 << (config->shift - 1);
    const int64_t y = (((int64_t)x_q31 * config->multiplier + half) >> config->shift) + config->zero_point;
    return (int8_t)(y < INT8_MIN ? INT8_MIN : y > INT8_MAX ? INT8_MAX : y);
}

static int8_t saturate(int32_t y) {
#if defined(__ARM_FEATURE_SAT)
    return (int8_t)__builtin_arm_ssat(y, 8); /* not __ssat, whose macro converts signs without saying so */
#else
    return (int8_t)(y < INT8_MIN ? INT8_MIN : y > INT8_MAX ? INT8_MAX : y);
#endif
}

void myo_quantize_block(const myo_quantize_config_t *config, const int32_t *x_q31, int8_t *out, size_t stride,
                        size_t n) {
    /* Above 32 the lower word of the product is shifted out whole and half a step is a number of its upper
       word; up to 54 the zero point fits beside them. Every filter's output has such a shift. */
    if (config->shift < 33 || config->shift > 54) {
        for (size_t i = 0; i < n; i++) {
            out[i * stride] = myo_quantize_run(config, x_q31[i]);
        }
        return;
    }
    const uint32_t shift = config->shift - 32u;
    const int32_t multiplier = config->multiplier;
    const int32_t offset = (1 << (shift - 1)) + config->zero_point * (1 << shift);
#pragma GCC unroll 4
    for (size_t i = 0; i < n; i++, out += stride) {
        const int32_t high = (int32_t)(((int64_t)x_q31[i] * multiplier) >> 32);
        *out = saturate((high + offset) >> shift);
    }
}
