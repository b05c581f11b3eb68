/* From a window's sums to its words; internal to core/features. */
#ifndef MYO_FEATURES_FINISH_H
#define MYO_FEATURES_FINISH_H

#include "features/myo_features.h"

/* The sums of one channel over one window: exact, unless the needs leave them out. */
typedef struct {
    uint64_t abs, mav1, mav2; /* mav2: |x| * window, the ramps applied */
    int64_t x;
    uint64_t square;
    int64_t cube;
    uint64_t fourth_low, fourth_high; /* low + high * 2^32 */
    uint64_t log;
    uint64_t wl, zc, ssc, wamp;
    int64_t lags[MYO_FEATURES_MAX_LAGS];
    uint32_t bins[MYO_FEATURES_MAX_BINS];
    int32_t first[2], last[2]; /* samples, in time's order */
} myo_window_sums_t;

/* All features of one channel; words steps by n_channels. */
void myo_features_finish(const myo_features_config_t *config, const myo_window_sums_t *sums, int32_t *words);

#endif
