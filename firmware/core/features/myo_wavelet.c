#include "features/myo_wavelet.h"

#include <string.h>

#include "dsp/myo_fixed_math.h"
#include "features/myo_feature_engine.h"

#define LEVEL_WORDS 4u /* of myo_wavelet_level_t */
#define SUMS_WORDS 4u  /* of a hop: all its coefficients' squares, and those of its last */

_Static_assert(sizeof(myo_wavelet_level_t) == 4u * LEVEL_WORDS, "levels are kept in words");

/* What a level keeps and computes; the same for all halves of it. False: no coefficient fits the window. */
static bool measure_levels(const myo_wavelet_config_t *config, uint16_t *n_updated,
                           myo_wavelet_level_t levels[MYO_WAVELET_MAX_LEVELS + 1u]) {
    uint32_t first = 1; /* of the whole coefficients, from 1 */
    *n_updated = 0;
    while (*n_updated < config->n_levels && (config->hop & (1u << *n_updated)) == 0) {
        (*n_updated)++;
    }
    for (uint32_t j = 0; j <= config->n_levels; j++) {
        const uint32_t before = first;
        first = j == 0 ? 1u : (first + config->n_taps) / 2u;
        const uint32_t n = (uint32_t)config->window >> j;
        if (first > n) {
            return false;
        }
        myo_wavelet_level_t *const level = &levels[j];
        level->n_whole = n - first + 1u;
        level->skip = j == 0 ? 0 : 2u * first - config->n_taps + 1u - before;
        level->n_new = j <= *n_updated ? (uint32_t)config->hop >> j : level->n_whole;
        if (j == *n_updated) { /* below, windows take all that is whole */
            level->n_kept = level->n_whole > level->n_new ? level->n_whole : level->n_new;
        } else { /* the taps of the next level's new coefficients; an odd one at the end is for the next hop
                  */
            level->n_kept = level->n_new + config->n_taps - 2u + (n & 1u);
        }
    }
    return true;
}

/* Where everything is, for one config. */
typedef struct {
    uint32_t at[2u * MYO_WAVELET_MAX_SPLITS];
    myo_wavelet_level_t levels[MYO_WAVELET_MAX_LEVELS + 1u];
    uint32_t channel_words, energies_at, widest;
    uint16_t n_updated;
    size_t memory_words;
} layout_t;

/* False: no coefficient of the last level fits the window. */
static bool lay_out(layout_t *self, const myo_wavelet_config_t *config) {
    if (!measure_levels(config, &self->n_updated, self->levels)) {
        return false;
    }
    uint32_t words = 0;
    uint32_t scratch = self->levels[0].n_kept;
    self->widest = 0;
    for (uint32_t s = 0; s < config->n_splits; s++) {
        const myo_wavelet_split_t *const split = &config->splits[s];
        const myo_wavelet_level_t *const level = &self->levels[split->level];
        const bool is_updated = split->level <= self->n_updated;
        self->widest = level->n_new > self->widest ? level->n_new : self->widest;
        for (uint32_t half = 0; half < 2u; half++) {
            const bool is_split = (half == 0 ? split->low : split->high) == MYO_WAVELET_SPLIT_FURTHER;
            self->at[2u * s + half] = is_updated ? words : scratch;
            if (is_updated) {
                words += is_split ? level->n_kept : SUMS_WORDS * (level->n_whole / level->n_new + 1u);
            } else if (is_split) {
                scratch += level->n_new;
            }
        }
    }
    self->channel_words = words;
    self->energies_at = scratch;
    scratch += 2u * self->widest;
    self->memory_words = 2u * config->n_splits + LEVEL_WORDS * (config->n_levels + 1u) +
                         (size_t)words * config->n_channels + scratch +
                         ((size_t)self->levels[0].n_kept * config->n_channels + 1u) / 2u;
    return true;
}

