/* The front end's chain of steps: one operation; numbers are little-endian words, as the host is.

   F: channels, input shift, words of state, steps, blocks; per step kind, n_in, n_out, decimation, align,
   shift, count, n_words and its words; per block its frames (0: reset); counts -> status, then per block the
   frames that it gave and their words, frame by frame. */
#include "harness.h"
#include "step_reader.h"

static void run_chain(const int32_t *data, buffer_t *out) {
    const uint32_t n_channels = (uint32_t)data[0], n_steps = (uint32_t)data[3], n_blocks = (uint32_t)data[4];
    const size_t state_words = (size_t)data[2];
    const int8_t input_shift = (int8_t)data[1];
    static myo_step_t steps[MAX_STEPS];
    data = read_steps(data + 5, steps, 0, n_steps);
    const myo_front_end_config_t config = {.steps = n_steps > 0 ? steps : NULL,
                                           .n_steps = (uint8_t)n_steps,
                                           .input_shift = input_shift,
                                           .n_channels = (uint16_t)n_channels};
    int32_t *state = malloc(4 * state_words + 1); /* not cleared: init does */
    memset(state, 0x5a, 4 * state_words);
    myo_front_end_t self;
    const myo_status_t status = myo_front_end_init(&self, &config, state, state_words);
    buffer_add_u32(out, status);
    if (status == MYO_OK) {
        const uint16_t n_out = myo_front_end_channels(&config);
        int32_t *block = malloc(4 * myo_front_end_block_words(&config));
        const int32_t *counts = data + n_blocks;
        for (uint32_t b = 0; b < n_blocks; b++) {
            const uint32_t n_frames = (uint32_t)data[b];
            if (n_frames == 0) {
                myo_front_end_reset(&self);
                continue;
            }
            const uint32_t n_given = myo_front_end_run(&self, counts, block, n_frames);
            counts += n_frames * n_channels;
            buffer_add_u32(out, n_given);
            for (uint32_t i = 0; i < n_given * n_out; i++) {
                buffer_add(out, &block[i % n_out * MYO_BLOCK_FRAMES + i / n_out], 4);
            }
        }
        free(block);
    }
    free(state);
    free_steps();
}

int main(void) {
    return harness_serve('F', run_chain);
}
