/* Pushes recorded words hop by hop into one family of features and counts the words that differ from the
   twin's.

   Prints "DIFFERING <words> EQUAL <windows> OF <windows> MEMORY <words>". The first region between roi_begin
   and roi_end is empty, so that a counter can subtract its cost; then comes one region for each of the first
   windows after the first: the push of one hop that ends in a decision. */
#include "board.h"
#include "part.h" /* PART_ENGINE, PART_CONFIG, PART_MEMORY_WORDS, PART_N_WORDS: made by bench_wavelet.py */
#include "stream/myo_feature_stage.h"
#include "vectors.h" /* N_FRAMES, N_WINDOWS, vector_frames, vector_words */

#define N_REGIONS 8

static uint32_t memory[PART_MEMORY_WORDS];
static int32_t words[PART_N_WORDS];

__attribute__((noinline)) void roi_begin(void) {
    __asm__ volatile("nop");
}

__attribute__((noinline)) void roi_end(void) {
    __asm__ volatile("nop");
}

int main(void) {
    const myo_feature_engine_t *const engine = &PART_ENGINE;
    const myo_feature_shape_t shape = engine->shape(&PART_CONFIG);
    myo_feature_state_t state;
    uint32_t n_differing = 0;
    uint32_t n_equal = 0;
    uint32_t window = 0;
    if (engine->init(&state, &PART_CONFIG, memory, PART_MEMORY_WORDS) != MYO_OK) {
        board_print("INIT\n");
        return 1;
    }
    roi_begin();
    roi_end();
    for (size_t done = 0; done < N_FRAMES;) {
        const size_t portion = done == 0 ? shape.window : shape.hop;
        size_t n_frames = portion < N_FRAMES - done ? portion : N_FRAMES - done;
        const int16_t *frames = vector_frames + done * shape.n_channels;
        const bool is_counted = window > 0 && window <= N_REGIONS;
        done += n_frames;
        if (is_counted) {
            roi_begin();
        }
        const bool is_window = engine->push(&state, &frames, &n_frames, words);
        if (is_counted) {
            roi_end();
        }
        if (is_window) {
            uint32_t n = 0;
            for (uint32_t k = 0; k < PART_N_WORDS; k++) {
                n += words[k] != vector_words[window][k];
            }
            n_differing += n;
            n_equal += n == 0;
            window++;
        }
    }
    board_print("DIFFERING ");
    board_print_number(n_differing);
    board_print(" EQUAL ");
    board_print_number(n_equal);
    board_print(" OF ");
    board_print_number(N_WINDOWS);
    board_print(" MEMORY ");
    board_print_number((uint32_t)engine->memory_words(&PART_CONFIG));
    board_print("\n");
    return n_differing != 0;
}
