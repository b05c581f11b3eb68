#include "dsp/myo_sos_wide.h"

static myo_status_t check(const myo_step_t *step) {
    const myo_sos_config_t *config = step->config;
    if (config == NULL || config->coefficients == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->n_sections < 1 || config->n_sections > MYO_SOS_MAX_SECTIONS || config->post_shift > 30) {
        return MYO_ERROR_CONFIG;
    }
    return myo_step_check_plain(step);
}

static size_t count_state(const myo_step_t *step) {
    const myo_sos_config_t *config = step->config;
    return (size_t)config->n_sections * MYO_SOS_WIDE_STATE_WORDS * step->n_in;
}

static int32_t multiply_high(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b) >> 32);
}

/* Inlined for each post_shift that is common: 64-bit shifts by a constant take half. */
static inline __attribute__((always_inline)) void run_section(const int32_t *coefficients, int32_t *state,
                                                              int32_t *x, uint32_t n_samples,
                                                              uint32_t post_shift) {
    const int32_t b0 = coefficients[0], b1 = coefficients[1], b2 = coefficients[2], a1 = coefficients[3],
                  a2 = coefficients[4];
    int32_t x1 = state[0], x2 = state[1], y1 = state[2], y2 = state[3], e1 = state[4], e2 = state[5];
    for (uint32_t i = 0; i < n_samples; i++) {
        const int32_t now = x[i];
        int64_t sum = (int64_t)(multiply_high(a1, e1) + multiply_high(a2, e2)) * 2;
        sum += (int64_t)b0 * now + (int64_t)b1 * x1 + (int64_t)b2 * x2;
        sum += (int64_t)a2 * y2 + (int64_t)a1 * y1;
        x2 = x1;
        x1 = now;
        y2 = y1;
        e2 = e1;
        y1 = myo_step_narrow(sum, 31u - post_shift);
        e1 = (int32_t)((uint32_t)sum << post_shift << 1 >> 1);
        x[i] = y1 + (e1 >> 30);
    }
    state[0] = x1;
    state[1] = x2;
    state[2] = y1;
    state[3] = y2;
    state[4] = e1;
    state[5] = e2;
}

static uint32_t run(const myo_step_t *step, int32_t *state, int32_t *block, uint32_t n_frames) {
    const myo_sos_config_t *config = step->config;
    for (uint32_t channel = 0; channel < step->n_in; channel++) {
        int32_t *const x = &block[channel * MYO_BLOCK_FRAMES];
        const int32_t *coefficients = config->coefficients;
        for (uint32_t section = 0; section < config->n_sections; section++) {
            if (config->post_shift == 1) {
                run_section(coefficients, state, x, n_frames, 1);
            } else if (config->post_shift == 0) {
                run_section(coefficients, state, x, n_frames, 0);
            } else {
                run_section(coefficients, state, x, n_frames, config->post_shift);
            }
            coefficients += 5;
            state += MYO_SOS_WIDE_STATE_WORDS;
        }
    }
    return n_frames;
}

const myo_step_kind_t myo_sos_wide_kind = {.check = check, .count_state = count_state, .run = run};
