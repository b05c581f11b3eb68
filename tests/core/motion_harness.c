/* Removal of motion: one operation; numbers are little-endian words, as the host is.

   M: n_emg, first, every, delay, stream, taps, slowness, limit, quiet (two words), input shift, channels of
   the reference, steps, channels of a block, words of memory, blocks; the steps; the blocks' sizes (0:
   reset); and frame by frame whether it is marked and its words
   -> status; then every block's words, frame by frame. */
#include "dsp/myo_motion.h"
#include "harness.h"
#include "step_reader.h"

#define MOST_CHANNELS 64u

typedef struct {
    int32_t n_emg, first, every, delay, stream, taps, slowness, limit;
    uint32_t quiet_low, quiet_high;
    int32_t input_shift, n_references, n_steps, n_channels, n_words, n_blocks;
} request_t;

static void run_motion(const int32_t *data, buffer_t *out) {
    static myo_step_t steps[MAX_STEPS];
    static int32_t block[MOST_CHANNELS * MYO_BLOCK_FRAMES];
    request_t r;
    memcpy(&r, data, sizeof r);
    data = read_steps(data + sizeof r / sizeof *data, steps, 0, (uint32_t)r.n_steps);
    const myo_motion_config_t config = {
        .chain = {.steps = steps,
                  .n_steps = (uint8_t)r.n_steps,
                  .input_shift = (int8_t)r.input_shift,
                  .n_channels = (uint16_t)r.n_references},
        .n_emg = (uint16_t)r.n_emg,
        .first = (uint16_t)r.first,
        .every = (uint16_t)r.every,
        .delay = (uint16_t)r.delay,
        .stream = (uint8_t)r.stream,
        .taps = (uint8_t)r.taps,
        .slowness = (uint8_t)r.slowness,
        .limit = r.limit,
        .quiet = (uint64_t)r.quiet_high << 32 | r.quiet_low,
        .functions = &myo_motion_functions,
    };
    const size_t n_words = (size_t)r.n_words, n_channels = (size_t)r.n_channels;
    int32_t *const words = malloc(4 * n_words + 1); /* not cleared: init does */
    memset(words, 0x5a, 4 * n_words);
    myo_motion_t state;
    const myo_motion_memory_t own_memory = {.state = &state, .words = words, .n_words = n_words};
    const myo_status_t status = config.functions->init(&config, &own_memory, (uint16_t)n_channels);
    buffer_add_u32(out, status);
    const int32_t *frames = data + r.n_blocks;
    for (int32_t k = 0; k < r.n_blocks && status == MYO_OK; k++) {
        const uint32_t n_frames = (uint32_t)data[k];
        if (n_frames == 0) {
            config.functions->reset(&config, &own_memory);
            continue;
        }
        uint32_t marks = 0;
        for (uint32_t i = 0; i < n_frames; i++) {
            marks |= (uint32_t)*frames++ << i;
            for (size_t channel = 0; channel < n_channels; channel++) {
                block[channel * MYO_BLOCK_FRAMES + i] = *frames++;
            }
        }
        config.functions->run(&config, &own_memory, block, n_frames, marks);
        for (size_t i = 0; i < n_frames * n_channels; i++) {
            buffer_add(out, &block[i % n_channels * MYO_BLOCK_FRAMES + i / n_channels], 4);
        }
    }
    free(words);
    free_steps();
}

int main(void) {
    return harness_serve('M', run_motion);
}
