#include "features/myo_correlation.h"

#include "dsp/myo_fixed_math.h"
#include "features/myo_feature_engine.h"

enum { WORD_BITS = 30, ROOT_BITS = 60 };

/* A window's end cuts each hop into the frames up to it, and the rest: no cut where the hop divides the
 * window.
 */
static uint16_t cut_of(const myo_correlation_config_t *config) {
    return (uint16_t)(config->window % config->hop);
}

static uint32_t n_blocks_of(const myo_correlation_config_t *config) {
    const uint32_t n_hops = config->window / config->hop;
    return cut_of(config) ? 2u * n_hops + 1u : n_hops;
}

static bool is_valid(const myo_correlation_config_t *config) {
    return config->n_channels >= 2 && config->reach >= 1 && config->reach <= config->n_channels / 2 &&
           config->hop >= 1 && config->hop <= config->window;
}

/* 32-bit words of a block's sums. */
static size_t block_words(const myo_correlation_config_t *config) {
    return 2u * (size_t)config->n_channels * (1u + config->reach);
}

size_t myo_correlation_memory_words(const myo_correlation_config_t *config) {
    return is_valid(config) ? n_blocks_of(config) * block_words(config) + 2u * (size_t)config->n_channels : 0;
}

static uint16_t block_length(const myo_correlation_t *self) {
    const uint16_t cut = cut_of(self->config);
    return self->is_second ? (uint16_t)(self->config->hop - cut) : cut > 0 ? cut : self->config->hop;
}

myo_status_t myo_correlation_init(myo_correlation_t *self, const myo_correlation_config_t *config,
                                  uint32_t *memory, size_t memory_words) {
    if (self == NULL || config == NULL || memory == NULL) {
        return MYO_ERROR_NULL;
    }
    if (!is_valid(config) || n_blocks_of(config) > UINT16_MAX) {
        return MYO_ERROR_CONFIG;
    }
    if (memory_words < myo_correlation_memory_words(config)) {
        return MYO_ERROR_MEMORY;
    }
    self->config = config;
    self->n_blocks = (uint16_t)n_blocks_of(config);
    self->sums = memory;
    self->roots = memory + self->n_blocks * block_words(config);
    myo_correlation_reset(self);
    return MYO_OK;
}

void myo_correlation_reset(myo_correlation_t *self) {
    self->block = 0;
    self->is_second = false;
    self->until_block_end = block_length(self);
    self->until_window_end = self->config->window;
}

static int64_t read_sum(const uint32_t *words) {
    return (int64_t)((uint64_t)words[1] << 32 | words[0]);
}

static void write_sum(uint32_t *words, int64_t sum) {
    words[0] = (uint32_t)(uint64_t)sum;
    words[1] = (uint32_t)((uint64_t)sum >> 32);
}

/* Adds the frames' squares and products to the block's sums, or begins them. */
static void accumulate(const myo_correlation_t *self, const int16_t *frames, size_t n, bool is_fresh) {
    const size_t n_channels = self->config->n_channels;
    uint32_t *sums = self->sums + self->block * block_words(self->config);
    for (size_t channel = 0; channel < n_channels; channel++) {
        for (size_t k = 0; k <= self->config->reach; k++, sums += 2) {
            const size_t other = channel + k < n_channels ? channel + k : channel + k - n_channels;
            const int16_t *const end = frames + n * n_channels;
            int64_t sum = is_fresh ? 0 : read_sum(sums);
            for (const int16_t *x = frames; x < end; x += n_channels) {
                sum += (int32_t)x[channel] * x[other];
            }
            write_sum(sums, sum);
        }
    }
}

static int64_t sum_window(const myo_correlation_t *self, size_t channel, size_t k) {
    const uint32_t *sums = self->sums + 2u * (channel * (1u + self->config->reach) + k);
    int64_t sum = 0;
    for (size_t block = 0; block < self->n_blocks; block++, sums += block_words(self->config)) {
        sum += read_sum(sums);
    }
    return sum;
}

/* Roots keep 30 bits: the product of two can be divided by. */
static void take_root(myo_correlation_t *self, size_t channel) {
    const uint64_t square = (uint64_t)sum_window(self, channel, 0);
    const uint32_t n_bits = square ? 64u - (uint32_t)__builtin_clzll(square) : 0u;
    const uint32_t up = (ROOT_BITS - n_bits) / 2u;
    self->roots[2u * channel] = myo_sqrt_nearest(square << (2u * up));
    self->roots[2u * channel + 1u] = up;
}

static void finish_window(myo_correlation_t *self, int32_t *words) {
    const size_t n_channels = self->config->n_channels;
    for (size_t channel = 0; channel < n_channels; channel++) {
        take_root(self, channel);
    }
    for (size_t k = 1; k <= self->config->reach; k++) {
        for (size_t channel = 0; channel < n_channels; channel++) {
            const size_t other = channel + k < n_channels ? channel + k : channel + k - n_channels;
            const uint32_t *const a = self->roots + 2u * channel;
            const uint32_t *const b = self->roots + 2u * other;
            const int64_t product = sum_window(self, channel, k);
            const uint64_t size = product < 0 ? (uint64_t)-product : (uint64_t)product;
            const int32_t word =
                myo_divide_nearest(size, (uint64_t)a[0] * b[0], WORD_BITS + (int32_t)(a[1] + b[1]));
            *words++ = product < 0 ? -word : word;
        }
    }
}

static void end_block(myo_correlation_t *self) {
    self->block = (uint16_t)(self->block + 1u == self->n_blocks ? 0 : self->block + 1u);
    self->is_second = cut_of(self->config) > 0 && !self->is_second;
    self->until_block_end = block_length(self);
}

bool myo_correlation_push(myo_correlation_t *self, const int16_t **frames, size_t *n_frames, int32_t *words) {
    while (*n_frames > 0) {
        const uint16_t n = *n_frames < self->until_block_end ? (uint16_t)*n_frames : self->until_block_end;
        accumulate(self, *frames, n, self->until_block_end == block_length(self));
        *frames += (size_t)n * self->config->n_channels;
        *n_frames -= n;
        self->until_window_end = (uint16_t)(self->until_window_end - n);
        self->until_block_end = (uint16_t)(self->until_block_end - n);
        if (self->until_block_end == 0) {
            end_block(self);
        }
        if (self->until_window_end == 0) {
            finish_window(self, words);
            self->until_window_end = self->config->hop;
            return true;
        }
    }
    return false;
}

static myo_feature_shape_t engine_shape(const void *config) {
    const myo_correlation_config_t *const own = config;
    return (myo_feature_shape_t){own->n_channels, own->window, own->hop, own->reach};
}

static size_t engine_memory_words(const void *config) {
    return myo_correlation_memory_words(config);
}

static myo_status_t engine_init(void *state, const void *config, uint32_t *memory, size_t memory_words,
                                uint32_t *scratch) {
    (void)scratch;
    return myo_correlation_init(state, config, memory, memory_words);
}

static void engine_reset(void *state) {
    myo_correlation_reset(state);
}

static bool engine_push(void *state, const int16_t **frames, size_t *n_frames, int32_t *words) {
    return myo_correlation_push(state, frames, n_frames, words);
}

const myo_feature_engine_t myo_correlation_engine = {engine_shape, engine_memory_words, NULL,
                                                     engine_init,  engine_reset,        engine_push};
