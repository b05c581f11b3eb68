/* Runs many networks on a board and compares every word of every layer; made by test_nn_on_cores.py, which
   writes nn_networks.h. Prints "EQUAL <words>", or the first words that differ. */
#include "board.h"
#include "nn_networks.h" /* networks, n_networks, ARENA_SIZE, LARGEST_INPUT, LARGEST_OUTPUT */

static _Alignas(16) uint8_t arena[ARENA_SIZE];
/* The caller's buffers may stand at any address: here at odd ones. */
static _Alignas(4) int8_t input_buffer[LARGEST_INPUT + 1];
static _Alignas(4) int8_t output_buffer[LARGEST_OUTPUT + 1];

typedef struct {
    const int8_t *expected;
    uint32_t n_equal;
    uint32_t n_differing;
} comparison_t;

static void compare(void *context, uint16_t layer, const int8_t *data, size_t n) {
    comparison_t *found = context;
    uint32_t n_differing = 0;
    for (size_t i = 0; i < n; i++) {
        n_differing += data[i] != found->expected[i];
    }
    if (n_differing > 0 && found->n_differing == 0) {
        board_print("first in layer ");
        board_print_number(layer);
        board_print(" of network ");
    }
    found->n_differing += n_differing;
    found->n_equal += (uint32_t)n - n_differing;
    found->expected += n;
}

int main(void) {
    uint32_t n_equal = 0;
    for (uint32_t k = 0; k < n_networks; k++) {
        const network_t *network = &networks[k];
        comparison_t found = {.expected = network->expected};
        int8_t *const input = input_buffer + 1;
        network->init(arena);
        for (uint32_t i = 0; i < network->n_inputs; i++) {
            for (size_t j = 0; j < network->input_size; j++) {
                input[j] = network->inputs[i * network->input_size + j];
            }
            network->run(arena, input, output_buffer + 1, compare, &found);
        }
        if (found.n_differing > 0) {
            board_print_number(k);
            board_print(": DIFFERING ");
            board_print_number(found.n_differing);
            board_print("\n");
            return 1;
        }
        n_equal += found.n_equal;
    }
    board_print("EQUAL ");
    board_print_number(n_equal);
    board_print("\n");
    return 0;
}
