#include "features/myo_features.h"

#include <string.h>

#include "features/myo_features_accumulate.h"
#include "features/myo_features_finish.h"

static uint16_t smaller(size_t a, size_t b) {
    return (uint16_t)(a < b ? a : b);
}

/* How many frames the longest term looks back. */
static uint16_t reach_of(const myo_features_config_t *config) {
    const uint16_t steps = (config->needs & MYO_SUM_SSC) ? 2u : 1u;
    const uint16_t lags = (config->needs & MYO_SUM_LAGS) ? config->n_lags : 0u;
    return steps > lags ? steps : lags; /* two samples at either end are asked for where lags are */
}

static uint16_t n_starts_of(const myo_features_config_t *config) {
    return (uint16_t)((config->window + config->hop - 1u) / config->hop);
}

static size_t sums_words_of(const myo_features_config_t *config) {
    return myo_sums_layout(config->needs, config->n_lags, config->n_bins).end;
}

static size_t border_frames_of(const myo_features_config_t *config) {
    return (size_t)n_starts_of(config) * 2u * reach_of(config);
}

size_t myo_features_memory_words(const myo_features_config_t *config) {
    const size_t partials = (size_t)config->n_blocks * config->n_channels * sums_words_of(config);
    const size_t frames = border_frames_of(config) + 2u * reach_of(config);
    return partials + (frames * config->n_channels + 1u) / 2u; /* two int16 a word */
}

static uint32_t needs_of(const myo_feature_t *feature) {
    static const uint32_t needs[MYO_FEATURE_KINDS] = {
        [MYO_FEATURE_ABS] = MYO_SUM_ABS,
        [MYO_FEATURE_MAV1] = MYO_SUM_ABS,
        [MYO_FEATURE_MAV2] = MYO_SUM_ABS | MYO_SUM_RAMP,
        [MYO_FEATURE_SQUARE] = MYO_SUM_SQUARE,
        [MYO_FEATURE_VARIANCE] = MYO_SUM_SQUARE | MYO_SUM_X,
        [MYO_FEATURE_CUBE] = MYO_SUM_CUBE,
        [MYO_FEATURE_FOURTH] = MYO_SUM_FOURTH,
        [MYO_FEATURE_LOG] = MYO_SUM_LOG,
        [MYO_FEATURE_WL] = MYO_SUM_WL,
        [MYO_FEATURE_STEP] = MYO_SUM_SQUARE | MYO_SUM_LAGS,
        [MYO_FEATURE_TKEO] = MYO_SUM_SQUARE | MYO_SUM_LAGS,
        [MYO_FEATURE_ZC] = MYO_SUM_ZC,
        [MYO_FEATURE_SSC] = MYO_SUM_SSC,
        [MYO_FEATURE_WAMP] = MYO_SUM_WAMP,
        [MYO_FEATURE_MOBILITY] = MYO_SUM_SQUARE | MYO_SUM_LAGS,
        [MYO_FEATURE_COMPLEXITY] = MYO_SUM_SQUARE | MYO_SUM_LAGS,
        [MYO_FEATURE_SKEWNESS] = MYO_SUM_SQUARE | MYO_SUM_X | MYO_SUM_CUBE,
        [MYO_FEATURE_KURTOSIS] = MYO_SUM_SQUARE | MYO_SUM_X | MYO_SUM_CUBE | MYO_SUM_FOURTH,
        [MYO_FEATURE_LAGS] = MYO_SUM_SQUARE | MYO_SUM_LAGS,
        [MYO_FEATURE_BINS] = MYO_SUM_BINS,
    };
    return needs[feature->kind];
}

static uint32_t lags_of(const myo_feature_t *feature) {
    switch ((myo_feature_kind_t)feature->kind) {
    case MYO_FEATURE_TKEO:
    case MYO_FEATURE_COMPLEXITY:
        return 2;
    default:
        return (needs_of(feature) & MYO_SUM_LAGS) ? 1u : 0u;
    }
}

static bool features_fit(const myo_features_config_t *config) {
    uint32_t needs = 0;
    uint32_t n_components = 0;
    for (uint16_t k = 0; k < config->n_features; k++) {
        const myo_feature_t *const feature = &config->features[k];
        if (feature->kind >= MYO_FEATURE_KINDS || feature->transform >= MYO_TRANSFORMS ||
            feature->shift > (feature->transform == MYO_TRANSFORM_SQRT ? 30u : 62u) ||
            config->n_lags < lags_of(feature)) {
            return false;
        }
        needs |= needs_of(feature);
        n_components += feature->kind == MYO_FEATURE_LAGS   ? config->n_lags
                        : feature->kind == MYO_FEATURE_BINS ? config->n_bins
                                                            : 1u;
    }
    return config->n_features > 0 && (needs & ~config->needs) == 0 && n_components == config->n_components;
}

