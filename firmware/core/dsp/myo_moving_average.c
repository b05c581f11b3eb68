#include "dsp/myo_moving_average.h"

#include <string.h>

static myo_status_t check(const myo_step_t *step) {
    const myo_moving_average_config_t *config = step->config;
    if (config == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->n < 2 || config->n > MYO_MOVING_AVERAGE_MAX || config->before > 12 ||
        1u << config->before < config->n || config->shift < 1 || config->shift > 31) {
        return MYO_ERROR_CONFIG;
    }
    return myo_step_check_plain(step);
}

static size_t count_channel(const myo_moving_average_config_t *config) {
    return (size_t)config->n + 3u;
}

static size_t count_state(const myo_step_t *step) {
    return count_channel(step->config) * step->n_in;
}

static void run_channel(const myo_moving_average_config_t *config, int32_t *state, int32_t *x,
                        uint32_t n_frames) {
    const uint32_t n = config->n, before = config->before, shift = config->shift;
    const int32_t multiplier = config->multiplier;
    const int64_t half = (int64_t)1 << (shift - 1u);
    int64_t sum;
    memcpy(&sum, &state[n], sizeof sum); /* the words need not lie at a multiple of eight */
    uint32_t oldest = (uint32_t)state[n + 2u];
    for (uint32_t i = 0; i < n_frames; i++) {
        sum += (int64_t)x[i] - state[oldest];
        state[oldest] = x[i];
        oldest = oldest + 1u == n ? 0u : oldest + 1u;
        x[i] = myo_step_narrow((int64_t)myo_step_narrow(sum, before) * multiplier + half, shift);
    }
    memcpy(&state[n], &sum, sizeof sum);
    state[n + 2u] = (int32_t)oldest;
}

static uint32_t run(const myo_step_t *step, int32_t *state, int32_t *block, uint32_t n_frames) {
    const myo_moving_average_config_t *config = step->config;
    for (uint32_t channel = 0; channel < step->n_in; channel++) {
        run_channel(config, state, &block[channel * MYO_BLOCK_FRAMES], n_frames);
        state += count_channel(config);
    }
    return n_frames;
}

const myo_step_kind_t myo_moving_average_kind = {.check = check, .count_state = count_state, .run = run};
