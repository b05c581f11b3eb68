/* Random cascades on a board, in blocks of random sizes; prints a hash of all words that they gave, for
   test_sos_on_cores.py, which draws the same numbers and runs cmsisdsp. */
#include "board.h"
#include "dsp/myo_sos.h"

#define N_CASCADES 120u
#define N_BLOCKS 5u
#define MAX_SECTIONS 4u
#define MAX_BLOCK 40u

static uint32_t state = 1;

static uint32_t draw(void) {
    state = state * 1664525u + 1013904223u;
    return state >> 16;
}

static int32_t draw_word(void) {
    const uint32_t high = draw();
    return (int32_t)(high << 16 | draw());
}

int main(void) {
    uint32_t hash = 0;
    for (uint32_t k = 0; k < N_CASCADES; k++) {
        int32_t coefficients[5 * MAX_SECTIONS], memory[MYO_SOS_STATE_WORDS * MAX_SECTIONS], words[MAX_BLOCK];
        const uint32_t n_sections = 1u + k % MAX_SECTIONS;
        for (uint32_t i = 0; i < 5u * n_sections; i++) {
            coefficients[i] = draw_word() / (1 << k % 3u);
        }
        const myo_sos_config_t config = {
            .n_sections = (uint8_t)n_sections,
            .input_shift = 0,
            .post_shift = (uint8_t)(k / MAX_SECTIONS % 6u), /* 5 has no function of its own */
            .coefficients = coefficients};
        myo_sos_t sos;
        if (myo_sos_init(&sos, &config, memory, sizeof memory / sizeof *memory) != MYO_OK) {
            return 1;
        }
        for (uint32_t block = 0; block < N_BLOCKS; block++) {
            const uint32_t n = draw() % (MAX_BLOCK + 1u);
            for (uint32_t i = 0; i < n; i++) {
                words[i] = draw_word();
            }
            myo_sos_run(&sos, words, words, n);
            for (uint32_t i = 0; i < n; i++) {
                hash = hash * 31u + (uint32_t)words[i];
            }
        }
    }
    board_print("HASH ");
    board_print_number(hash);
    board_print("\n");
    return 0;
}
