#include "dsp/myo_decimate.h"

static myo_status_t check(const myo_step_t *step) {
    return step->n_in == step->n_out && step->decimation > 1 ? MYO_OK : MYO_ERROR_CONFIG;
}

static size_t count_state(const myo_step_t *step) {
    (void)step;
    return 1;
}

static uint32_t run(const myo_step_t *step, int32_t *state, int32_t *block, uint32_t n_frames) {
    const uint32_t factor = step->decimation;
    const uint32_t since = (uint32_t)*state;
    const uint32_t n_kept = (since + n_frames) / factor;
    for (uint32_t channel = 0; channel < step->n_in; channel++) {
        int32_t *const x = &block[channel * MYO_BLOCK_FRAMES];
        for (uint32_t kept = 0, from = factor - 1u - since; kept < n_kept; kept++, from += factor) {
            x[kept] = x[from];
        }
    }
    *state = (int32_t)((since + n_frames) % factor);
    return n_kept;
}

const myo_step_kind_t myo_decimate_kind = {.check = check, .count_state = count_state, .run = run};
