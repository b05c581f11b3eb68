/* Runs a network on its recorded inputs and counts the output words that differ from the recorded outputs.

   Prints "DIFFERING <words> EQUAL <inputs> OF <inputs> STACK <bytes>", the stack below main's own frame;
   where the board counts ticks, then " TICKS <ticks> IN <regions>", without the empty region's. The
   first region between roi_begin and roi_end is empty, so that a counter can subtract its cost; then comes
   one region for each of the first inputs. A network with a hop gets each input push by push after a reset,
   and the region holds the last push, which gives the output. */
#include <string.h>

#include "board.h"
#include "net.h"
#include "vectors.h" /* N_VECTORS, vector_inputs, vector_outputs: made by bench_network.py */

#define N_REGIONS 8
#define PAINTED_WORDS 1024 /* of stack */
#define PAINT 0xA5C35A3Cu

static uint32_t *painted; /* lowest painted word */

static _Alignas(16) uint8_t arena[NET_ARENA_SIZE];
static int8_t output[NET_OUTPUT_SIZE];

__attribute__((noinline)) void roi_begin(void) {
    __asm__ volatile("nop");
}

__attribute__((noinline)) void roi_end(void) {
    __asm__ volatile("nop");
}

/* Both are frames of the same place: what runs between them finds the paint. */
static __attribute__((noinline)) void paint_stack(void) {
    volatile uint32_t *const frame = __builtin_frame_address(0);
    painted = (uint32_t *)frame - PAINTED_WORDS;
    for (uint32_t i = 0; i < PAINTED_WORDS - 8; i++) { /* the loop's own words stay */
        ((volatile uint32_t *)painted)[i] = PAINT;
    }
}

static __attribute__((noinline)) uint32_t used_stack(void) {
    uint32_t n_untouched = 0;
    while (((volatile uint32_t *)painted)[n_untouched] == PAINT) {
        n_untouched++;
    }
    return (PAINTED_WORDS - n_untouched) * (uint32_t)sizeof *painted;
}

#ifdef NET_HOP_SIZE

/* All of an input but its last hop. Where hops do not fill the window, the oldest words of the first one do
   not matter: they have left the window at the end. */
static void prepare(const int8_t *input) {
    static int8_t first[NET_HOP_SIZE];
    size_t done = NET_INPUT_SIZE % NET_HOP_SIZE;
    net_reset(arena);
    if (done > 0) {
        memcpy(first + NET_HOP_SIZE - done, input, done);
        net_push(arena, first, output);
    }
    for (; done < NET_INPUT_SIZE - NET_HOP_SIZE; done += NET_HOP_SIZE) {
        net_push(arena, input + done, output);
    }
}

#define DECIDE(input) net_push(arena, (input) + NET_INPUT_SIZE - NET_HOP_SIZE, output)
#else
#define DECIDE(input) net_run(arena, input, output)
#endif

int main(void) {
    uint32_t n_differing = 0;
    uint32_t n_equal = 0;
    uint32_t n_ticks = 0;

    net_init(arena);
    paint_stack();
    const uint32_t began = board_ticks(0);
    roi_begin();
    roi_end();
    const uint32_t empty = board_ticks(began);
    for (uint32_t i = 0; i < N_VECTORS; i++) {
#ifdef NET_HOP_SIZE
        prepare(vector_inputs[i]);
#else
        net_init(arena); /* every input stands for itself, which matters to an LSTM */
#endif
        if (i < N_REGIONS) {
            const uint32_t before = board_ticks(0);
            roi_begin();
            DECIDE(vector_inputs[i]);
            roi_end();
            n_ticks += board_ticks(before) - empty;
        } else {
            DECIDE(vector_inputs[i]);
        }
        uint32_t n = 0;
        for (uint32_t k = 0; k < NET_OUTPUT_SIZE; k++) {
            n += output[k] != vector_outputs[i][k];
        }
        n_differing += n;
        n_equal += n == 0;
    }
    const uint32_t n_stack = used_stack();
    board_print("DIFFERING ");
    board_print_number(n_differing);
    board_print(" EQUAL ");
    board_print_number(n_equal);
    board_print(" OF ");
    board_print_number(N_VECTORS);
    board_print(" STACK ");
    board_print_number(n_stack);
#ifdef BOARD_COUNTS_TICKS
    board_print(" TICKS ");
    board_print_number(n_ticks);
    board_print(" IN ");
    board_print_number(N_VECTORS < N_REGIONS ? N_VECTORS : N_REGIONS);
#else
    (void)n_ticks;
#endif
    board_print("\n");
    return n_differing != 0;
}