static bool splits_fit(const myo_wavelet_config_t *config) {
    uint32_t seen = 0; /* a bit a component */
    uint32_t n_halves = 0;
    for (uint32_t s = 0; s < config->n_splits; s++) {
        const myo_wavelet_split_t *const split = &config->splits[s];
        if (split->level < 1 || split->level > config->n_levels) {
            return false;
        }
        if (split->parent == MYO_WAVELET_WINDOW) {
            if (s != 0 || split->level != 1) {
                return false;
            }
        } else {
            const myo_wavelet_split_t *const from = &config->splits[split->parent / 2u];
            if (s == 0 || split->parent / 2u >= s || split->level != from->level + 1u ||
                (split->parent % 2u == 0 ? from->low : from->high) != MYO_WAVELET_SPLIT_FURTHER) {
                return false;
            }
        }
        for (uint32_t half = 0; half < 2u; half++) {
            const uint32_t component = half == 0 ? split->low : split->high;
            if (component == MYO_WAVELET_SPLIT_FURTHER) {
                if (split->level == config->n_levels) {
                    return false;
                }
            } else if (component >= config->n_components || component >= 32u || (seen >> component & 1u)) {
                return false;
            } else {
                seen |= 1u << component;
                n_halves++;
            }
        }
    }
    return n_halves == config->n_components &&
           config->splits[config->n_splits - 1u].level == config->n_levels;
}

/* Whether coefficients stay in 32 bits and sums of squares below 2^62, whatever the words. */
static bool sums_fit(const myo_wavelet_config_t *config) {
    uint64_t low = 0;
    uint64_t high = 0;
    for (uint32_t k = 0; k < config->n_taps; k++) {
        const int64_t a = config->taps[k].low;
        const int64_t b = config->taps[k].high;
        low += (uint64_t)(a < 0 ? -a : a);
        high += (uint64_t)(b < 0 ? -b : b);
    }
    const uint64_t growth = low > high ? low : high;
    const uint64_t n = config->window > 3u ? config->window / 2u : 1u;
    uint64_t largest = 1ull << (15u + config->up);
    for (uint32_t j = 0; j < config->n_levels && growth < 1ull << 32 && largest < 1ull << 31; j++) {
        const uint64_t next = (largest * growth >> 31) + 1u;
        largest = next > largest ? next : largest;
    }
    return growth < 1ull << 32 && largest < 1ull << 31 && ((largest * largest >> 16) + 1u) * n <= 1ull << 46;
}

static bool config_fits(const myo_wavelet_config_t *config) {
    return config->n_channels >= 1 && config->n_channels <= 64 && config->hop >= 1 &&
           config->hop <= config->window && config->n_taps >= 2 && config->n_taps % 2u == 0 &&
           config->n_taps <= MYO_WAVELET_MAX_TAPS && config->n_splits >= 1 &&
           config->n_splits <= MYO_WAVELET_MAX_SPLITS && config->n_levels >= 1 &&
           config->n_levels <= MYO_WAVELET_MAX_LEVELS && config->up <= MYO_WAVELET_MAX_UP &&
           splits_fit(config) && sums_fit(config);
}

size_t myo_wavelet_memory_words(const myo_wavelet_config_t *config) {
    layout_t layout;
    return config_fits(config) && lay_out(&layout, config) ? layout.memory_words : 0;
}

myo_status_t myo_wavelet_init(myo_wavelet_t *self, const myo_wavelet_config_t *config, uint32_t *memory,
                              size_t memory_words) {
    if (self == NULL || config == NULL || memory == NULL || config->taps == NULL || config->splits == NULL) {
        return MYO_ERROR_NULL;
    }
    layout_t layout;
    if (!config_fits(config) || !lay_out(&layout, config)) {
        return MYO_ERROR_CONFIG;
    }
    if (memory_words < layout.memory_words) {
        return MYO_ERROR_MEMORY;
    }
    memcpy(memory, layout.at, sizeof *memory * 2u * config->n_splits);
    self->at = memory;
    memory += 2u * config->n_splits;
    memcpy(memory, layout.levels, sizeof layout.levels[0] * (config->n_levels + 1u));
    self->levels = (const myo_wavelet_level_t *)memory;
    memory += LEVEL_WORDS * (config->n_levels + 1u);
    self->config = config;
    self->channel_words = layout.channel_words;
    self->energies_at = layout.energies_at;
    self->widest = layout.widest;
    self->n_updated = layout.n_updated;
    self->memory = memory;
    self->scratch = (int32_t *)(memory + (size_t)self->channel_words * config->n_channels);
    self->frames = (int16_t *)(self->scratch + self->energies_at + 2u * self->widest);
    myo_wavelet_reset(self);
    return MYO_OK;
}

