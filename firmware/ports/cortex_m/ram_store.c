#include "ram_store.h"

#include "board.h"
#include "myo_port.h"
#include "myo_ram_store.h"
#include "patch_config.h"

#if PATCH_CALIBRATION_WORDS > 0
#define SLOT_BYTES                                                                                           \
    MYO_STORE_SLOT_BYTES(1u, MYO_CALIBRATION_RECORD_BYTES(PATCH_N_OUTPUTS, PATCH_CALIBRATION_WORDS))

static uint8_t slots[MYO_STORE_SLOTS * SLOT_BYTES] __attribute__((section(".noinit"), aligned(8)));
static myo_ram_store_t store = {.bytes = slots, .slot_bytes = SLOT_BYTES};

const myo_store_port_t cortex_m_ram_store = {.context = &store,
                                             .slot_bytes = SLOT_BYTES,
                                             .read = myo_ram_store_read,
                                             .erase = myo_ram_store_erase,
                                             .write = myo_ram_store_write};

#ifndef BOARD_HAS_STORE
const myo_store_port_t *myo_port_store(void) {
    return &cortex_m_ram_store;
}
#endif
#endif
