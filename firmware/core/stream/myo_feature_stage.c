#include "stream/myo_feature_stage.h"

#include <string.h>

/* Gives each part its memory and checks that its windows are those of the stage. */
static myo_status_t init_parts(const myo_feature_stage_config_t *config,
                               const myo_feature_stage_memory_t *memory) {
    size_t n_scratch = 0;
    for (uint16_t k = 0; k < config->n_parts; k++) {
        const myo_feature_part_t *const part = &config->parts[k];
        if (part->engine == NULL || part->config == NULL) {
            return MYO_ERROR_NULL;
        }
        const size_t n = part->engine->scratch_words != NULL ? part->engine->scratch_words(part->config) : 0;
        n_scratch = n > n_scratch ? n : n_scratch;
    }
    if (memory->n_sums < n_scratch) {
        return MYO_ERROR_MEMORY;
    }
    uint32_t *const scratch = memory->sums; /* parts run one after the other */
    uint32_t *sums = scratch + n_scratch;
    size_t n_left = memory->n_sums - n_scratch;
    uint32_t n_components = 0;
    for (uint16_t k = 0; k < config->n_parts; k++) {
        const myo_feature_part_t *const part = &config->parts[k];
        const myo_status_t status =
            part->engine->init(&memory->states[k], part->config, sums, n_left, scratch);
        if (status != MYO_OK) {
            return status;
        }
        const myo_feature_shape_t shape = part->engine->shape(part->config);
        if (shape.n_channels != config->shape.n_channels || shape.window != config->shape.window ||
            shape.hop != config->shape.hop) {
            return MYO_ERROR_CONFIG;
        }
        const size_t n_words = part->engine->memory_words(part->config);
        sums += n_words;
        n_left -= n_words;
        n_components += shape.n_components;
    }
    return n_components == config->shape.n_components ? MYO_OK : MYO_ERROR_CONFIG;
}

static myo_status_t init(const myo_feature_stage_config_t *config, const myo_feature_stage_memory_t *memory,
                         size_t block_frames) {
    if (config->parts == NULL || config->normalize == NULL || memory->states == NULL ||
        memory->sums == NULL || memory->frames == NULL || memory->words == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->shift < 1 || config->shift > 31 || config->n_parts < 1 || config->n_windows < 1) {
        return MYO_ERROR_CONFIG;
    }
    if (memory->n_states < config->n_parts) {
        return MYO_ERROR_MEMORY;
    }
    const myo_status_t status = init_parts(config, memory);
    if (status != MYO_OK) {
        return status;
    }
    const size_t n_words = myo_feature_stage_words(config);
    if (memory->n_words < n_words || memory->n_frame_words < block_frames * config->shape.n_channels) {
        return MYO_ERROR_MEMORY;
    }
    return myo_normalize_check(config->normalize, n_words);
}

static void reset(const myo_feature_stage_config_t *config, const myo_feature_stage_memory_t *memory) {
    for (uint16_t k = 0; k < config->n_parts; k++) {
        config->parts[k].engine->reset(&memory->states[k]);
    }
}

static void push(const myo_feature_stage_config_t *config, const myo_feature_stage_memory_t *memory,
                 const int32_t *block, size_t block_frames, size_t n_frames) {
    const size_t n_channels = config->shape.n_channels;
    const uint32_t shift = config->shift;
    for (size_t channel = 0; channel < n_channels; channel++) {
        const int32_t *const x_q31 = &block[channel * block_frames];
        int16_t *word = &memory->frames[channel];
        for (size_t i = 0; i < n_frames; i++) {
            *word = myo_features_word(x_q31[i], shift);
            word += n_channels;
        }
    }
    int32_t *words = memory->words;
    for (uint16_t k = 0; k < config->n_parts; k++) {
        const myo_feature_part_t *const part = &config->parts[k];
        const int16_t *frames = memory->frames;
        size_t n_left = n_frames;
        (void)part->engine->push(&memory->states[k], &frames, &n_left, words);
        words += (size_t)part->engine->shape(part->config).n_components * n_channels;
    }
}

static int8_t *append(const myo_feature_stage_config_t *config, const myo_feature_stage_memory_t *memory,
                      int8_t *input) {
    const size_t n_words = myo_feature_stage_words(config);
    const size_t n_kept = (config->n_windows - 1u) * n_words;
    memmove(input, input + n_words, n_kept);
    myo_normalize_int8(config->normalize, memory->words, n_words, config->zero_point, input + n_kept);
    return input + n_kept;
}

const myo_feature_stage_functions_t myo_feature_stage_functions = {
    .init = init, .reset = reset, .push = push, .append = append};
