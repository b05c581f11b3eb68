#include "features/myo_features_kinds.h"

#include "dsp/myo_fixed_math.h"

static uint64_t magnitude(int64_t v) {
    return (uint64_t)(v < 0 ? -v : v);
}

static uint64_t square_of(int32_t v) {
    return (uint64_t)((int64_t)v * v);
}

/* Each x^2 comes twice but for the ends. */
uint64_t myo_sums_step_squares(const myo_window_sums_t *sums) {
    return 2u * sums->square - square_of(sums->first[0]) - square_of(sums->last[1]) -
           2u * (uint64_t)sums->lags[0];
}

/* Expanded the same way. */
uint64_t myo_sums_bend_squares(const myo_window_sums_t *sums) {
    const int32_t *const f = sums->first;
    const int32_t *const l = sums->last;
    const uint64_t ends = 5u * (square_of(f[0]) + square_of(l[1])) + square_of(f[1]) + square_of(l[0]);
    const uint64_t end_pairs = (uint64_t)((int64_t)f[0] * f[1] + (int64_t)l[0] * l[1]);
    return 6u * sums->square - ends - 8u * (uint64_t)sums->lags[0] + 4u * end_pairs +
           2u * (uint64_t)sums->lags[1];
}

static int64_t sum_tkeo(const myo_window_sums_t *sums) {
    return (int64_t)(sums->square - square_of(sums->first[0]) - square_of(sums->last[1])) - sums->lags[1];
}

static uint64_t window_variance(const myo_features_config_t *config, const myo_window_sums_t *sums) {
    return config->window * sums->square - (uint64_t)(sums->x * sums->x);
}

/* numerator / denominator * 2^fraction_bits of two values >= 0. */
static int32_t divide_wide(myo_wide_t numerator, myo_wide_t denominator, int32_t fraction_bits) {
    const myo_mantissa_t a = myo_wide_mantissa(numerator);
    const myo_mantissa_t b = myo_wide_mantissa(denominator);
    return myo_divide_nearest(a.mantissa, b.mantissa, fraction_bits + a.exponent - b.exponent);
}

static myo_wide_t multiply(int64_t a, int64_t b) {
    return myo_wide_multiply(myo_wide_from(a), myo_wide_from(b));
}

/* Up to 76 bits: of the largest, the 16 lowest are beyond what a logarithm looks at. */
static int32_t log_fourth_q16(const myo_window_sums_t *sums) {
    if (sums->fourth_high < UINT64_C(1) << 28) {
        const uint64_t fourth = (sums->fourth_high << 32) + sums->fourth_low;
        return (int32_t)myo_log2_q16_u64(fourth > 1 ? fourth : 1u);
    }
    const uint64_t cut = (sums->fourth_high << 16) + (sums->fourth_low >> 16);
    return (int32_t)(myo_log2_q16_u64(cut) + (UINT32_C(16) << 16));
}

static int32_t mobility_q24(const myo_window_sums_t *sums) {
    const int32_t ratio_q28 = myo_divide_nearest(myo_sums_step_squares(sums), sums->square, 28);
    return (int32_t)myo_sqrt_nearest((uint64_t)(uint32_t)ratio_q28 << 20);
}

static int32_t complexity_q16(const myo_window_sums_t *sums) {
    const int64_t steps = (int64_t)myo_sums_step_squares(sums);
    const myo_wide_t numerator = multiply((int64_t)myo_sums_bend_squares(sums), (int64_t)sums->square);
    const int32_t ratio_q20 = divide_wide(numerator, multiply(steps, steps), 20);
    return (int32_t)myo_sqrt_nearest((uint64_t)(uint32_t)ratio_q20 << 12);
}

/* window^2 * sum of (x - mean)^3 over the 3/2 power of window * sum of (x - mean)^2. */
static int32_t skewness_q16(const myo_features_config_t *config, const myo_window_sums_t *sums) {
    const int64_t n = config->window;
    const int64_t variance = (int64_t)window_variance(config, sums);
    if (variance == 0) {
        return 0;
    }
    const int64_t square = (int64_t)sums->square;
    const myo_wide_t cubes = myo_wide_multiply(multiply(n, n), myo_wide_from(sums->cube));
    const myo_wide_t mixed = myo_wide_multiply(multiply(3 * n, sums->x), myo_wide_from(square));
    const myo_wide_t means = myo_wide_multiply(multiply(2 * sums->x, sums->x), myo_wide_from(sums->x));
    myo_wide_t third = myo_wide_add(myo_wide_subtract(cubes, mixed), means);
    const bool is_negative = myo_wide_is_negative(third);
    if (is_negative) {
        third = myo_wide_subtract(myo_wide_from(0), third);
    }
    uint32_t up = 0; /* the root keeps 31 bits */
    while ((uint64_t)variance << (2u * up) < UINT64_C(1) << 60) {
        up++;
    }
    const int64_t root = myo_sqrt_nearest((uint64_t)variance << (2u * up));
    const int32_t size = divide_wide(third, multiply(variance, root), 16 + (int32_t)up);
    return is_negative ? -size : size;
}

