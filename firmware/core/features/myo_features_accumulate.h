/* The one pass over new samples, as a template: where needs, stride and n_lags are constants, the compiler
   leaves only what they ask for, with the sums in registers. myo_features_accumulate_any has them as
   variables, and a generated config names a function of its own:

     static void accumulate(const myo_features_config_t *config, const int16_t *x, size_t n_frames,
                            const int16_t *history, uint32_t *sums) {
         myo_features_accumulate_template(NEEDS, N_CHANNELS, N_LAGS, config, x, n_frames, history, sums);
     } */
#ifndef MYO_FEATURES_ACCUMULATE_H
#define MYO_FEATURES_ACCUMULATE_H

#include "dsp/myo_fixed_math.h"
#include "features/myo_features.h"

/* Where each sum is among a block's words, in this order; absent ones take none. 64-bit sums take two. */
typedef struct {
    uint32_t abs, ramp, x, square, cube, fourth, log, wl, zc, ssc, wamp, lags, bins, end;
} myo_sums_layout_t;

static inline myo_sums_layout_t myo_sums_layout(uint32_t needs, uint32_t n_lags, uint32_t n_bins) {
    myo_sums_layout_t at;
    at.abs = 0;
    at.ramp = at.abs + ((needs & MYO_SUM_ABS) ? 1u : 0u);
    at.x = at.ramp + ((needs & MYO_SUM_RAMP) ? 2u : 0u);
    at.square = at.x + ((needs & MYO_SUM_X) ? 1u : 0u);
    at.cube = at.square + ((needs & MYO_SUM_SQUARE) ? 2u : 0u);
    at.fourth = at.cube + ((needs & MYO_SUM_CUBE) ? 2u : 0u);
    at.log = at.fourth + ((needs & MYO_SUM_FOURTH) ? 4u : 0u);
    at.wl = at.log + ((needs & MYO_SUM_LOG) ? 2u : 0u);
    at.zc = at.wl + ((needs & MYO_SUM_WL) ? 1u : 0u);
    at.ssc = at.zc + ((needs & MYO_SUM_ZC) ? 1u : 0u);
    at.wamp = at.ssc + ((needs & MYO_SUM_SSC) ? 1u : 0u);
    at.lags = at.wamp + ((needs & MYO_SUM_WAMP) ? 1u : 0u);
    at.bins = at.lags + ((needs & MYO_SUM_LAGS) ? 2u * n_lags : 0u);
    at.end = at.bins + ((needs & MYO_SUM_BINS) ? n_bins : 0u);
    return at;
}

static inline uint64_t myo_sums_get(const uint32_t *sums, uint32_t at) {
    return (uint64_t)sums[at + 1u] << 32 | sums[at];
}

static inline void myo_sums_put(uint32_t *sums, uint32_t at, uint64_t value) {
    sums[at] = (uint32_t)value;
    sums[at + 1u] = (uint32_t)(value >> 32);
}

static inline int32_t myo_magnitude(int32_t v) {
    return v < 0 ? -v : v;
}

static inline uint32_t myo_features_bin(const myo_features_config_t *config, int32_t v) {
    const int32_t range = config->bin_range;
    const int32_t held = v < -range ? -range : v >= range ? range - 1 : v;
    return ((uint32_t)(held + range) * config->bin_multiplier) >> config->bin_shift;
}

/* Sums of x * x[-lag] for one lag, also where x[-lag] lies before x. */
static inline uint64_t myo_features_lag(const int16_t *x, size_t n_frames, size_t stride,
                                        const int16_t *history, size_t lag) {
    int64_t sum = 0;
    size_t i = 0;
    for (; i < lag && i < n_frames; i++) {
        sum += (int32_t)x[i * stride] * *(history - (lag - i) * stride);
    }
    for (; i < n_frames; i++) {
        sum += (int32_t)x[i * stride] * x[(i - lag) * stride];
    }
    return (uint64_t)sum;
}

