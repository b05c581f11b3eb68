/* The two loops of the features as templates: over new samples, and over a window's blocks. Where the needs
   and sizes are constants, the compiler leaves only what they ask for, with the sums in registers. A
   generated config says

     MYO_FEATURES_SPECIALIZE(NEEDS, N_CHANNELS, N_LAGS, N_BINS, N_BLOCKS, ZC, SSC, WAMP)

   and names the two functions that this defines; myo_features_accumulate_any and myo_features_sum_any take
   the same code with everything variable. */
#ifndef MYO_FEATURES_TEMPLATE_H
#define MYO_FEATURES_TEMPLATE_H

#include "dsp/myo_fixed_math.h"
#include "features/myo_features.h"
#include "features/myo_features_kinds.h"

/* Where each sum is among a block's words, in this order; absent ones take none. 64-bit sums take two, log
 * three. */
typedef struct {
    uint32_t abs, ramp, x, square, cube, fourth, log, wl, zc, ssc, wamp, lags, bins, bend, end;
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
    at.wl = at.log + ((needs & MYO_SUM_LOG) ? 3u : 0u);
    at.zc = at.wl + ((needs & MYO_SUM_WL) ? 1u : 0u);
    at.ssc = at.zc + ((needs & MYO_SUM_ZC) ? 1u : 0u);
    at.wamp = at.ssc + ((needs & MYO_SUM_SSC) ? 1u : 0u);
    at.lags = at.wamp + ((needs & MYO_SUM_WAMP) ? 1u : 0u);
    at.bins = at.lags + ((needs & MYO_SUM_LAGS) ? 2u * n_lags : 0u);
    at.bend = at.bins + ((needs & MYO_SUM_BINS) ? n_bins : 0u);
    at.end = at.bend + ((needs & MYO_SUM_BEND) ? 1u : 0u);
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
    return (v ^ (v >> 31)) - (v >> 31); /* two instructions: a shift comes with either */
}

/* Thresholds in words: an event needs a step of that size or more. */
typedef struct {
    int32_t zc, ssc, wamp;
} myo_thresholds_t;

/* Bit 31 is set where size >= threshold, for sizes and thresholds of at most 17 bits; other bits mean
 * nothing. */
static inline uint32_t myo_is_large(int32_t size, int32_t threshold) {
    return (uint32_t)(threshold - 1 - size);
}