/* window^3 * sum of (x - mean)^4 over the square of window * sum of (x - mean)^2. */
static int32_t kurtosis_q16(const myo_features_config_t *config, const myo_window_sums_t *sums) {
    const int64_t n = config->window;
    const int64_t variance = (int64_t)window_variance(config, sums);
    const myo_wide_t mean = myo_wide_from(sums->x);
    const myo_wide_t low = myo_wide_from((int64_t)sums->fourth_low);
    const myo_wide_t high = multiply((int64_t)sums->fourth_high, INT64_C(1) << 32);
    /* ((n S4 - 4 S3 S1) n + 6 S2 S1^2) n - 3 S1^4: modulo 2^128 until the end, which fits. */
    myo_wide_t fourth = myo_wide_multiply(myo_wide_add(low, high), myo_wide_from(n));
    fourth = myo_wide_subtract(fourth, myo_wide_multiply(multiply(4, sums->cube), mean));
    fourth = myo_wide_multiply(fourth, myo_wide_from(n));
    const myo_wide_t mean_2 = multiply(sums->x, sums->x);
    fourth = myo_wide_add(fourth, myo_wide_multiply(multiply(6, (int64_t)sums->square), mean_2));
    fourth = myo_wide_multiply(fourth, myo_wide_from(n));
    fourth =
        myo_wide_subtract(fourth, myo_wide_multiply(multiply(3, sums->x), myo_wide_multiply(mean_2, mean)));
    return divide_wide(fourth, multiply(variance, variance), 16);
}

/* A kind whose value is an expression of config and sums. */
#define VALUE_KIND(NAME, NEEDS, N_LAGS, VALUE)                                                               \
    static int64_t NAME##_value(const myo_features_config_t *config, const myo_window_sums_t *sums) {        \
        (void)config;                                                                                        \
        return VALUE;                                                                                        \
    }                                                                                                        \
    const myo_feature_kind_t myo_feature_##NAME = {                                                          \
        .needs = NEEDS, .n_lags = N_LAGS, .components = MYO_COMPONENTS_ONE, .value = NAME##_value};

/* A kind whose one word is an expression. */
#define WORD_KIND(NAME, NEEDS, N_LAGS, WORD)                                                                 \
    static void NAME##_words(const myo_features_config_t *config, const myo_window_sums_t *sums,             \
                             int32_t *words) {                                                               \
        (void)config;                                                                                        \
        *words = WORD;                                                                                       \
    }                                                                                                        \
    const myo_feature_kind_t myo_feature_##NAME = {                                                          \
        .needs = NEEDS, .n_lags = N_LAGS, .components = MYO_COMPONENTS_ONE, .words = NAME##_words};

VALUE_KIND(abs, MYO_SUM_ABS, 0, sums->abs)
VALUE_KIND(mav1, MYO_SUM_ABS, 0, (int64_t)sums->mav1)
VALUE_KIND(mav2, MYO_SUM_ABS | MYO_SUM_RAMP, 0, (int64_t)sums->mav2)
VALUE_KIND(square, MYO_SUM_SQUARE, 0, (int64_t)sums->square)
VALUE_KIND(variance, MYO_SUM_SQUARE | MYO_SUM_X, 0, (int64_t)window_variance(config, sums))
VALUE_KIND(cube, MYO_SUM_CUBE, 0, (int64_t)magnitude(sums->cube))
VALUE_KIND(log, MYO_SUM_LOG, 0, (int64_t)sums->log)
VALUE_KIND(wl, MYO_SUM_WL, 0, sums->wl)
VALUE_KIND(step, MYO_SUM_SQUARE | MYO_SUM_LAGS, 1, (int64_t)myo_sums_step_squares(sums))
VALUE_KIND(tkeo, MYO_SUM_SQUARE | MYO_SUM_LAGS, 2, sum_tkeo(sums))
VALUE_KIND(zc, MYO_SUM_ZC, 0, sums->zc)
VALUE_KIND(ssc, MYO_SUM_SSC, 0, sums->ssc)
VALUE_KIND(wamp, MYO_SUM_WAMP, 0, sums->wamp)
WORD_KIND(fourth, MYO_SUM_FOURTH, 0, log_fourth_q16(sums))
WORD_KIND(mobility, MYO_SUM_SQUARE | MYO_SUM_LAGS, 1, mobility_q24(sums))
WORD_KIND(complexity, MYO_SUM_SQUARE | MYO_SUM_LAGS, 2, complexity_q16(sums))
WORD_KIND(skewness, MYO_SUM_SQUARE | MYO_SUM_X | MYO_SUM_CUBE, 0, skewness_q16(config, sums))
WORD_KIND(kurtosis, MYO_SUM_SQUARE | MYO_SUM_X | MYO_SUM_CUBE | MYO_SUM_FOURTH, 0, kurtosis_q16(config, sums))

static void lags_words(const myo_features_config_t *config, const myo_window_sums_t *sums, int32_t *words) {
    for (size_t lag = 0; lag < config->n_lags; lag++) {
        const int32_t size = myo_divide_nearest(magnitude(sums->lags[lag]), sums->square, 30);
        words[lag * config->n_channels] = sums->lags[lag] < 0 ? -size : size;
    }
}

const myo_feature_kind_t myo_feature_lags = {.needs = MYO_SUM_SQUARE | MYO_SUM_LAGS,
                                             .n_lags = 1,
                                             .components = MYO_COMPONENTS_LAGS,
                                             .words = lags_words};

static void bins_words(const myo_features_config_t *config, const myo_window_sums_t *sums, int32_t *words) {
    for (size_t bin = 0; bin < config->n_bins; bin++) {
        words[bin * config->n_channels] = (int32_t)sums->bins[bin];
    }
}

const myo_feature_kind_t myo_feature_bins = {
    .needs = MYO_SUM_BINS, .components = MYO_COMPONENTS_BINS, .words = bins_words};