static bool bins_fit(const myo_features_config_t *config) {
    if ((config->needs & MYO_SUM_BINS) == 0) {
        return true;
    }
    if (config->n_bins < 1 || config->n_bins > MYO_FEATURES_MAX_BINS || config->bin_range < 1 ||
        config->bin_range > 32768u || config->bin_shift > 31) {
        return false;
    }
    const uint64_t top = (2u * (uint64_t)config->bin_range - 1u) * config->bin_multiplier;
    return top <= UINT32_MAX && (top >> config->bin_shift) < config->n_bins;
}

static bool threshold_fits(int32_t threshold) {
    return threshold >= 0 && threshold <= 65536;
}

static bool blocks_fit(const myo_features_config_t *config) {
    uint32_t hop = 0;
    for (uint16_t k = 0; k < config->blocks_per_hop; k++) {
        hop += config->block_lengths[k];
        if (config->block_lengths[k] == 0) {
            return false;
        }
    }
    uint32_t window = 0;
    for (uint16_t k = 0; k < config->n_blocks; k++) {
        window += config->block_lengths[k % config->blocks_per_hop];
    }
    return hop == config->hop && window == config->window &&
           config->first_middle_block <= config->end_middle_block &&
           config->end_middle_block <= config->n_blocks;
}

myo_status_t myo_features_init(myo_features_t *self, const myo_features_config_t *config, uint32_t *memory,
                               size_t memory_words) {
    if (self == NULL || config == NULL || memory == NULL || config->features == NULL ||
        config->block_lengths == NULL || config->accumulate == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->n_channels < 1 || config->n_channels > 64 || config->n_lags > MYO_FEATURES_MAX_LAGS ||
        config->window <= 2 || config->window <= config->n_lags || config->hop < 1 ||
        config->hop > config->window || config->blocks_per_hop < 1 || !blocks_fit(config) ||
        ((config->needs & MYO_SUM_LAGS) != 0) != (config->n_lags > 0) ||
        ((config->needs & MYO_SUM_RAMP) && !(config->needs & MYO_SUM_ABS)) || !bins_fit(config) ||
        !threshold_fits(config->threshold_zc) || !threshold_fits(config->threshold_ssc) ||
        !threshold_fits(config->threshold_wamp) || !features_fit(config)) {
        return MYO_ERROR_CONFIG;
    }
    if (memory_words < myo_features_memory_words(config)) {
        return MYO_ERROR_MEMORY;
    }
    self->config = config;
    self->sums_words = (uint32_t)sums_words_of(config);
    self->reach = reach_of(config);
    self->n_starts = n_starts_of(config);
    self->partials = memory;
    self->history = (int16_t *)(memory + (size_t)config->n_blocks * config->n_channels * self->sums_words);
    self->borders = self->history + 2u * (size_t)self->reach * config->n_channels;
    myo_features_reset(self);
    return MYO_OK;
}

void myo_features_reset(myo_features_t *self) {
    const myo_features_config_t *const config = self->config;
    memset(self->partials, 0, myo_features_memory_words(config) * sizeof(uint32_t));
    self->block = 0;
    self->block_of_hop = 0;
    self->until_block_end = config->block_lengths[0];
    self->until_window_end = config->window;
    self->until_border = self->reach;
    self->next_border = 0;
    self->first_border = 0;
}

/* Keeps the last 2 * reach frames. */
static void remember(myo_features_t *self, const int16_t *frames, size_t n_frames) {
    const size_t n_channels = self->config->n_channels;
    const size_t n_kept = 2u * (size_t)self->reach;
    const size_t n_new = n_frames < n_kept ? n_frames : n_kept;
    memmove(self->history, self->history + n_new * n_channels,
            (n_kept - n_new) * n_channels * sizeof *frames);
    memcpy(self->history + (n_kept - n_new) * n_channels, frames + (n_frames - n_new) * n_channels,
           n_new * n_channels * sizeof *frames);
}

static uint32_t *sums_of(const myo_features_t *self, uint16_t block, uint16_t channel) {
    return self->partials + ((size_t)block * self->config->n_channels + channel) * self->sums_words;
}

