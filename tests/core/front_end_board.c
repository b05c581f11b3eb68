/* A chain of steps on a board, in blocks of random sizes over random counts with beats in them; prints a hash
   of all words that it gave, for test_front_end_on_cores.py, which draws the same numbers and runs the twin.
   generated_steps.c is the export's. */
#include "board.h"
#include "dsp/myo_front_end.h"
#include "generated_steps.c"

static uint32_t generator = 1;

static uint32_t draw(void) {
    generator = generator * 1664525u + 1013904223u;
    return generator >> 16;
}

int main(void) {
    static const myo_front_end_config_t config = {.steps = steps,
                                                  .n_steps = sizeof steps / sizeof steps[0],
                                                  .input_shift = INPUT_SHIFT,
                                                  .n_channels = N_CHANNELS};
    static int32_t state[STATE_WORDS + 1], block[MYO_BLOCK_FRAMES * WIDEST],
        counts[MYO_BLOCK_FRAMES * N_CHANNELS];
    myo_front_end_t self;
    if (myo_front_end_init(&self, &config, state, STATE_WORDS) != MYO_OK ||
        myo_front_end_block_words(&config) > sizeof block / sizeof *block) {
        return 1;
    }
    uint32_t hash = 0;
    for (uint32_t frame = 0; frame < N_FRAMES;) {
        const uint32_t n = 1u + draw() % MYO_BLOCK_FRAMES;
        for (uint32_t i = 0; i < n; i++, frame++) {
            for (uint32_t channel = 0; channel < N_CHANNELS; channel++) {
                const int32_t noise = (int32_t)(draw() % 801u) - 400;
                counts[i * N_CHANNELS + channel] = frame % BEAT_FRAMES < 6 ? noise + 1600 : noise;
            }
        }
        const uint32_t n_given = myo_front_end_run(&self, counts, block, n);
        for (uint32_t i = 0; i < n_given; i++) {
            for (uint32_t channel = 0; channel < myo_front_end_channels(&config); channel++) {
                hash = hash * 31u + (uint32_t)block[channel * MYO_BLOCK_FRAMES + i];
            }
        }
    }
    board_print("HASH ");
    board_print_number(hash);
    board_print("\n");
    return 0;
}
