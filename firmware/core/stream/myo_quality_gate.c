#include "stream/myo_quality_gate.h"

static void update_mask(const myo_quality_gate_config_t *config, const myo_quality_gate_memory_t *memory) {
    const uint64_t bad = myo_quality_mask(&memory->state->quality, config->mask_flags);
    uint64_t masked = 0;
    for (uint32_t channel = 0; channel < config->quality->n_channels; channel++) {
        masked |= (bad >> channel & 1u) != 0 ? config->reach[channel] : 0;
    }
    memory->state->masked = masked;
    memory->state->n_masked = 0;
    for (; masked != 0; masked &= masked - 1u) {
        memory->state->n_masked++;
    }
}

static void reset(const myo_quality_gate_memory_t *memory) {
    myo_quality_reset(&memory->state->quality);
    memory->state->masked = 0;
    memory->state->n_masked = 0;
}

static myo_status_t init(const myo_quality_gate_config_t *config, const myo_quality_gate_memory_t *memory,
                         uint16_t n_channels, uint16_t n_behind) {
    if (config->quality == NULL || config->reach == NULL || memory->state == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->quality->n_channels != n_channels) {
        return MYO_ERROR_CONFIG;
    }
    for (uint32_t channel = 0; channel < n_channels; channel++) {
        if (n_behind < 64u && config->reach[channel] >> n_behind != 0) {
            return MYO_ERROR_CONFIG;
        }
    }
    const myo_status_t status = myo_quality_init(&memory->state->quality, config->quality, memory->channels,
                                                 memory->n_channels, memory->frames, memory->n_words);
    if (status == MYO_OK) {
        reset(memory);
    }
    return status;
}

static uint32_t left(const myo_quality_gate_memory_t *memory) {
    return myo_quality_left(&memory->state->quality);
}

static bool push(const myo_quality_gate_config_t *config, const myo_quality_gate_memory_t *memory,
                 const int32_t *counts, size_t n_frames) {
    if (!myo_quality_push(&memory->state->quality, &counts, &n_frames)) {
        return false;
    }
    update_mask(config, memory);
    return true;
}

const myo_quality_gate_functions_t myo_quality_gate_functions = {
    .init = init, .reset = reset, .left = left, .push = push, .abstain = myo_decision_abstain};