/* Takes out what terms over pairs and triples owe to samples before the window. around: reach samples before
   the window's start, then reach after it, by n_channels. */
static void subtract_border(const myo_features_t *self, const int16_t *around, myo_window_sums_t *sums) {
    const myo_features_config_t *const config = self->config;
    const size_t stride = config->n_channels;
    const int16_t *const start = around + self->reach * stride;
    const int32_t before = *(start - stride);
    const int32_t first = start[0];
    const int32_t step = first - before;
    const int32_t size = myo_magnitude(step);
    sums->wl -= (uint32_t)size;
    sums->zc -= ((uint32_t)(first ^ before) >> 31) & (uint32_t)(size >= config->threshold_zc);
    sums->wamp -= (uint32_t)(size >= config->threshold_wamp);
    if (config->needs & MYO_SUM_SSC) {
        const int32_t step_before = before - *(start - 2u * stride);
        const int32_t step_after = start[stride] - first;
        const bool is_large = size >= config->threshold_ssc;
        const bool was_large = myo_magnitude(step_before) >= config->threshold_ssc;
        const bool will_be_large = myo_magnitude(step_after) >= config->threshold_ssc;
        sums->ssc -= ((uint32_t)(step ^ step_before) >> 31) & (uint32_t)(is_large | was_large);
        sums->ssc -= ((uint32_t)(step_after ^ step) >> 31) & (uint32_t)(will_be_large | is_large);
    }
    for (size_t lag = 1; (config->needs & MYO_SUM_LAGS) && lag <= config->n_lags; lag++) {
        for (size_t i = 0; i < lag; i++) {
            sums->lags[lag - 1] -= (int32_t)start[i * stride] * *(start - (lag - i) * stride);
        }
    }
    sums->first[0] = first;
    sums->first[1] = self->reach > 1 ? start[stride] : 0; /* asked for with two lags only */
}

/* Adds the sums of the window's block of that number; start: the window's samples before it. */
static void add_block(const myo_features_t *self, const myo_sums_layout_t *at, const uint32_t *block,
                      uint16_t number, uint32_t length, uint32_t start, myo_window_sums_t *sums) {
    const myo_features_config_t *const config = self->config;
    const uint32_t needs = config->needs;
    if (needs & MYO_SUM_ABS) {
        const uint64_t abs = block[at->abs];
        sums->abs += abs;
        const bool is_middle = number >= config->first_middle_block && number < config->end_middle_block;
        sums->mav1 += is_middle ? 2u * abs : abs;
        if (needs & MYO_SUM_RAMP) {
            const uint64_t to_end =
                myo_sums_get(block, at->ramp); /* |x| times the block's samples after it */
            const uint64_t after = config->window - start - length;
            if (is_middle) {
                sums->mav2 += config->window * abs;
            } else if (number < config->first_middle_block) {
                sums->mav2 += 4u * ((length + start) * abs - to_end);
            } else {
                sums->mav2 += 4u * (to_end + after * abs);
            }
        }
    }
    if (needs & MYO_SUM_X) {
        sums->x += (int32_t)block[at->x];
    }
    if (needs & MYO_SUM_SQUARE) {
        sums->square += myo_sums_get(block, at->square);
    }
    if (needs & MYO_SUM_CUBE) {
        sums->cube += (int64_t)myo_sums_get(block, at->cube);
    }
    if (needs & MYO_SUM_FOURTH) {
        sums->fourth_low += myo_sums_get(block, at->fourth);
        sums->fourth_high += myo_sums_get(block, at->fourth + 2u);
    }
    if (needs & MYO_SUM_LOG) {
        sums->log += myo_sums_get(block, at->log);
    }
    if (needs & MYO_SUM_WL) {
        sums->wl += block[at->wl];
    }
    if (needs & MYO_SUM_ZC) {
        sums->zc += block[at->zc];
    }
    if (needs & MYO_SUM_SSC) {
        sums->ssc += block[at->ssc];
    }
    if (needs & MYO_SUM_WAMP) {
        sums->wamp += block[at->wamp];
    }
    for (uint32_t lag = 0; (needs & MYO_SUM_LAGS) && lag < config->n_lags; lag++) {
        sums->lags[lag] += (int64_t)myo_sums_get(block, at->lags + 2u * lag);
    }
    for (uint32_t bin = 0; (needs & MYO_SUM_BINS) && bin < config->n_bins; bin++) {
        sums->bins[bin] += block[at->bins + bin];
    }
}