void myo_wavelet_reset(myo_wavelet_t *self) {
    const myo_wavelet_config_t *const config = self->config;
    /* What is before the first window is no part of it: any value of its range would do. */
    memset(self->memory, 0, sizeof *self->memory * self->channel_words * config->n_channels);
    memset(self->frames, 0, sizeof *self->frames * self->levels[0].n_kept * config->n_channels);
    const uint16_t rest = (uint16_t)(config->window % config->hop);
    self->until_batch = rest == 0 ? config->hop : rest;
    self->until_window = config->window;
}

/* n coefficients of both halves. */
static void split_half(const myo_wavelet_config_t *config, const int32_t *x, uint32_t n, int32_t *low,
                       int32_t *high) {
    const myo_wavelet_taps_t *const end = config->taps + config->n_taps;
    for (uint32_t i = 0; i < n; i++, x += 2) {
        int64_t sum_low = 1ll << 30;
        int64_t sum_high = 1ll << 30;
        const int32_t *from = x;
        for (const myo_wavelet_taps_t *tap = config->taps; tap != end; tap += 2, from += 2) {
            sum_low += (int64_t)from[0] * tap[0].low;
            sum_high += (int64_t)from[0] * tap[0].high;
            sum_low += (int64_t)from[1] * tap[1].low;
            sum_high += (int64_t)from[1] * tap[1].high;
        }
        low[i] = (int32_t)(sum_low >> 31);
        high[i] = (int32_t)(sum_high >> 31);
    }
}

static uint64_t sum_squares(const int32_t *x, const int32_t *end) {
    uint64_t sum = 0;
    for (; x != end; x++) {
        sum += (uint64_t)((int64_t)*x * *x);
    }
    return sum;
}

static uint64_t get(const uint32_t *words) {
    return (uint64_t)words[1] << 32 | words[0];
}

static void put(uint32_t *words, uint64_t value) {
    words[0] = (uint32_t)value;
    words[1] = (uint32_t)(value >> 32);
}

/* Takes the sums of a hop's n_new coefficients behind those of the hops before it, of which the first goes. A
   window's whole coefficients are those of the last hops, and the last ones of the hop before. */
static uint64_t slide_sums(const myo_wavelet_level_t *level, const int32_t *x, uint32_t *sums) {
    const uint32_t n_hops = level->n_whole / level->n_new;
    const int32_t *const end = x + level->n_new;
    const int32_t *const last = end - level->n_whole % level->n_new;
    memmove(sums, sums + SUMS_WORDS, sizeof *sums * SUMS_WORDS * n_hops);
    uint32_t *const newest = sums + SUMS_WORDS * n_hops;
    const uint64_t of_last = sum_squares(last, end);
    put(newest, of_last + sum_squares(x, last));
    put(newest + 2, of_last);
    uint64_t sum = get(sums + 2);
    for (uint32_t hop = 1; hop <= n_hops; hop++) {
        sum += get(sums + SUMS_WORDS * hop);
    }
    return sum;
}

/* Makes room for the new ones of a half that is kept, and says where they go. */
static int32_t *slide_half(const myo_wavelet_level_t *level, int32_t *half) {
    memmove(half, half + level->n_new, sizeof *half * (level->n_kept - level->n_new));
    return half + level->n_kept - level->n_new;
}

static int32_t log_of(uint64_t sum) {
    return (int32_t)myo_log2_q16_u64(sum > 1u ? sum : 1u);
}

/* Where the first taps of a split's coefficients are. */
static const int32_t *find_taps(const myo_wavelet_t *self, const myo_wavelet_split_t *split,
                                const uint32_t *memory) {
    const bool is_window = split->parent == MYO_WAVELET_WINDOW;
    const uint32_t at = is_window ? 0 : self->at[split->parent];
    const myo_wavelet_level_t *const from = &self->levels[split->level - 1u];
    const bool is_kept = split->level <= self->n_updated + 1u && !is_window;
    const int32_t *const half = is_kept ? (const int32_t *)memory + at : self->scratch + at;
    if (split->level <= self->n_updated) {
        return half;
    }
    const uint32_t before = split->level == self->n_updated + 1u ? from->n_kept - from->n_whole : 0;
    return half + before + self->levels[split->level].skip;
}

