#include "stream/myo_feature_stage.h"

static myo_status_t init(const myo_feature_stage_config_t *config, const myo_feature_stage_memory_t *memory,
                         size_t block_frames) {
    if (config->features == NULL || config->normalize == NULL || memory->state == NULL ||
        memory->sums == NULL || memory->frames == NULL || memory->words == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->shift < 1 || config->shift > 31) {
        return MYO_ERROR_CONFIG;
    }
    const myo_status_t status =
        myo_features_init(memory->state, config->features, memory->sums, memory->n_sums);
    if (status != MYO_OK) {
        return status;
    }
    const size_t n_words = myo_feature_stage_words(config);
    if (memory->n_words < n_words || memory->n_frame_words < block_frames * config->features->n_channels) {
        return MYO_ERROR_MEMORY;
    }
    return myo_normalize_check(config->normalize, n_words);
}

static void reset(const myo_feature_stage_memory_t *memory) {
    myo_features_reset(memory->state);
}

static void push(const myo_feature_stage_config_t *config, const myo_feature_stage_memory_t *memory,
                 const int32_t *block, size_t block_frames, size_t n_frames) {
    const size_t n_channels = config->features->n_channels;
    const uint32_t shift = config->shift;
    for (size_t channel = 0; channel < n_channels; channel++) {
        const int32_t *const x_q31 = &block[channel * block_frames];
        int16_t *word = &memory->frames[channel];
        for (size_t i = 0; i < n_frames; i++) {
            *word = myo_features_word(x_q31[i], shift);
            word += n_channels;
        }
    }
    const int16_t *frames = memory->frames;
    (void)myo_features_push(memory->state, &frames, &n_frames, memory->words);
}

static void normalize(const myo_feature_stage_config_t *config, const myo_feature_stage_memory_t *memory,
                      int8_t *input) {
    myo_normalize_int8(config->normalize, memory->words, myo_feature_stage_words(config), config->zero_point,
                       input);
}

const myo_feature_stage_functions_t myo_feature_stage_functions = {
    .init = init, .reset = reset, .push = push, .normalize = normalize};
