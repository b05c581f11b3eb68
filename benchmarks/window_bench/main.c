/* Pushes recorded words hop by hop and counts the features that differ from the twin's.

   Prints "DIFFERING <words> EQUAL <windows> OF <windows> MEMORY <words>". The first region between roi_begin
   and roi_end is empty, so that a counter can subtract its cost; then comes one region for each of the first
   windows after the first: the push of one hop that ends in a decision. */
#include "board.h"
#include "subject.h" /* which features: subject_t and what names its functions */
#include "vectors.h" /* N_FRAMES, N_WINDOWS, N_WORDS, vector_frames, vector_words; both made by window_image.py */

#define N_REGIONS 8

static uint32_t memory[SUBJECT_MEMORY_WORDS];
static int32_t words[N_WORDS];

__attribute__((noinline)) void roi_begin(void) {
    __asm__ volatile("nop");
}

__attribute__((noinline)) void roi_end(void) {
    __asm__ volatile("nop");
}

int main(void) {
    subject_t subject;
    uint32_t n_differing = 0;
    uint32_t n_equal = 0;
    uint32_t window = 0;
    if (subject_init(&subject, &subject_config, memory, SUBJECT_MEMORY_WORDS) != MYO_OK) {
        board_print("INIT\n");
        return 1;
    }
    roi_begin();
    roi_end();
    for (size_t done = 0; done < N_FRAMES;) {
        const size_t portion = done == 0 ? SUBJECT_WINDOW : SUBJECT_HOP;
        size_t n_frames = portion < N_FRAMES - done ? portion : N_FRAMES - done;
        const int16_t *frames = vector_frames + done * SUBJECT_N_CHANNELS;
        const bool is_counted = window > 0 && window <= N_REGIONS;
        done += n_frames;
        if (is_counted) {
            roi_begin();
        }
        const bool is_window = subject_push(&subject, &frames, &n_frames, words);
        if (is_counted) {
            roi_end();
        }
        if (is_window) {
            uint32_t n = 0;
            for (uint32_t k = 0; k < N_WORDS; k++) {
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
    board_print_number((uint32_t)subject_memory_words(&subject_config));
    board_print("\n");
    return n_differing != 0;
}
