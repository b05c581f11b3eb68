/* Adds recorded embeddings to a tally, makes its head and scores them, and counts the words that differ from
   the twin's. PART says what is between roi_begin and roi_end: 0 a window that is added, 1 the head that is
   made, 2 a window that is scored, 3 a record that is stored in RAM.

   Prints "DIFFERING <words> OF <words> MEMORY <bytes>". The first region is empty, so that a counter can
   subtract its cost. */
#include <string.h>

#include "board.h"
#include "calibration/myo_calibration.h"
#include "myo_ram_store.h"
#include "vectors.h" /* PART, N_CLASSES, N_WORDS, N_WINDOWS, head_config, vector_...: made by bench_calibration.py */

#define RECORD_BYTES MYO_CALIBRATION_RECORD_BYTES(N_CLASSES, N_WORDS)
#define SLOT_BYTES MYO_STORE_SLOT_BYTES(1u, RECORD_BYTES)

static int32_t record[RECORD_BYTES / 4u];
static int16_t weights[N_CLASSES * N_WORDS];
static int32_t bias[N_CLASSES];
static int32_t scratch[N_CLASSES > N_WORDS ? N_CLASSES : N_WORDS];
static uint16_t fresh[N_CLASSES];
static int8_t output[N_CLASSES];
static uint8_t slots[MYO_STORE_SLOTS * SLOT_BYTES];

__attribute__((noinline)) void roi_begin(void) {
    __asm__ volatile("nop");
}

__attribute__((noinline)) void roi_end(void) {
    __asm__ volatile("nop");
}

static void enter(int part) {
    if (part == PART) {
        roi_begin();
    }
}

static void leave(int part) {
    if (part == PART) {
        roi_end();
    }
}

int main(void) {
    const myo_tally_t tally = {.counts = (uint16_t *)&record[N_CLASSES * N_WORDS], .sums = record};
    myo_head_t head = {.weights = weights, .bias = bias};
    myo_ram_store_t ram = {.bytes = slots, .slot_bytes = SLOT_BYTES};
    const myo_store_port_t port = {.context = &ram,
                                   .slot_bytes = SLOT_BYTES,
                                   .read = myo_ram_store_read,
                                   .erase = myo_ram_store_erase,
                                   .write = myo_ram_store_write};
    const uint8_t identity[MYO_STORE_IDENTITY_BYTES] = {1};
    const myo_store_t store = {.port = &port, .identity = identity, .record_bytes = RECORD_BYTES};
    uint32_t n_differing = 0;
    roi_begin();
    roi_end();
    for (uint32_t i = 0; i < N_WINDOWS; i++) {
        enter(0);
        (void)myo_tally_add(&head_config, &tally, i % N_CLASSES, &vector_embeddings[i * N_WORDS]);
        leave(0);
    }
    enter(1);
    myo_head_fit(&head_config, &tally, scratch, &head);
    leave(1);
    n_differing += memcmp(weights, vector_weights, sizeof weights) != 0;
    for (uint32_t i = 0; i < N_WINDOWS; i++) {
        enter(2);
        myo_head_run(&head_config, &head, &vector_embeddings[i * N_WORDS], scratch, output);
        leave(2);
        for (uint32_t k = 0; k < N_CLASSES; k++) {
            n_differing += output[k] != vector_outputs[i * N_CLASSES + k];
        }
    }
    enter(3);
    n_differing += myo_store_save(&store, record) != 1u;
    leave(3);
    board_print("DIFFERING ");
    board_print_number(n_differing);
    board_print(" OF ");
    board_print_number(N_WINDOWS * N_CLASSES + 2u);
    board_print(" MEMORY ");
    board_print_number(sizeof(myo_calibration_t) + sizeof record + sizeof weights + sizeof bias +
                       sizeof scratch + sizeof fresh + sizeof output);
    board_print("\n");
    return n_differing != 0;
}