static void run_channel(myo_wavelet_t *self, size_t channel, bool is_window, int32_t *words) {
    const myo_wavelet_config_t *const config = self->config;
    uint32_t *const memory = self->memory + channel * self->channel_words;
    const uint32_t n_kept = self->levels[0].n_kept;
    const int16_t *const frames = self->frames + channel * n_kept;
    for (uint32_t i = 0; i < n_kept; i++) {
        self->scratch[i] = frames[i] * (1 << config->up);
    }
    for (uint32_t s = 0; s < config->n_splits; s++) {
        const myo_wavelet_split_t *const split = &config->splits[s];
        const myo_wavelet_level_t *const level = &self->levels[split->level];
        const bool is_updated = split->level <= self->n_updated;
        if (!is_updated && !is_window) {
            continue;
        }
        const uint8_t components[2] = {split->low, split->high};
        int32_t *halves[2];
        for (uint32_t half = 0; half < 2u; half++) {
            const uint32_t at = self->at[2u * s + half];
            if (components[half] != MYO_WAVELET_SPLIT_FURTHER) {
                halves[half] = self->scratch + self->energies_at + half * self->widest;
            } else if (is_updated) {
                halves[half] = slide_half(level, (int32_t *)memory + at);
            } else {
                halves[half] = self->scratch + at;
            }
        }
        split_half(config, find_taps(self, split, memory), level->n_new, halves[0], halves[1]);
        for (uint32_t half = 0; half < 2u; half++) {
            if (components[half] == MYO_WAVELET_SPLIT_FURTHER) {
                continue;
            }
            const uint64_t sum = is_updated
                                     ? slide_sums(level, halves[half], memory + self->at[2u * s + half])
                                     : sum_squares(halves[half], halves[half] + level->n_new);
            if (is_window) {
                words[components[half] * config->n_channels + channel] = log_of(sum);
            }
        }
    }
}

/* Takes n frames to their places before the end of what is kept, channel by channel. */
static void take_frames(myo_wavelet_t *self, const int16_t *frames, uint16_t n) {
    const size_t n_channels = self->config->n_channels;
    const uint32_t n_kept = self->levels[0].n_kept;
    for (size_t channel = 0; channel < n_channels; channel++) {
        int16_t *const to = self->frames + (channel + 1u) * n_kept - self->until_batch;
        const int16_t *from = frames + channel;
        for (uint16_t i = 0; i < n; i++, from += n_channels) {
            to[i] = *from;
        }
    }
}

static void end_batch(myo_wavelet_t *self, bool is_window, int32_t *words) {
    const myo_wavelet_config_t *const config = self->config;
    const uint32_t n_kept = self->levels[0].n_kept;
    for (size_t channel = 0; channel < config->n_channels; channel++) {
        if (is_window || self->n_updated > 0) {
            run_channel(self, channel, is_window, words);
        }
        int16_t *const frames = self->frames + channel * n_kept;
        memmove(frames, frames + config->hop, sizeof *frames * (n_kept - config->hop));
    }
    self->until_batch = config->hop;
}

bool myo_wavelet_push(myo_wavelet_t *self, const int16_t **frames, size_t *n_frames, int32_t *words) {
    while (*n_frames > 0) {
        const uint16_t n = *n_frames < self->until_batch ? (uint16_t)*n_frames : self->until_batch;
        take_frames(self, *frames, n);
        *frames += (size_t)n * self->config->n_channels;
        *n_frames -= n;
        self->until_batch = (uint16_t)(self->until_batch - n);
        self->until_window = (uint16_t)(self->until_window - n);
        if (self->until_batch == 0) {
            const bool is_window = self->until_window == 0; /* a window ends with a batch */
            end_batch(self, is_window, words);
            if (is_window) {
                self->until_window = self->config->hop;
                return true;
            }
        }
    }
    return false;
}

static myo_feature_shape_t engine_shape(const void *config) {
    const myo_wavelet_config_t *const own = config;
    return (myo_feature_shape_t){own->n_channels, own->window, own->hop, own->n_components};
}

static size_t engine_memory_words(const void *config) {
    return myo_wavelet_memory_words(config);
}

static myo_status_t engine_init(void *state, const void *config, uint32_t *memory, size_t memory_words,
                                uint32_t *scratch) {
    (void)scratch;
    return myo_wavelet_init(state, config, memory, memory_words);
}

static void engine_reset(void *state) {
    myo_wavelet_reset(state);
}

static bool engine_push(void *state, const int16_t **frames, size_t *n_frames, int32_t *words) {
    return myo_wavelet_push(state, frames, n_frames, words);
}

const myo_feature_engine_t myo_wavelet_engine = {engine_shape, engine_memory_words, NULL,
                                                 engine_init,  engine_reset,        engine_push};
