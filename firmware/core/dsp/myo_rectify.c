#include "dsp/myo_rectify.h"

static uint32_t run(const myo_step_t *step, int32_t *state, int32_t *block, uint32_t n_frames) {
    (void)state;
    for (uint32_t channel = 0; channel < step->n_in; channel++) {
        int32_t *const x = &block[channel * MYO_BLOCK_FRAMES];
        for (uint32_t i = 0; i < n_frames; i++) {
            const uint32_t word = (uint32_t)x[i];
            x[i] = (int32_t)(x[i] < 0 ? 0u - word : word); /* unsigned: defined for every word */
        }
    }
    return n_frames;
}

const myo_step_kind_t myo_rectify_kind = {
    .check = myo_step_check_plain, .count_state = myo_step_no_state, .run = run};
