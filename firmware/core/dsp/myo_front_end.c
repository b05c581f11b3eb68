#include "dsp/myo_front_end.h"

#include <string.h>

#include "dsp/myo_scale.h"

uint16_t myo_front_end_channels(const myo_front_end_config_t *config) {
    return config->n_steps > 0 ? config->steps[config->n_steps - 1u].n_out : config->n_channels;
}

uint32_t myo_front_end_decimation(const myo_front_end_config_t *config) {
    uint32_t decimation = 1;
    for (uint32_t i = 0; i < config->n_steps; i++) {
        decimation *= config->steps[i].decimation;
    }
    return decimation;
}

size_t myo_front_end_block_words(const myo_front_end_config_t *config) {
    size_t widest = config->n_channels;
    for (uint32_t i = 0; i < config->n_steps; i++) {
        widest = config->steps[i].n_out > widest ? config->steps[i].n_out : widest;
    }
    return widest * MYO_BLOCK_FRAMES;
}

static myo_status_t check_step(const myo_step_t *step, uint16_t n_in) {
    if (step->kind == NULL) {
        return MYO_ERROR_NULL;
    }
    if (step->n_in != n_in || step->n_out == 0 || step->n_out > MYO_STEP_MAX_CHANNELS ||
        step->decimation == 0 || step->align < -31 || step->align > 31) {
        return MYO_ERROR_CONFIG;
    }
    return step->kind->check(step);
}

static myo_status_t check_config(const myo_front_end_config_t *config) {
    if (config->n_channels == 0 || config->n_channels > MYO_STEP_MAX_CHANNELS ||
        config->n_steps > MYO_FRONT_END_MAX_STEPS || config->input_shift < -31 || config->input_shift > 31) {
        return MYO_ERROR_CONFIG;
    }
    if (config->n_steps > 0 && config->steps == NULL) {
        return MYO_ERROR_NULL;
    }
    uint16_t n_channels = config->n_channels;
    for (uint32_t i = 0; i < config->n_steps; i++) {
        const myo_status_t status = check_step(&config->steps[i], n_channels);
        if (status != MYO_OK) {
            return status;
        }
        n_channels = config->steps[i].n_out;
    }
    return MYO_OK;
}

myo_status_t myo_front_end_init(myo_front_end_t *self, const myo_front_end_config_t *config, int32_t *state,
                                size_t state_words) {
    if (self == NULL || config == NULL) {
        return MYO_ERROR_NULL;
    }
    const myo_status_t status = check_config(config);
    if (status != MYO_OK) {
        return status;
    }
    size_t needed = 0;
    for (uint32_t i = 0; i < config->n_steps; i++) {
        needed += config->steps[i].kind->count_state(&config->steps[i]);
    }
    if (needed > state_words) {
        return MYO_ERROR_MEMORY;
    }
    if (needed > 0 && state == NULL) {
        return MYO_ERROR_NULL;
    }
    *self = (myo_front_end_t){.config = config, .state = state, .state_words = needed};
    myo_front_end_reset(self);
    return MYO_OK;
}

void myo_front_end_reset(myo_front_end_t *self) {
    if (self->state_words > 0) {
        memset(self->state, 0, self->state_words * sizeof *self->state);
    }
}

static void align_block(const myo_step_t *step, int32_t *block, uint32_t n_frames) {
    for (uint32_t channel = 0; channel < step->n_in; channel++) {
        myo_scale_words(step->align, &block[channel * MYO_BLOCK_FRAMES], n_frames);
    }
}

uint32_t myo_front_end_run(myo_front_end_t *self, const int32_t *counts, int32_t *block, uint32_t n_frames) {
    const myo_front_end_config_t *config = self->config;
    for (uint32_t channel = 0; channel < config->n_channels; channel++) {
        myo_scale_counts(config->input_shift, &counts[channel], config->n_channels,
                         &block[channel * MYO_BLOCK_FRAMES], n_frames);
    }
    int32_t *state = self->state;
    for (uint32_t i = 0; i < config->n_steps && n_frames > 0; i++) {
        const myo_step_t *step = &config->steps[i];
        if (step->align != 0) {
            align_block(step, block, n_frames);
        }
        n_frames = step->kind->run(step, state, block, n_frames);
        state += step->kind->count_state(step);
    }
    return n_frames;
}
