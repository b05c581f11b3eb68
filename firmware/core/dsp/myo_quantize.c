#include "dsp/myo_quantize.h"

#include <stddef.h>

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
