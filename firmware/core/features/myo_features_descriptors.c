/* Time-domain power spectral descriptors, as pipeline/myo_pipeline/power_descriptors.py: base-2 logarithms in
   Q20 of what root-mean-square moments m0, m2, m4 to the power 0.1 give. */
#include "dsp/myo_fixed_math.h"
#include "features/myo_features_kinds.h"

#define FOUR_FIFTHS INT64_C(3435973837) /* 0.8 * 2^32: half the power, from Q16 to Q20 */
#define TWO_FIFTHS INT64_C(1717986918)  /* 0.4 * 2^32 */
#define TO_EXPONENT INT64_C(53687091)   /* 51.2 * 2^20: half the power, from Q16 to Q26 */

typedef struct {
    int32_t m0, m2, m4; /* log2 of mean squares, Q16 */
    int32_t gap_2, gap_4;
} moments_t;

static int32_t log2_q16(uint64_t v) {
    return (int32_t)myo_log2_q16_u64(v > 1u ? v : 1u);
}

/* log2 |1 - (other / first)^0.05| in Q16, at least -30. */
static int32_t log2_gap(int32_t other, int32_t first) {
    const int32_t power = myo_exp2_q30(myo_shift_nearest((other - first) * TO_EXPONENT, 20));
    const int32_t gap = (INT32_C(1) << 30) - power;
    return log2_q16((uint64_t)(gap < 0 ? -gap : gap)) - (30 << 16);
}

static moments_t moments(const myo_features_config_t *config, const myo_window_sums_t *sums) {
    const uint64_t n = config->window;
    moments_t m;
    m.m0 = log2_q16(sums->square) - log2_q16(n);
    m.m2 = log2_q16(myo_sums_step_squares(sums)) - log2_q16(n - 1u);
    m.m4 = log2_q16(myo_sums_bend_squares(sums)) - log2_q16(n - 2u);
    m.gap_2 = log2_gap(m.m2, m.m0);
    m.gap_4 = log2_gap(m.m4, m.m0);
    return m;
}

static void sizes_words(const myo_features_config_t *config, const myo_window_sums_t *sums, int32_t *words) {
    const moments_t m = moments(config, sums);
    const int32_t size = myo_shift_nearest(m.m0 * FOUR_FIFTHS, 32);
    words[0] = size;
    words[config->n_channels] = size + m.gap_2 * 16;
    words[2u * config->n_channels] = size + m.gap_4 * 16;
}

static void shapes_words(const myo_features_config_t *config, const myo_window_sums_t *sums, int32_t *words) {
    const moments_t m = moments(config, sums);
    words[0] = -(m.gap_2 + m.gap_4) * 8;
    words[config->n_channels] = myo_shift_nearest((2 * m.m2 - m.m0 - m.m4) * TWO_FIFTHS, 32);
    words[2u * config->n_channels] = (log2_q16(sums->wl) - log2_q16(sums->bend)) * 16;
}

const myo_feature_kind_t myo_feature_sizes = {.needs = MYO_SUM_SQUARE | MYO_SUM_LAGS,
                                              .n_lags = 2,
                                              .components = MYO_COMPONENTS_THREE,
                                              .words = sizes_words};

const myo_feature_kind_t myo_feature_shapes = {.needs =
                                                   MYO_SUM_SQUARE | MYO_SUM_LAGS | MYO_SUM_WL | MYO_SUM_BEND,
                                               .n_lags = 2,
                                               .components = MYO_COMPONENTS_THREE,
                                               .words = shapes_words};
