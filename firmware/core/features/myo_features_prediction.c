/* Linear prediction of a window and its cepstrum, as pipeline/myo_pipeline/prediction.py: Le Roux and
   Gueguen's lattice recursion, in which every number stays within 1. */
#include "dsp/myo_fixed_math.h"
#include "features/myo_features_kinds.h"

#define ONE_Q30 (INT32_C(1) << 30)

static int32_t multiply_q30(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (ONE_Q30 >> 1)) >> 30);
}

static int32_t ratio_q30(int64_t a, uint64_t b) { /* |a| <= b, nearly */
    const int32_t size = myo_divide_nearest((uint64_t)(a < 0 ? -a : a), b, 30);
    const int32_t held = size > ONE_Q30 ? ONE_Q30 : size;
    return a < 0 ? -held : held;
}

static int32_t floor_divide(int64_t a, int32_t b) { /* b > 0 */
    return (int32_t)(a / b - (a % b < 0 ? 1 : 0));
}

/* Reflection coefficients in Q30, order of them; zeros after one that reaches 1. */
static void reflect(const myo_window_sums_t *sums, uint32_t order, int32_t *k_q30) {
    int32_t forward[MYO_FEATURES_MAX_ORDER + 1u];
    int32_t backward[MYO_FEATURES_MAX_ORDER + 1u];
    forward[0] = backward[0] = sums->square > 0 ? ONE_Q30 : 0;
    for (uint32_t j = 1; j <= order; j++) {
        forward[j] = backward[j] = ratio_q30(sums->lags[j - 1u], sums->square);
    }
    for (uint32_t i = 1; i <= order; i++) {
        const int32_t error = backward[i - 1u];
        const int32_t k = ratio_q30(forward[i], error > 0 ? (uint64_t)error : 0);
        for (uint32_t j = order; j >= i; j--) {
            const int32_t ahead = forward[j];
            const int32_t behind = backward[j - 1u];
            forward[j] = ahead - multiply_q30(k, behind);
            backward[j] = behind - multiply_q30(k, ahead);
        }
        k_q30[i - 1u] = k;
    }
}

/* Prediction coefficients in Q(31 - order). */
static void predict(const myo_window_sums_t *sums, uint32_t order, int32_t *a) {
    int32_t k_q30[MYO_FEATURES_MAX_ORDER];
    reflect(sums, order, k_q30);
    for (uint32_t i = 0; i < order; i++) {
        const int32_t k = k_q30[i];
        for (uint32_t low = 0; 2u * low < i; low++) { /* a[j] -= k a[i - 1 - j], from both ends */
            const uint32_t high = i - 1u - low;
            const int32_t a_low = a[low];
            const int32_t a_high = a[high];
            a[low] = a_low - multiply_q30(k, a_high);
            a[high] = a_high - multiply_q30(k, a_low);
        }
        a[i] = myo_shift_nearest(k, order - 1u);
    }
}

static void ar_words(const myo_features_config_t *config, const myo_window_sums_t *sums, int32_t *words) {
    int32_t a[MYO_FEATURES_MAX_ORDER];
    predict(sums, config->order, a);
    for (size_t k = 0; k < config->order; k++) {
        words[k * config->n_channels] = a[k];
    }
}

/* n c[n] = n a[n] + sum of l c[l] a[n - l], l below n. */
static void cepstrum_words(const myo_features_config_t *config, const myo_window_sums_t *sums,
                           int32_t *words) {
    int32_t a[MYO_FEATURES_MAX_ORDER];
    int32_t scaled[MYO_FEATURES_MAX_ORDER]; /* n c[n] */
    const uint32_t bits = 31u - config->order;
    predict(sums, config->order, a);
    for (uint32_t n = 1; n <= config->order; n++) {
        int64_t earlier = 0;
        for (uint32_t m = 1; m < n; m++) {
            earlier += (int64_t)scaled[m - 1u] * a[n - m - 1u];
        }
        const int64_t word = (int64_t)n * a[n - 1u] + ((earlier + (INT64_C(1) << (bits - 1u))) >> bits);
        scaled[n - 1u] = myo_shift_nearest(word, 0);
        words[(n - 1u) * config->n_channels] =
            floor_divide(2 * (int64_t)scaled[n - 1u] + (int32_t)n, 2 * (int32_t)n);
    }
}

const myo_feature_kind_t myo_feature_ar = {.needs = MYO_SUM_SQUARE | MYO_SUM_LAGS,
                                           .n_lags = 1,
                                           .components = MYO_COMPONENTS_ORDER,
                                           .words = ar_words};

const myo_feature_kind_t myo_feature_cepstrum = {.needs = MYO_SUM_SQUARE | MYO_SUM_LAGS,
                                                 .n_lags = 1,
                                                 .components = MYO_COMPONENTS_ORDER,
                                                 .words = cepstrum_words};