__attribute__((always_inline)) static inline void
myo_features_accumulate_template(const uint32_t needs, const size_t stride, const uint32_t n_lags,
                                 const myo_features_config_t *config, const int16_t *x, size_t n_frames,
                                 const int16_t *history, uint32_t *sums) {
    const myo_sums_layout_t at = myo_sums_layout(needs, n_lags, 0); /* bins stand last */
    const uint32_t steps = MYO_SUM_WL | MYO_SUM_ZC | MYO_SUM_SSC | MYO_SUM_WAMP;
    uint32_t abs = (needs & MYO_SUM_ABS) ? sums[at.abs] : 0;
    uint64_t ramp = (needs & MYO_SUM_RAMP) ? myo_sums_get(sums, at.ramp) : 0;
    uint32_t sum_x = (needs & MYO_SUM_X) ? sums[at.x] : 0;
    uint64_t square = (needs & MYO_SUM_SQUARE) ? myo_sums_get(sums, at.square) : 0;
    uint64_t cube = (needs & MYO_SUM_CUBE) ? myo_sums_get(sums, at.cube) : 0;
    uint64_t fourth_low = (needs & MYO_SUM_FOURTH) ? myo_sums_get(sums, at.fourth) : 0;
    uint64_t fourth_high = (needs & MYO_SUM_FOURTH) ? myo_sums_get(sums, at.fourth + 2u) : 0;
    uint64_t log = (needs & MYO_SUM_LOG) ? myo_sums_get(sums, at.log) : 0;
    uint32_t wl = (needs & MYO_SUM_WL) ? sums[at.wl] : 0;
    uint32_t zc = (needs & MYO_SUM_ZC) ? sums[at.zc] : 0;
    uint32_t ssc = (needs & MYO_SUM_SSC) ? sums[at.ssc] : 0;
    uint32_t wamp = (needs & MYO_SUM_WAMP) ? sums[at.wamp] : 0;
    uint64_t lag_1 = (needs & MYO_SUM_LAGS) ? myo_sums_get(sums, at.lags) : 0;
    uint64_t lag_2 = (needs & MYO_SUM_LAGS) && n_lags > 1 ? myo_sums_get(sums, at.lags + 2u) : 0;

    const bool looks_back = (needs & (steps | MYO_SUM_LAGS)) != 0;
    int32_t before = looks_back ? *(history - stride) : 0;
    const bool looks_twice = (needs & MYO_SUM_SSC) || ((needs & MYO_SUM_LAGS) && n_lags > 1);
    int32_t before_2 = looks_twice ? *(history - 2u * stride) : 0;
    int32_t step_before = before - before_2;
    bool was_large = myo_magnitude(step_before) >= config->threshold_ssc;

    const int16_t *from = x;
    for (size_t i = 0; i < n_frames; i++, from += stride) {
        const int32_t v = *from;
        if (needs & (MYO_SUM_ABS | MYO_SUM_LOG)) {
            const uint32_t magnitude = (uint32_t)myo_magnitude(v);
            if (needs & MYO_SUM_RAMP) {
                ramp += abs; /* each |x| is added once for every later sample of the block */
            }
            abs += magnitude;
            if (needs & MYO_SUM_LOG) {
                log += myo_log2_q16(magnitude | (magnitude == 0));
            }
        }
        if (needs & MYO_SUM_X) {
            sum_x += (uint32_t)v;
        }
        if (needs & (MYO_SUM_SQUARE | MYO_SUM_CUBE | MYO_SUM_FOURTH)) {
            const int32_t squared = v * v;
            if (needs & MYO_SUM_SQUARE) {
                square += (uint64_t)squared;
            }
            if (needs & MYO_SUM_CUBE) {
                cube += (uint64_t)((int64_t)squared * v);
            }
            if (needs & MYO_SUM_FOURTH) {
                const uint64_t fourth = (uint64_t)(uint32_t)squared * (uint32_t)squared;
                fourth_low += (uint32_t)fourth;
                fourth_high += fourth >> 32;
            }
        }
        if (needs & steps) {
            const int32_t step = v - before;
            const int32_t size = myo_magnitude(step);
            if (needs & MYO_SUM_WL) {
                wl += (uint32_t)size;
            }
            if (needs & MYO_SUM_ZC) { /* one comparison where most samples fail the other would not pay */
                zc += ((uint32_t)(v ^ before) >> 31) & (uint32_t)(size >= config->threshold_zc);
            }
            if (needs & MYO_SUM_WAMP) {
                wamp += (uint32_t)(size >= config->threshold_wamp);
            }
            if (needs & MYO_SUM_SSC) {
                const bool is_large = size >= config->threshold_ssc;
                ssc += ((uint32_t)(step ^ step_before) >> 31) & (uint32_t)(is_large | was_large);
                step_before = step;
                was_large = is_large;
            }
        }
        if (needs & MYO_SUM_LAGS) {
            lag_1 += (uint64_t)(int64_t)(v * before);
            if (n_lags > 1) {
                lag_2 += (uint64_t)(int64_t)(v * before_2);
                before_2 = before;
            }
        }
        before = v;
        if (needs & MYO_SUM_BINS) {
            sums[at.bins + myo_features_bin(config, v)]++;
        }
    }

    if (needs & MYO_SUM_ABS) {
        sums[at.abs] = abs;
    }
    if (needs & MYO_SUM_RAMP) {
        myo_sums_put(sums, at.ramp, ramp);
    }
    if (needs & MYO_SUM_X) {
        sums[at.x] = sum_x;
    }
    if (needs & MYO_SUM_SQUARE) {
        myo_sums_put(sums, at.square, square);
    }
    if (needs & MYO_SUM_CUBE) {
        myo_sums_put(sums, at.cube, cube);
    }
    if (needs & MYO_SUM_FOURTH) {
        myo_sums_put(sums, at.fourth, fourth_low);
        myo_sums_put(sums, at.fourth + 2u, fourth_high);
    }
    if (needs & MYO_SUM_LOG) {
        myo_sums_put(sums, at.log, log);
    }
    if (needs & MYO_SUM_WL) {
        sums[at.wl] = wl;
    }
    if (needs & MYO_SUM_ZC) {
        sums[at.zc] = zc;
    }
    if (needs & MYO_SUM_SSC) {
        sums[at.ssc] = ssc;
    }
    if (needs & MYO_SUM_WAMP) {
        sums[at.wamp] = wamp;
    }
    if (needs & MYO_SUM_LAGS) {
        myo_sums_put(sums, at.lags, lag_1);
        if (n_lags > 1) {
            myo_sums_put(sums, at.lags + 2u, lag_2);
        }
        for (uint32_t lag = 3; lag <= n_lags; lag++) {
            const uint32_t here = at.lags + 2u * (lag - 1u);
            myo_sums_put(sums, here,
                         myo_sums_get(sums, here) + myo_features_lag(x, n_frames, stride, history, lag));
        }
    }
}

#endif
