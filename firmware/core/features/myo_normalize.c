#include "features/myo_normalize.h"

myo_status_t myo_normalize_check(const myo_normalize_t *constants, size_t n) {
    if (constants == NULL) {
        return MYO_ERROR_NULL;
    }
    for (size_t k = 0; k < n; k++) {
        const int32_t largest = INT32_C(1) << 30;
        if (constants[k].shift < 1 || constants[k].shift > 62 || constants[k].multiplier > largest ||
            constants[k].multiplier < -largest) {
            return MYO_ERROR_CONFIG;
        }
    }
    return MYO_OK;
}

/* |word - mean| < 2^32: the product stays within 2^62, the fraction adds at most 2^31, the rounding 2^61. */
static int32_t normalize(const myo_normalize_t *constants, int32_t word, int32_t zero_point, int32_t low,
                         int32_t high) {
    const int64_t half = (int64_t)1 << (constants->shift - 1);
    const int64_t product = ((int64_t)word - constants->mean) * constants->multiplier + constants->fraction;
    const int64_t y = ((product + half) >> constants->shift) + zero_point;
    return y < low ? low : y > high ? high : (int32_t)y;
}

void myo_normalize_int8(const myo_normalize_t *constants, const int32_t *words, size_t n, int8_t zero_point,
                        int8_t *outputs) {
    for (size_t k = 0; k < n; k++) {
        outputs[k] = (int8_t)normalize(&constants[k], words[k], zero_point, INT8_MIN, INT8_MAX);
    }
}

void myo_normalize_int16(const myo_normalize_t *constants, const int32_t *words, size_t n, int16_t *outputs) {
    for (size_t k = 0; k < n; k++) {
        outputs[k] = (int16_t)normalize(&constants[k], words[k], 0, INT16_MIN, INT16_MAX);
    }
}
