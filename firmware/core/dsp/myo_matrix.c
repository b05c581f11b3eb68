#include "dsp/myo_matrix.h"

static myo_status_t check(const myo_step_t *step) {
    const myo_matrix_config_t *config = step->config;
    if (config == NULL || config->n_terms == NULL || config->terms == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->shift > 31 || step->n_in > MYO_STEP_MAX_CHANNELS || step->decimation != 1) {
        return MYO_ERROR_CONFIG;
    }
    const myo_matrix_term_t *term = config->terms;
    for (uint32_t row = 0; row < step->n_out; row++) {
        if (config->n_terms[row] == 0) {
            return MYO_ERROR_CONFIG;
        }
        for (uint32_t i = 0; i < config->n_terms[row]; i++, term++) {
            if (term->channel >= step->n_in) {
                return MYO_ERROR_CONFIG;
            }
        }
    }
    return MYO_OK;
}

static uint32_t run(const myo_step_t *step, int32_t *state, int32_t *block, uint32_t n_frames) {
    (void)state;
    const myo_matrix_config_t *config = step->config;
    const uint32_t shift = config->shift;
    const int64_t half = shift > 0 ? (int64_t)1 << (shift - 1u) : 0;
    for (uint32_t frame = 0; frame < n_frames; frame++) {
        int32_t x[MYO_STEP_MAX_CHANNELS]; /* a copy: rows are written where channels are still read */
        for (uint32_t channel = 0; channel < step->n_in; channel++) {
            x[channel] = block[channel * MYO_BLOCK_FRAMES + frame];
        }
        const myo_matrix_term_t *term = config->terms;
        for (uint32_t row = 0; row < step->n_out; row++) {
            int64_t sum = half;
            for (const myo_matrix_term_t *const end = term + config->n_terms[row]; term < end; term++) {
                sum += (int64_t)term->weight * x[term->channel];
            }
            block[row * MYO_BLOCK_FRAMES + frame] = (int32_t)(sum >> shift);
        }
    }
    return n_frames;
}

const myo_step_kind_t myo_matrix_kind = {.check = check, .count_state = myo_step_no_state, .run = run};
