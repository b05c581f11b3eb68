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

/* Two frames of one channel. */
typedef struct {
    int32_t first, second;
} pair_t;

/* One row of two frames; returns the next row's terms. */
static const myo_matrix_term_t *run_row(const myo_matrix_term_t *term, uint32_t n_terms, const pair_t *x,
                                        uint32_t shift, pair_t *y) {
    const int64_t half = (int64_t)1 << shift >> 1;
    int64_t first = half, second = half;
    for (const myo_matrix_term_t *const end = term + n_terms; term < end; term++) {
        const pair_t *const from = &x[term->channel];
        first += (int64_t)term->weight * from->first;
        second += (int64_t)term->weight * from->second;
    }
    *y = (pair_t){myo_step_narrow(first, shift), myo_step_narrow(second, shift)};
    return term;
}

static uint32_t run(const myo_step_t *step, int32_t *state, int32_t *block, uint32_t n_frames) {
    (void)state;
    const myo_matrix_config_t *config = step->config;
    /* Two frames at a time, which share the list of terms. Where their number is odd the last second frame is
       zeros, given to nobody; a block has room for it, since MYO_BLOCK_FRAMES is even. */
    for (uint32_t frame = 0; frame < n_frames; frame += 2u) {
        pair_t x[MYO_STEP_MAX_CHANNELS]; /* a copy: rows are written where channels are still read */
        const int32_t *from = &block[frame];
        for (uint32_t channel = 0; channel < step->n_in; channel++, from += MYO_BLOCK_FRAMES) {
            x[channel] = (pair_t){from[0], frame + 1u < n_frames ? from[1] : 0};
        }
        const myo_matrix_term_t *term = config->terms;
        int32_t *to = &block[frame];
        for (uint32_t row = 0; row < step->n_out; row++, to += MYO_BLOCK_FRAMES) {
            pair_t y;
            term = run_row(term, config->n_terms[row], x, config->shift, &y);
            to[0] = y.first;
            to[1] = y.second;
        }
    }
    return n_frames;
}

const myo_step_kind_t myo_matrix_kind = {.check = check, .count_state = myo_step_no_state, .run = run};
