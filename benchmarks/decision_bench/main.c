/* Decides recorded outputs and counts the decisions that differ from the twin's.

   Prints "DIFFERING <windows> OF <windows> MEMORY <bytes>". The first region between roi_begin and roi_end is
   empty, so that a counter can subtract its cost; then comes one region for each window. */
#include "board.h"
#include "stream/myo_decision_rule.h"
#include "vectors.h" /* decision_config, N_WINDOWS, N_OUTPUTS, vector_*: made by bench_decision.py */

static int8_t history[VOTE * N_OUTPUTS];
static int32_t sums[N_OUTPUTS];

__attribute__((noinline)) void roi_begin(void) {
    __asm__ volatile("nop");
}

__attribute__((noinline)) void roi_end(void) {
    __asm__ volatile("nop");
}

int main(void) {
    myo_decision_state_t state;
    uint32_t n_differing = 0;
    if (myo_decision_init(&state, &decision_config, history, sizeof history, sums, N_OUTPUTS) != MYO_OK) {
        board_print("INIT\n");
        return 1;
    }
    roi_begin();
    roi_end();
    for (uint32_t k = 0; k < N_WINDOWS; k++) {
        myo_decision_t decision;
        if (vector_gated[k] != 0) {
            decision = myo_decision_abstain(&state);
        } else {
            roi_begin();
            decision = myo_decision_run(&state, &vector_outputs[k * N_OUTPUTS]);
            roi_end();
        }
        n_differing += decision.decided != vector_decided[k] || decision.n_votes != vector_votes[k];
    }
    board_print("DIFFERING ");
    board_print_number(n_differing);
    board_print(" OF ");
    board_print_number(N_WINDOWS);
    board_print(" MEMORY ");
    board_print_number(sizeof state + sizeof history + sizeof sums);
    board_print("\n");
    return n_differing != 0;
}
