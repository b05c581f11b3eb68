#include "features/myo_features.h"

#include "dsp/myo_fixed_math.h"
#include "features/myo_feature_engine.h"
#include "features/myo_features_kinds.h"
#include "features/myo_features_template.h"

static uint16_t smaller(size_t a, size_t b) {
    return (uint16_t)(a < b ? a : b);
}

/* How many frames the longest term looks back. */
static uint16_t reach_of(const myo_features_config_t *config) {
    const uint16_t steps = (config->needs & (MYO_SUM_SSC | MYO_SUM_BEND)) ? 2u : 1u;
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

static uint32_t n_components_of(const myo_features_config_t *config, const myo_feature_kind_t *kind) {
    switch ((myo_feature_components_t)kind->components) {
    case MYO_COMPONENTS_LAGS:
        return config->n_lags;
    case MYO_COMPONENTS_BINS:
        return config->n_bins;
    case MYO_COMPONENTS_ORDER:
        return config->order;
    case MYO_COMPONENTS_THREE:
        return 3;
    default:
        return 1;
    }
}

static bool features_fit(const myo_features_config_t *config) {
    uint32_t needs = 0;
    uint32_t n_components = 0;
    for (uint16_t k = 0; k < config->n_features; k++) {
        const myo_feature_t *const feature = &config->features[k];
        if (feature->kind == NULL || feature->transform >= MYO_TRANSFORMS ||
            feature->shift > (feature->transform == MYO_TRANSFORM_SQRT ? 30u : 62u) ||
            config->n_lags < feature->kind->n_lags ||
            (feature->kind->components == MYO_COMPONENTS_ORDER && config->order < 1)) {
            return false;
        }
        needs |= feature->kind->needs;
        n_components += n_components_of(config, feature->kind);
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
        config->block_lengths == NULL || config->accumulate == NULL || config->sum_window == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->n_channels < 1 || config->n_channels > 64 || config->n_lags > MYO_FEATURES_MAX_LAGS ||
        config->order > MYO_FEATURES_MAX_ORDER || config->order > config->n_lags ||
        ((config->needs & MYO_SUM_BEND) && config->window > 32767) || config->window <= 2 ||
        config->window <= config->n_lags || config->hop < 1 || config->hop > config->window ||
        config->blocks_per_hop < 1 || !blocks_fit(config) ||
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
    const size_t n_kept = 2u * (size_t)self->reach * config->n_channels;
    for (size_t k = 0; k < n_kept;
         k++) { /* what is before the first window is taken out again: any value would do */
        self->history[k] = 0;
    }
    self->block = 0;
    self->block_of_hop = 0;
    self->until_block_end = config->block_lengths[0];
    self->until_window_end = config->window;
    self->until_border = self->reach;
    self->next_border = 0;
    self->first_border = 0;
}

/* Copies the 2 * reach frames that end n frames after the history's, from it and the frames that follow it.
   to may be the history itself: each word moves towards the front. */
static void copy_latest(const myo_features_t *self, const int16_t *frames, size_t n, int16_t *to) {
    const size_t n_kept = 2u * (size_t)self->reach * self->config->n_channels;
    const size_t n_new = n * self->config->n_channels < n_kept ? n * self->config->n_channels : n_kept;
    const int16_t *const old = self->history + n_new;
    const int16_t *const latest = frames + n * self->config->n_channels - n_new;
    for (size_t k = 0; k < n_kept - n_new; k++) {
        to[k] = old[k];
    }
    for (size_t k = 0; k < n_new; k++) {
        to[n_kept - n_new + k] = latest[k];
    }
}

static int32_t transform(const myo_feature_t *feature, int64_t value) {
    switch ((myo_feature_transform_t)feature->transform) {
    case MYO_TRANSFORM_SQRT:
        return (int32_t)myo_sqrt_nearest((uint64_t)value << (2u * feature->shift));
    case MYO_TRANSFORM_LOG2:
        return (int32_t)myo_log2_q16_u64(value > 1 ? (uint64_t)value : 1u);
    default:
        return myo_shift_nearest(value, feature->shift);
    }
}

static void finish_window(const myo_features_t *self, int32_t *words) {
    const myo_features_config_t *const config = self->config;
    for (size_t channel = 0; channel < config->n_channels; channel++) {
        myo_window_sums_t sums;
        config->sum_window(self, channel, &sums);
        int32_t *to = words + channel;
        for (size_t k = 0; k < config->n_features; k++) {
            const myo_feature_t *const feature = &config->features[k];
            if (feature->kind->value != NULL) {
                *to = transform(feature, feature->kind->value(config, &sums));
                to += config->n_channels;
            } else {
                feature->kind->words(config, &sums, to);
                to += n_components_of(config, feature->kind) * config->n_channels;
            }
        }
    }
}

static void end_block(myo_features_t *self) {
    const myo_features_config_t *const config = self->config;
    self->block = (uint16_t)(self->block + 1u == config->n_blocks ? 0 : self->block + 1u);
    self->block_of_hop =
        (uint16_t)(self->block_of_hop + 1u == config->blocks_per_hop ? 0 : self->block_of_hop + 1u);
    self->until_block_end = config->block_lengths[self->block_of_hop];
}

/* Where a window's border is complete within the next n frames, keeps it. Windows are at least n frames
 * apart. */
static void keep_border(myo_features_t *self, const int16_t *frames, uint16_t n) {
    if (self->until_border > n) {
        self->until_border = (uint16_t)(self->until_border - n);
        return;
    }
    int16_t *const border =
        self->borders + 2u * (size_t)self->next_border * self->reach * self->config->n_channels;
    copy_latest(self, frames, self->until_border, border);
    self->next_border = (uint16_t)(self->next_border + 1u == self->n_starts ? 0 : self->next_border + 1u);
    self->until_border = (uint16_t)(self->until_border + self->config->hop - n);
}

bool myo_features_push(myo_features_t *self, const int16_t **frames, size_t *n_frames, int32_t *words) {
    const myo_features_config_t *const config = self->config;
    const size_t n_channels = config->n_channels;
    const int16_t *const history_end = self->history + 2u * (size_t)self->reach * n_channels;
    while (*n_frames > 0) {
        const uint16_t n = smaller(*n_frames, self->until_block_end); /* a window ends with a block */
        const bool is_fresh = self->until_block_end == config->block_lengths[self->block_of_hop];
        uint32_t *sums = self->partials + (size_t)self->block * n_channels * self->sums_words;
        for (size_t channel = 0; channel < n_channels; channel++, sums += self->sums_words) {
            config->accumulate(config, *frames + channel, n, history_end + channel, sums, is_fresh);
        }
        keep_border(self, *frames, n);
        copy_latest(self, *frames, n, self->history);
        *frames += n * n_channels;
        *n_frames -= n;
        self->until_window_end = (uint16_t)(self->until_window_end - n);
        self->until_block_end = (uint16_t)(self->until_block_end - n);
        if (self->until_block_end == 0) {
            end_block(self);
        }
        if (self->until_window_end == 0) {
            finish_window(self, words);
            self->until_window_end = config->hop;
            self->first_border =
                (uint16_t)(self->first_border + 1u == self->n_starts ? 0 : self->first_border + 1u);
            return true;
        }
    }
    return false;
}

void myo_features_accumulate_any(const myo_features_config_t *config, const int16_t *x, size_t n_frames,
                                 const int16_t *history, uint32_t *sums, bool is_fresh) {
    myo_features_accumulate_template(
        config->needs, config->n_channels, config->n_lags, config->n_bins, config, x, n_frames, history, sums,
        is_fresh, (myo_thresholds_t){config->threshold_zc, config->threshold_ssc, config->threshold_wamp});
}

void myo_features_sum_any(const myo_features_t *self, size_t channel, myo_window_sums_t *sums) {
    const myo_features_config_t *const config = self->config;
    myo_features_sum_template(config->needs, config->n_channels, config->n_lags, config->n_bins,
                              config->n_blocks, self, channel, sums);
}

static myo_feature_shape_t engine_shape(const void *config) {
    const myo_features_config_t *const own = config;
    return (myo_feature_shape_t){own->n_channels, own->window, own->hop, own->n_components};
}

static size_t engine_memory_words(const void *config) {
    return myo_features_memory_words(config);
}

static myo_status_t engine_init(void *state, const void *config, uint32_t *memory, size_t memory_words,
                                uint32_t *scratch) {
    (void)scratch;
    return myo_features_init(state, config, memory, memory_words);
}

static void engine_reset(void *state) {
    myo_features_reset(state);
}

static bool engine_push(void *state, const int16_t **frames, size_t *n_frames, int32_t *words) {
    return myo_features_push(state, frames, n_frames, words);
}

const myo_feature_engine_t myo_features_engine = {engine_shape, engine_memory_words, NULL,
                                                  engine_init,  engine_reset,        engine_push};
