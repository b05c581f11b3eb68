#include "calibration/myo_head.h"

#include <stddef.h>

#include "dsp/myo_fixed_math.h"

#define PRIOR_BITS 7
#define MEAN_BITS 15
#define LOG2_E_Q30 1549082005u

myo_status_t myo_head_check(const myo_head_config_t *config) {
    if (config->prior == NULL || config->precision == NULL) {
        return MYO_ERROR_NULL;
    }
    return config->n_classes >= 2 && config->n_classes <= MYO_HEAD_MAX_CLASSES && config->n_words >= 1 &&
                   config->n_words <= MYO_HEAD_MAX_WORDS && config->precision_shift <= MYO_HEAD_MAX_SHIFT &&
                   config->memory_windows <= MYO_HEAD_MAX_WINDOWS
               ? MYO_OK
               : MYO_ERROR_CONFIG;
}

/* Nearest integer to a / b, halves up, b > 0: floor((2 a + b) / (2 b)), which C's division is not below 0. */
static int32_t divide_nearest(int64_t a, uint32_t b) {
    const int64_t numerator = 2 * a + (int64_t)b;
    const int64_t divisor = 2 * (int64_t)b;
    const int64_t quotient = numerator / divisor;
    return (int32_t)(quotient - (quotient * divisor > numerator));
}

int myo_tally_add(const myo_head_config_t *config, const myo_tally_t *tally, uint32_t label,
                  const int8_t *embedding) {
    if (tally->counts[label] >= MYO_HEAD_MAX_WINDOWS) {
        return 0;
    }
    tally->counts[label]++;
    int32_t *const sums = &tally->sums[label * config->n_words];
    for (uint32_t i = 0; i < config->n_words; i++) {
        sums[i] += embedding[i] - config->zero_point;
    }
    return 1;
}

void myo_tally_fade(const myo_head_config_t *config, const myo_tally_t *tally) {
    for (uint32_t k = 0; k < config->n_classes; k++) {
        const uint16_t count = tally->counts[k];
        if (count <= config->memory_windows) {
            continue;
        }
        int32_t *const sums = &tally->sums[k * config->n_words];
        for (uint32_t i = 0; i < config->n_words; i++) {
            sums[i] = divide_nearest((int64_t)sums[i] * config->memory_windows, count);
        }
        tally->counts[k] = config->memory_windows;
    }
}

/* A class's mean in Q15, below 2^23. */
static void average(const myo_head_config_t *config, const myo_tally_t *tally, uint32_t label,
                    int32_t *means) {
    const int16_t *const prior = &config->prior[label * config->n_words];
    const int32_t *const sums = &tally->sums[label * config->n_words];
    const uint32_t total = (uint32_t)tally->counts[label] + config->prior_windows;
    for (uint32_t i = 0; i < config->n_words; i++) {
        const int32_t expected = prior[i] * (1 << (MEAN_BITS - PRIOR_BITS));
        const int64_t mixed = (int64_t)expected * config->prior_windows + (int64_t)sums[i] * (1 << MEAN_BITS);
        means[i] = total > 0 ? divide_nearest(mixed, total) : expected;
    }
}

/* Row i of the inverse covariance times the means: below 2^61. */
static int64_t multiply_row(const myo_head_config_t *config, uint32_t i, const int32_t *means) {
    const int32_t *word = &config->precision[(size_t)i * (i + 1u) / 2u];
    int64_t sum = 0;
    for (uint32_t j = 0; j <= i; j++) {
        sum += (int64_t)*word++ * means[j];
    }
    word += i;
    for (uint32_t j = i + 1u; j < config->n_words; j++) { /* the column below the diagonal */
        sum += (int64_t)*word * means[j];
        word += j + 1u;
    }
    return sum;
}

static int64_t round_shift(int64_t v, uint32_t shift) {
    return (v + ((int64_t)1 << shift >> 1)) >> shift;
}

void myo_head_fit(const myo_head_config_t *config, const myo_tally_t *tally, int32_t *means,
                  myo_head_t *head) {
    /* Twice through the same products: once for the exponent that all classes share, once for the words, so
       that the wide ones need no memory. */
    int64_t peak = 0;
    for (uint32_t k = 0; k < config->n_classes; k++) {
        average(config, tally, k, means);
        for (uint32_t i = 0; i < config->n_words; i++) {
            const int64_t wide = multiply_row(config, i, means);
            const int64_t size = wide < 0 ? -wide : wide;
            peak = size > peak ? size : peak;
        }
    }
    head->exponent = 0;
    while (round_shift(peak, head->exponent) > INT16_MAX) {
        head->exponent++;
    }
    for (uint32_t k = 0; k < config->n_classes; k++) {
        int16_t *const weights = &head->weights[k * config->n_words];
        average(config, tally, k, means);
        int64_t product = 0;
        int32_t at_zero = 0;
        for (uint32_t i = 0; i < config->n_words; i++) {
            weights[i] = (int16_t)round_shift(multiply_row(config, i, means), head->exponent);
            product += (int64_t)weights[i] * means[i];
            at_zero += weights[i] * config->zero_point;
        }
        head->bias[k] = -(int32_t)((product + (1 << MEAN_BITS)) >> (MEAN_BITS + 1)) - at_zero;
    }
}

void myo_head_run(const myo_head_config_t *config, const myo_head_t *head, const int8_t *embedding,
                  int32_t *scores, int8_t *output) {
    int32_t best = INT32_MIN;
    for (uint32_t k = 0; k < config->n_classes; k++) {
        const int16_t *const weights = &head->weights[k * config->n_words];
        int32_t sum = head->bias[k];
        for (uint32_t i = 0; i < config->n_words; i++) {
            sum += weights[i] * embedding[i];
        }
        scores[k] = sum;
        best = sum > best ? sum : best;
    }
    const uint32_t shift = MEAN_BITS + 4u + config->precision_shift - head->exponent;
    uint32_t total = 0;
    for (uint32_t k = 0; k < config->n_classes; k++) {
        const uint32_t below = (uint32_t)best - (uint32_t)scores[k];
        const uint64_t exact = ((uint64_t)below * LOG2_E_Q30 + ((uint64_t)1 << shift >> 1)) >> shift;
        const int32_t y = exact < (31u << 26) ? (int32_t)exact : 31 << 26;
        scores[k] = myo_exp2_q30(-y) >> 8;
        total += (uint32_t)scores[k];
    }
    for (uint32_t k = 0; k < config->n_classes; k++) {
        const uint32_t share = ((uint32_t)scores[k] * 256u + (total >> 1)) / total;
        output[k] = (int8_t)((int32_t)(share < 255u ? share : 255u) - 128);
    }
}