/* Bit 31 is set where one of the two is negative. */
static inline uint32_t myo_is_change(int32_t a, int32_t b) {
    return (uint32_t)(a ^ b);
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

/* Four passes, each with few enough sums that a Cortex-M keeps them in registers. */

/* Sums over single samples. */
__attribute__((always_inline)) static inline void
myo_accumulate_samples(const uint32_t needs, const size_t stride, const myo_sums_layout_t at,
                       const myo_features_config_t *config, const int16_t *x, const int16_t *end,
                       uint32_t *sums, bool is_fresh) {
    uint32_t abs = (needs & MYO_SUM_ABS) && !is_fresh ? sums[at.abs] : 0;
    uint64_t ramp = (needs & MYO_SUM_RAMP) && !is_fresh ? myo_sums_get(sums, at.ramp) : 0;
    uint32_t sum_x = (needs & MYO_SUM_X) && !is_fresh ? sums[at.x] : 0;
    uint64_t square = (needs & MYO_SUM_SQUARE) && !is_fresh ? myo_sums_get(sums, at.square) : 0;
    uint64_t cube = (needs & MYO_SUM_CUBE) && !is_fresh ? myo_sums_get(sums, at.cube) : 0;
    uint64_t fourth_low = (needs & MYO_SUM_FOURTH) && !is_fresh ? myo_sums_get(sums, at.fourth) : 0;
    uint64_t fourth_high = (needs & MYO_SUM_FOURTH) && !is_fresh ? myo_sums_get(sums, at.fourth + 2u) : 0;
#pragma GCC unroll 4
    for (; x != end; x += stride) {
        const int32_t v = *x;
        if (needs & MYO_SUM_RAMP) {
            ramp += abs; /* each |x| is added once for every later sample of the block */
        }
        if (needs & MYO_SUM_ABS) {
            abs += (uint32_t)myo_magnitude(v);
        }
        if (needs & MYO_SUM_X) {
            sum_x += (uint32_t)v;
        }
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
}

/* A sum of log2(|x| + 1) as one of log2 of products of two: half the logarithms, exact but for their
   rounding. Pairs begin with the block, whatever the pushes: a sample that waits for the other is kept as |x|
   + 1 in the word after the sum, 0 where none waits. */
__attribute__((always_inline)) static inline void myo_accumulate_log(const size_t stride,
                                                                     const myo_sums_layout_t at,
                                                                     const int16_t *x, size_t n_frames,
                                                                     uint32_t *sums, bool is_fresh) {
    uint64_t log = is_fresh ? 0 : myo_sums_get(sums, at.log);
    uint32_t waiting = is_fresh ? 0 : sums[at.log + 2u];
    if (waiting > 0) {
        log += myo_log2_q16(waiting * ((uint32_t)myo_magnitude(*x) + 1u));
        waiting = 0;
        x += stride;
        n_frames--;
    }
    while (n_frames > 1) {
        const size_t n_pairs =
            n_frames > 4096 ? 2048 : n_frames / 2u; /* of at most 30 * 2^16 + 1 each: 32 bits do */
        const int16_t *const end = x + 2u * n_pairs * stride;
        uint32_t part = 0;
#pragma GCC unroll 2
        for (; x != end; x += 2u * stride) {
            const uint32_t a = (uint32_t)myo_magnitude(x[0]);
            const uint32_t b = (uint32_t)myo_magnitude(x[stride]);
            part += myo_log2_q16(a * b + a + b + 1u);
        }
        log += part;
        n_frames -= 2u * n_pairs;
    }
    if (n_frames == 1) {
        waiting = (uint32_t)myo_magnitude(*x) + 1u;
    }
    myo_sums_put(sums, at.log, log);
    sums[at.log + 2u] = waiting;
}

/* Sums over steps from a sample to the next. */
__attribute__((always_inline)) static inline void
myo_accumulate_steps(const uint32_t needs, const size_t stride, const myo_sums_layout_t at,
                     const myo_thresholds_t thresholds, const int16_t *x, const int16_t *end,
                     const int16_t *history, uint32_t *sums, bool is_fresh) {
    uint32_t wl = (needs & MYO_SUM_WL) && !is_fresh ? sums[at.wl] : 0;
    uint32_t zc = (needs & MYO_SUM_ZC) && !is_fresh ? sums[at.zc] : 0;
    uint32_t ssc = (needs & MYO_SUM_SSC) && !is_fresh ? sums[at.ssc] : 0;
    uint32_t wamp = (needs & MYO_SUM_WAMP) && !is_fresh ? sums[at.wamp] : 0;
    uint32_t bend = (needs & MYO_SUM_BEND) && !is_fresh ? sums[at.bend] : 0;
    int32_t before = *(history - stride);
    int32_t step_before = (needs & (MYO_SUM_SSC | MYO_SUM_BEND)) ? before - *(history - 2u * stride) : 0;
    uint32_t was_large = myo_is_large(myo_magnitude(step_before), thresholds.ssc);
#pragma GCC unroll 4
    for (; x != end; x += stride) {
        const int32_t v = *x;
        const int32_t step = v - before;
        const int32_t size = myo_magnitude(step);
        if (needs & MYO_SUM_WL) {
            wl += (uint32_t)size;
        }
        if (needs & MYO_SUM_ZC) {
            zc += (myo_is_change(v, before) & myo_is_large(size, thresholds.zc)) >> 31;
        }
        if (needs & MYO_SUM_WAMP) {
            wamp += myo_is_large(size, thresholds.wamp) >> 31;
        }
        if (needs & MYO_SUM_SSC) {
            const uint32_t is_large = myo_is_large(size, thresholds.ssc);
            ssc += (myo_is_change(step, step_before) & (is_large | was_large)) >> 31;
            was_large = is_large;
        }
        if (needs & MYO_SUM_BEND) {
            bend += (uint32_t)myo_magnitude(step - step_before);
        }
        if (needs & (MYO_SUM_SSC | MYO_SUM_BEND)) {
            step_before = step;
        }
        before = v;
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
    if (needs & MYO_SUM_BEND) {
        sums[at.bend] = bend;
    }
}

/* Lags 1 and 2 in one pass, each further one in its own. */
__attribute__((always_inline)) static inline void
myo_accumulate_lags(const uint32_t n_lags, const size_t stride, const myo_sums_layout_t at, const int16_t *x,
                    size_t n_frames, const int16_t *history, uint32_t *sums, bool is_fresh) {
    uint64_t lag_1 = is_fresh ? 0 : myo_sums_get(sums, at.lags);
    uint64_t lag_2 = n_lags > 1 && !is_fresh ? myo_sums_get(sums, at.lags + 2u) : 0;
    int32_t before = *(history - stride);
    int32_t before_2 = n_lags > 1 ? *(history - 2u * stride) : 0;
    const int16_t *const end = x + n_frames * stride;
#pragma GCC unroll 4
    for (const int16_t *from = x; from != end; from += stride) {
        const int32_t v = *from;
        lag_1 += (uint64_t)(int64_t)(v * before);
        if (n_lags > 1) {
            lag_2 += (uint64_t)(int64_t)(v * before_2);
        }
        before_2 = before;
        before = v;
    }
    myo_sums_put(sums, at.lags, lag_1);
    if (n_lags > 1) {
        myo_sums_put(sums, at.lags + 2u, lag_2);
    }
    for (uint32_t lag = 3; lag <= n_lags; lag++) {
        const uint32_t here = at.lags + 2u * (lag - 1u);
        const uint64_t so_far = is_fresh ? 0 : myo_sums_get(sums, here);
        myo_sums_put(sums, here, so_far + myo_features_lag(x, n_frames, stride, history, lag));
    }
}

__attribute__((always_inline)) static inline void
myo_features_accumulate_template(const uint32_t needs, const size_t stride, const uint32_t n_lags,
                                 const uint32_t n_bins, const myo_features_config_t *config, const int16_t *x,
                                 size_t n_frames, const int16_t *history, uint32_t *sums, bool is_fresh,
                                 const myo_thresholds_t thresholds) {
    const myo_sums_layout_t at = myo_sums_layout(needs, n_lags, n_bins);
    const int16_t *const end = x + n_frames * stride;
    for (uint32_t k = 0; (needs & MYO_SUM_BINS) && is_fresh && k < n_bins; k++) {
        sums[at.bins + k] = 0;
    }
    if (needs & (MYO_SUM_ABS | MYO_SUM_X | MYO_SUM_SQUARE | MYO_SUM_CUBE | MYO_SUM_FOURTH | MYO_SUM_BINS)) {
        myo_accumulate_samples(needs, stride, at, config, x, end, sums, is_fresh);
    }
    if (needs & MYO_SUM_LOG) {
        myo_accumulate_log(stride, at, x, n_frames, sums, is_fresh);
    }
    if (needs & (MYO_SUM_WL | MYO_SUM_ZC | MYO_SUM_SSC | MYO_SUM_WAMP | MYO_SUM_BEND)) {
        myo_accumulate_steps(needs, stride, at, thresholds, x, end, history, sums, is_fresh);
    }
    if (needs & MYO_SUM_LAGS) {
        myo_accumulate_lags(n_lags, stride, at, x, n_frames, history, sums, is_fresh);
    }
}

/* One 32-bit or 64-bit sum over all blocks; the order does not matter. Over 65535 words, |x| and |x - x[-1]|
   sum to less than 2^32. */
static inline uint32_t myo_sums_total(const uint32_t *first, size_t step, uint32_t n_blocks) {
    uint32_t total = 0;
    for (uint32_t k = 0; k < n_blocks; k++) {
        total += first[k * step];
    }
    return total;
}

static inline uint64_t myo_sums_total_wide(const uint32_t *first, size_t step, uint32_t n_blocks) {
    uint64_t total = 0;
    for (uint32_t k = 0; k < n_blocks; k++) {
        total += myo_sums_get(first, (uint32_t)(k * step));
    }
    return total;
}

/* MAV1 and MAV2, which weight a block by its place in the window. first: the sums of the block in slot 0. */
static inline void myo_sums_weighted(const uint32_t needs, const myo_features_t *self, const uint32_t *first,
                                     size_t step, const myo_sums_layout_t *at, myo_window_sums_t *sums) {
    const myo_features_config_t *const config = self->config;
    uint64_t middle = 0;
    uint64_t ramped = 0;
    uint32_t start = 0;          /* the window's samples before the block */
    uint32_t slot = self->block; /* the oldest block is where the next one goes */
    uint32_t of_hop = 0;         /* a window begins with its hop's first block */
    for (uint32_t number = 0; number < config->n_blocks; number++) {
        const uint32_t *const block = first + slot * step;
        const uint32_t length = config->block_lengths[of_hop];
        const uint64_t abs = block[at->abs];
        const bool is_before = number < config->first_middle_block;
        if (!is_before && number < config->end_middle_block) {
            middle += abs;
        } else if (needs & MYO_SUM_RAMP) {
            const uint64_t to_end =
                myo_sums_get(block, at->ramp); /* |x| times the block's samples after it */
            const uint64_t after = config->window - start - length;
            ramped += is_before ? (length + start) * abs - to_end : to_end + after * abs;
        }
        start += length;
        slot = slot + 1u == config->n_blocks ? 0 : slot + 1u;
        of_hop = of_hop + 1u == config->blocks_per_hop ? 0 : of_hop + 1u;
    }
    sums->mav1 = sums->abs + middle;
    sums->mav2 = config->window * middle + 4u * ramped;
}

/* Takes out what terms over pairs and triples owe to samples before the window. start: the channel's first
   word in the window, with reach words before it and after it. */
static inline void myo_sums_subtract_border(const uint32_t needs, const size_t stride, const uint32_t n_lags,
                                            const myo_features_config_t *config, const int16_t *start,
                                            myo_window_sums_t *sums) {
    const int32_t first = start[0];
    const int32_t before = *(start - stride);
    const int32_t step = first - before;
    const int32_t size = myo_magnitude(step);
    if (needs & MYO_SUM_WL) {
        sums->wl -= (uint32_t)size;
    }
    if (needs & MYO_SUM_ZC) {
        sums->zc -= (myo_is_change(first, before) & myo_is_large(size, config->threshold_zc)) >> 31;
    }
    if (needs & MYO_SUM_WAMP) {
        sums->wamp -= myo_is_large(size, config->threshold_wamp) >> 31;
    }
    if (needs & MYO_SUM_SSC) {
        const int32_t step_before = before - *(start - 2u * stride);
        const int32_t step_after = start[stride] - first;
        const uint32_t is_large = myo_is_large(size, config->threshold_ssc);
        const uint32_t was_large = myo_is_large(myo_magnitude(step_before), config->threshold_ssc);
        const uint32_t will_be_large = myo_is_large(myo_magnitude(step_after), config->threshold_ssc);
        sums->ssc -= (myo_is_change(step, step_before) & (is_large | was_large)) >> 31;
        sums->ssc -= (myo_is_change(step_after, step) & (will_be_large | is_large)) >> 31;
    }
    if (needs & MYO_SUM_BEND) {
        const int32_t step_before = before - *(start - 2u * stride);
        const int32_t step_after = start[stride] - first;
        sums->bend -= (uint32_t)myo_magnitude(step - step_before);
        sums->bend -= (uint32_t)myo_magnitude(step_after - step);
    }
    for (size_t lag = 1; (needs & MYO_SUM_LAGS) && lag <= n_lags; lag++) {
        for (size_t i = 0; i < lag; i++) {
            sums->lags[lag - 1u] -= (int32_t)start[i * stride] * *(start - (lag - i) * stride);
        }
    }
}

__attribute__((always_inline)) static inline void
myo_features_sum_template(const uint32_t needs, const size_t stride, const uint32_t n_lags,
                          const uint32_t n_bins, const uint32_t n_blocks, const myo_features_t *self,
                          size_t channel, myo_window_sums_t *sums) {
    const myo_sums_layout_t at = myo_sums_layout(needs, n_lags, n_bins);
    const size_t step = stride * at.end; /* from a block to the next */
    const uint32_t *const first = self->partials + channel * at.end;
    if (needs & MYO_SUM_ABS) {
        sums->abs = myo_sums_total(first + at.abs, step, n_blocks);
        if ((needs & MYO_SUM_RAMP) || self->config->end_middle_block > 0) {
            myo_sums_weighted(needs, self, first, step, &at, sums);
        }
    }
    if (needs & MYO_SUM_X) { /* |sum| < 2^31: modulo 2^32 is enough */
        sums->x = (int32_t)myo_sums_total(first + at.x, step, n_blocks);
    }
    if (needs & MYO_SUM_SQUARE) {
        sums->square = myo_sums_total_wide(first + at.square, step, n_blocks);
    }
    if (needs & MYO_SUM_CUBE) {
        sums->cube = (int64_t)myo_sums_total_wide(first + at.cube, step, n_blocks);
    }
    if (needs & MYO_SUM_FOURTH) {
        sums->fourth_low = myo_sums_total_wide(first + at.fourth, step, n_blocks);
        sums->fourth_high = myo_sums_total_wide(first + at.fourth + 2u, step, n_blocks);
    }
    if (needs & MYO_SUM_LOG) {
        sums->log = myo_sums_total_wide(first + at.log, step, n_blocks);
        for (uint32_t k = 0; k < n_blocks; k++) { /* of a block of odd length, the last sample has no pair */
            const uint32_t alone = first[k * step + at.log + 2u];
            sums->log += alone > 0 ? myo_log2_q16(alone) : 0;
        }
    }
    if (needs & MYO_SUM_WL) {
        sums->wl = myo_sums_total(first + at.wl, step, n_blocks);
    }
    if (needs & MYO_SUM_ZC) {
        sums->zc = myo_sums_total(first + at.zc, step, n_blocks);
    }
    if (needs & MYO_SUM_SSC) {
        sums->ssc = myo_sums_total(first + at.ssc, step, n_blocks);
    }
    if (needs & MYO_SUM_WAMP) {
        sums->wamp = myo_sums_total(first + at.wamp, step, n_blocks);
    }
    if (needs & MYO_SUM_LAGS) {
        for (uint32_t lag = 0; lag < n_lags; lag++) {
            sums->lags[lag] = (int64_t)myo_sums_total_wide(first + at.lags + 2u * lag, step, n_blocks);
        }
    }
    if (needs & MYO_SUM_BINS) {
        for (uint32_t bin = 0; bin < n_bins; bin++) {
            sums->bins[bin] = myo_sums_total(first + at.bins + bin, step, n_blocks);
        }
    }
    if (needs & MYO_SUM_BEND) {
        sums->bend = myo_sums_total(first + at.bend, step, n_blocks);
    }
    if (needs & (MYO_SUM_WL | MYO_SUM_ZC | MYO_SUM_SSC | MYO_SUM_WAMP | MYO_SUM_LAGS | MYO_SUM_BEND)) {
        const int16_t *const start =
            self->borders + (2u * self->first_border + 1u) * (size_t)self->reach * stride + channel;
        myo_sums_subtract_border(needs, stride, n_lags, self->config, start, sums);
        if ((needs & MYO_SUM_LAGS) && n_lags > 0) {
            const int16_t *const end = self->history + 2u * (size_t)self->reach * stride + channel;
            sums->first[0] = start[0];
            sums->last[1] = *(end - stride);
            if (n_lags > 1) {
                sums->first[1] = start[stride];
                sums->last[0] = *(end - 2u * stride);
            }
        }
    }
}

#define MYO_FEATURES_SPECIALIZE(NEEDS, N_CHANNELS, N_LAGS, N_BINS, N_BLOCKS, ZC, SSC, WAMP)                  \
    static void accumulate(const myo_features_config_t *config, const int16_t *x, size_t n_frames,           \
                           const int16_t *history, uint32_t *sums, bool is_fresh) {                          \
        myo_features_accumulate_template(NEEDS, N_CHANNELS, N_LAGS, N_BINS, config, x, n_frames, history,    \
                                         sums, is_fresh, (myo_thresholds_t){ZC, SSC, WAMP});                 \
    }                                                                                                        \
    static void sum_window(const myo_features_t *self, size_t channel, myo_window_sums_t *sums) {            \
        myo_features_sum_template(NEEDS, N_CHANNELS, N_LAGS, N_BINS, N_BLOCKS, self, channel, sums);         \
    }

#endif