static void finish_window(const myo_features_t *self, int32_t *words) {
    const myo_features_config_t *const config = self->config;
    const myo_sums_layout_t at = myo_sums_layout(config->needs, config->n_lags, config->n_bins);
    const int16_t *const around =
        self->borders + 2u * (size_t)self->first_border * self->reach * config->n_channels;
    for (uint16_t channel = 0; channel < config->n_channels; channel++) {
        myo_window_sums_t sums;
        memset(&sums, 0, sizeof sums);
        uint32_t start = 0;
        uint16_t slot = self->block; /* the oldest block is where the next one goes */
        uint16_t of_hop = 0;         /* a window begins with its hop's first block */
        for (uint16_t number = 0; number < config->n_blocks; number++) {
            const uint32_t length = config->block_lengths[of_hop];
            add_block(self, &at, sums_of(self, slot, channel), number, length, start, &sums);
            start += length;
            slot = (uint16_t)(slot + 1u == config->n_blocks ? 0 : slot + 1u);
            of_hop = (uint16_t)(of_hop + 1u == config->blocks_per_hop ? 0 : of_hop + 1u);
        }
        const int16_t *const end = self->history + 2u * (size_t)self->reach * config->n_channels + channel;
        sums.last[0] = *(end - 2u * config->n_channels);
        sums.last[1] = *(end - config->n_channels);
        subtract_border(self, around + channel, &sums);
        myo_features_finish(config, &sums, words + channel);
    }
}

static void end_block(myo_features_t *self) {
    const myo_features_config_t *const config = self->config;
    self->block = (uint16_t)(self->block + 1u == config->n_blocks ? 0 : self->block + 1u);
    self->block_of_hop =
        (uint16_t)(self->block_of_hop + 1u == config->blocks_per_hop ? 0 : self->block_of_hop + 1u);
    self->until_block_end = config->block_lengths[self->block_of_hop];
}

static void keep_border(myo_features_t *self) {
    const size_t n = 2u * (size_t)self->reach * self->config->n_channels;
    memcpy(self->borders + self->next_border * n, self->history, n * sizeof *self->history);
    self->next_border = (uint16_t)(self->next_border + 1u == self->n_starts ? 0 : self->next_border + 1u);
    self->until_border = self->config->hop;
}

bool myo_features_push(myo_features_t *self, const int16_t **frames, size_t *n_frames, int32_t *words) {
    const myo_features_config_t *const config = self->config;
    const size_t n_channels = config->n_channels;
    const int16_t *const history_end = self->history + 2u * (size_t)self->reach * n_channels;
    while (*n_frames > 0) {
        const uint16_t n = smaller(smaller(*n_frames, self->until_window_end),
                                   smaller(self->until_block_end, self->until_border));
        for (uint16_t channel = 0; channel < n_channels; channel++) {
            config->accumulate(config, *frames + channel, n, history_end + channel,
                               sums_of(self, self->block, channel));
        }
        remember(self, *frames, n);
        *frames += n * n_channels;
        *n_frames -= n;
        self->until_window_end = (uint16_t)(self->until_window_end - n);
        self->until_block_end = (uint16_t)(self->until_block_end - n);
        self->until_border = (uint16_t)(self->until_border - n);
        if (self->until_border == 0) {
            keep_border(self);
        }
        if (self->until_block_end == 0) {
            end_block(self);
        }
        const bool is_window_end = self->until_window_end == 0;
        if (is_window_end) {
            finish_window(self, words);
            self->until_window_end = config->hop;
            self->first_border =
                (uint16_t)(self->first_border + 1u == self->n_starts ? 0 : self->first_border + 1u);
        }
        if (self->until_block_end == config->block_lengths[self->block_of_hop]) { /* a new block begins */
            memset(sums_of(self, self->block, 0), 0, n_channels * self->sums_words * sizeof(uint32_t));
        }
        if (is_window_end) {
            return true;
        }
    }
    return false;
}

void myo_features_accumulate_any(const myo_features_config_t *config, const int16_t *x, size_t n_frames,
                                 const int16_t *history, uint32_t *sums) {
    myo_features_accumulate_template(config->needs, config->n_channels, config->n_lags, config, x, n_frames,
                                     history, sums);
}

int16_t myo_features_word(int32_t x_q31, uint32_t shift) {
    const int32_t rounded = (int32_t)(((int64_t)x_q31 + ((int64_t)1 << (shift - 1u))) >> shift);
    return (int16_t)(rounded < INT16_MIN ? INT16_MIN : rounded > INT16_MAX ? INT16_MAX : rounded);
}
