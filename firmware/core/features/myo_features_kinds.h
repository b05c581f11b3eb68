/* The kinds of features: from a window's sums to words. A config names the kinds that it uses, and the linker
   leaves out the others. The formulas are those of pipeline/myo_pipeline/features.py. */
#ifndef MYO_FEATURES_KINDS_H
#define MYO_FEATURES_KINDS_H

#include "features/myo_features.h"

/* The sums of one channel over one window: exact. What the config does not need is not set. */
struct myo_window_sums {
    uint32_t abs, wl;
    uint64_t mav1, mav2; /* mav2: |x| * window, the ramps applied */
    int64_t x;
    uint64_t square;
    int64_t cube;
    uint64_t fourth_low, fourth_high; /* low + high * 2^32 */
    uint64_t log;
    uint32_t zc, ssc, wamp;
    int32_t first[2], last[2]; /* samples, in time's order; of first[1] and last[0] only with two lags */
    int64_t lags[MYO_FEATURES_MAX_LAGS];
    uint32_t bins[MYO_FEATURES_MAX_BINS];
    uint32_t bend;
};

/* Sums of (x - x[-1])^2 and of (x - 2 x[-1] + x[-2])^2 over the window's pairs and triples, from its square
   and lags. */
uint64_t myo_sums_step_squares(const myo_window_sums_t *sums);
uint64_t myo_sums_bend_squares(const myo_window_sums_t *sums);

typedef enum {
    MYO_COMPONENTS_ONE,
    MYO_COMPONENTS_LAGS,
    MYO_COMPONENTS_BINS,
    MYO_COMPONENTS_ORDER,
    MYO_COMPONENTS_THREE
} myo_feature_components_t;

/* Exactly one of value and words is set: an exact integer that is transformed, or the words themselves
   (component by component, stepping by n_channels). */
struct myo_feature_kind {
    uint32_t needs;
    uint8_t n_lags; /* at least */
    uint8_t components;
    int64_t (*value)(const myo_features_config_t *config, const myo_window_sums_t *sums);
    void (*words)(const myo_features_config_t *config, const myo_window_sums_t *sums, int32_t *words);
};

extern const myo_feature_kind_t myo_feature_abs;      /* sum of |x|: IEMG, MAV */
extern const myo_feature_kind_t myo_feature_mav1;     /* |x|, twice in the two middle quarters */
extern const myo_feature_kind_t myo_feature_mav2;     /* |x| * window; in the outer quarters * 4 * place or
                                                         4 * (window - place), from 1 */
extern const myo_feature_kind_t myo_feature_square;   /* sum of x^2: SSI, RMS, Hjorth activity */
extern const myo_feature_kind_t myo_feature_variance; /* window * sum of x^2 - (sum of x)^2 */
extern const myo_feature_kind_t myo_feature_cube;     /* |sum of x^3|: TM3 */
extern const myo_feature_kind_t myo_feature_log;      /* sum of log2(|x| + 1) in Q16: LOG */
extern const myo_feature_kind_t myo_feature_wl;       /* sum of |x - x[-1]|: WL, AAC */
extern const myo_feature_kind_t myo_feature_step;     /* sum of (x - x[-1])^2: DASDV */
extern const myo_feature_kind_t myo_feature_tkeo;     /* sum of x^2 - x[-1] * x[+1] */
extern const myo_feature_kind_t myo_feature_zc;
extern const myo_feature_kind_t myo_feature_ssc;
extern const myo_feature_kind_t myo_feature_wamp;
/* Words of their own. A silent window gives 0. */
extern const myo_feature_kind_t myo_feature_fourth;     /* log2(sum of x^4), at least 0, Q16: TM4 */
extern const myo_feature_kind_t myo_feature_mobility;   /* sqrt(sum d^2 / sum x^2), Q24 */
extern const myo_feature_kind_t myo_feature_complexity; /* sqrt(sum dd^2 * sum x^2) / sum d^2, Q16 */
extern const myo_feature_kind_t myo_feature_skewness;   /* Q16 */
extern const myo_feature_kind_t myo_feature_kurtosis;   /* Q16 */
extern const myo_feature_kind_t myo_feature_lags;       /* n_lags components: R[lag] / R[0], Q30 */
extern const myo_feature_kind_t myo_feature_bins;       /* n_bins components: counts */
extern const myo_feature_kind_t myo_feature_ar;         /* order components: prediction coefficients,
                                                           Q(31 - order) */
extern const myo_feature_kind_t myo_feature_cepstrum;   /* order components, as ar */
extern const myo_feature_kind_t myo_feature_sizes;      /* TDPSD 1 .. 3: log2, Q20 */
extern const myo_feature_kind_t myo_feature_shapes;     /* TDPSD 4 .. 6: log2, Q20 */

#endif
