/* The kinds by their number in pipeline/myo_pipeline/features.py; NULL behind the last. */
#ifndef FEATURE_KINDS_H
#define FEATURE_KINDS_H

#include "features/myo_features.h"
#include "features/myo_features_kinds.h"

static const myo_feature_kind_t *const feature_kinds[] = {
    &myo_feature_abs,
    &myo_feature_mav1,
    &myo_feature_mav2,
    &myo_feature_square,
    &myo_feature_variance,
    &myo_feature_cube,
    &myo_feature_fourth,
    &myo_feature_log,
    &myo_feature_wl,
    &myo_feature_step,
    &myo_feature_tkeo,
    &myo_feature_zc,
    &myo_feature_ssc,
    &myo_feature_wamp,
    &myo_feature_mobility,
    &myo_feature_complexity,
    &myo_feature_skewness,
    &myo_feature_kurtosis,
    &myo_feature_lags,
    &myo_feature_bins,
    &myo_feature_ar,
    &myo_feature_cepstrum,
    &myo_feature_sizes,
    &myo_feature_shapes,
    NULL,
};

#endif
