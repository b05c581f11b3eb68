#include "features/myo_stft.h"

#include <string.h>

#include "features/myo_feature_engine.h"

static size_t segment_words(const myo_stft_config_t *config) {
    return (size_t)config->segment->n_features * config->segment->n_channels;
}

size_t myo_stft_memory_words(const myo_stft_config_t *config) {
    return myo_spectrum_memory_words(config->segment) + config->n_segments * segment_words(config);
}

myo_status_t myo_stft_init(myo_stft_t *self, const myo_stft_config_t *config, uint32_t *memory,
                           size_t memory_words) {
    if (config == NULL || memory == NULL || config->segment == NULL) {
        return MYO_ERROR_NULL;
    }
    const size_t n_scratch = myo_spectrum_scratch_words(config->segment);
    const size_t n_left = memory_words < n_scratch ? 0 : memory_words - n_scratch;
    return myo_stft_init_apart(self, config, memory + (memory_words - n_left), n_left, memory);
}

/* Words besides the scratch. */
static size_t kept_words(const myo_stft_config_t *config) {
    return myo_stft_memory_words(config) - myo_spectrum_scratch_words(config->segment);
}

myo_status_t myo_stft_init_apart(myo_stft_t *self, const myo_stft_config_t *config, uint32_t *memory,
                                 size_t memory_words, uint32_t *scratch) {
    if (self == NULL || config == NULL || memory == NULL || config->segment == NULL) {
        return MYO_ERROR_NULL;
    }
    const size_t n_spectrum =
        myo_spectrum_memory_words(config->segment) - myo_spectrum_scratch_words(config->segment);
    const myo_status_t status =
        myo_spectrum_init_apart(&self->spectrum, config->segment, memory,
                                memory_words < n_spectrum ? memory_words : n_spectrum, scratch);
    if (status != MYO_OK) {
        return status;
    }
    const uint32_t step = config->segment->hop;
    if (config->n_segments < 1 || config->hop < 1 || config->hop > config->window ||
        config->hop % step != 0 ||
        config->segment->window + (config->n_segments - 1u) * step > config->window) {
        return MYO_ERROR_CONFIG;
    }
    if (memory_words < kept_words(config)) {
        return MYO_ERROR_MEMORY;
    }
    self->config = config;
    self->words = (int32_t *)(memory + n_spectrum);
    myo_stft_reset(self);
    return MYO_OK;
}

void myo_stft_reset(myo_stft_t *self) {
    const myo_stft_config_t *const config = self->config;
    const uint32_t covered = config->segment->window + (config->n_segments - 1u) * config->segment->hop;
    myo_spectrum_reset(&self->spectrum);
    self->skip = (uint16_t)(config->window - covered);
    self->next = 0;
    self->until_window = config->n_segments;
}

bool myo_stft_push(myo_stft_t *self, const int16_t **frames, size_t *n_frames, int32_t *words) {
    const myo_stft_config_t *const config = self->config;
    const size_t n_words = segment_words(config);
    const uint16_t n = *n_frames < self->skip ? (uint16_t)*n_frames : self->skip;
    self->skip = (uint16_t)(self->skip - n);
    *frames += (size_t)n * config->segment->n_channels;
    *n_frames -= n;
    while (myo_spectrum_push(&self->spectrum, frames, n_frames, self->words + self->next * n_words)) {
        self->next = (uint16_t)(self->next + 1u == config->n_segments ? 0 : self->next + 1u);
        self->until_window = (uint16_t)(self->until_window - 1u);
        if (self->until_window == 0) {
            const size_t n_old = (size_t)(config->n_segments - self->next) * n_words;
            memcpy(words, self->words + self->next * n_words, sizeof *words * n_old);
            memcpy(words + n_old, self->words, sizeof *words * self->next * n_words);
            self->until_window = (uint16_t)(config->hop / config->segment->hop);
            return true;
        }
    }
    return false;
}

static myo_feature_shape_t engine_shape(const void *config) {
    const myo_stft_config_t *const own = config;
    const uint32_t n_components = (uint32_t)own->n_segments * own->segment->n_features;
    return (myo_feature_shape_t){own->segment->n_channels, own->window, own->hop, (uint16_t)n_components};
}

static size_t engine_memory_words(const void *config) {
    return kept_words(config);
}

static size_t engine_scratch_words(const void *config) {
    const myo_stft_config_t *const own = config;
    return myo_spectrum_scratch_words(own->segment);
}

static myo_status_t engine_init(void *state, const void *config, uint32_t *memory, size_t memory_words,
                                uint32_t *scratch) {
    return myo_stft_init_apart(state, config, memory, memory_words, scratch);
}

static void engine_reset(void *state) {
    myo_stft_reset(state);
}

static bool engine_push(void *state, const int16_t **frames, size_t *n_frames, int32_t *words) {
    return myo_stft_push(state, frames, n_frames, words);
}

const myo_feature_engine_t myo_stft_engine = {engine_shape, engine_memory_words, engine_scratch_words,
                                              engine_init,  engine_reset,        engine_push};
