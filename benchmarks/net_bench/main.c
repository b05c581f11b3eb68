/* Runs a network on its recorded inputs and counts the output words that differ from the recorded outputs.

   Prints "DIFFERING <words> EQUAL <inputs> OF <inputs>". The first region between roi_begin and roi_end is
   empty, so that a counter can subtract its cost; then comes one region for each of the first inputs. */
#include <string.h>

#include "board.h"
#include "net.h"
#include "vectors.h" /* N_VECTORS, vector_inputs, vector_outputs: made by bench_network.py */

#define N_REGIONS 8

static _Alignas(16) uint8_t arena[NET_ARENA_SIZE];
static int8_t output[NET_OUTPUT_SIZE];

__attribute__((noinline)) void roi_begin(void) {
    __asm__ volatile("nop");
}

__attribute__((noinline)) void roi_end(void) {
    __asm__ volatile("nop");
}

int main(void) {
    uint32_t n_differing = 0;
    uint32_t n_equal = 0;

    net_init(arena);
    roi_begin();
    roi_end();
    for (uint32_t i = 0; i < N_VECTORS; i++) {
        if (i < N_REGIONS) {
            roi_begin();
            net_run(arena, vector_inputs[i], output);
            roi_end();
        } else {
            net_run(arena, vector_inputs[i], output);
        }
        uint32_t n = 0;
        for (uint32_t k = 0; k < NET_OUTPUT_SIZE; k++) {
            n += output[k] != vector_outputs[i][k];
        }
        n_differing += n;
        n_equal += n == 0;
    }
    board_print("DIFFERING ");
    board_print_number(n_differing);
    board_print(" EQUAL ");
    board_print_number(n_equal);
    board_print(" OF ");
    board_print_number(N_VECTORS);
    board_print("\n");
    return n_differing != 0;
}
