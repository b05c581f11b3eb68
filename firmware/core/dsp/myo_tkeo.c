#include "dsp/myo_tkeo.h"

static myo_status_t check(const myo_step_t *step) {
    const myo_tkeo_config_t *config = step->config;
    if (config == NULL) {
        return MYO_ERROR_NULL;
    }
    return config->shift < 1 || config->shift > 62 ? MYO_ERROR_CONFIG : myo_step_check_plain(step);
}

static size_t count_state(const myo_step_t *step) {
    return (size_t)2u * step->n_in;
}

static uint32_t run(const myo_step_t *step, int32_t *state, int32_t *block, uint32_t n_frames) {
    const uint32_t shift = ((const myo_tkeo_config_t *)step->config)->shift;
    const int64_t half = (int64_t)1 << (shift - 1u);
    for (uint32_t channel = 0; channel < step->n_in; channel++, state += 2) {
        int32_t *const x = &block[channel * MYO_BLOCK_FRAMES];
        int32_t before = state[0], earlier = state[1];
        for (uint32_t i = 0; i < n_frames; i++) {
            const int32_t now = x[i];
            const int64_t energy = (int64_t)before * before - (int64_t)now * earlier;
            x[i] = (int32_t)((energy + half) >> shift);
            earlier = before;
            before = now;
        }
        state[0] = before;
        state[1] = earlier;
    }
    return n_frames;
}

const myo_step_kind_t myo_tkeo_kind = {.check = check, .count_state = count_state, .run = run};
