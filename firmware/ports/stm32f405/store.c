/* The store: the flash's last two sectors, 10 and 11, which memory.ld leaves alone. 128 kB hold some 80
   records of 1.6 kB, so an erase, which stops the core for a second, is rare: docs/boards.md.

   QEMU has no flash controller: there it is RAM, which outlives a reset. */
#include <string.h>

#include "board.h"
#include "clock.h"
#include "flash.h"
#include "myo_port.h"
#include "patch_config.h"
#include "ram_store.h"
#include "registers.h"

#if PATCH_CALIBRATION_WORDS > 0
#define SECTOR_BYTES 0x20000u
#define FIRST_SECTOR 10u

_Static_assert(BOARD_STORE + MYO_STORE_SLOTS * SECTOR_BYTES == BOARD_FLASH + 0x100000u,
               "the last two sectors");

static bool is_inside(uint32_t slot, uint32_t offset, uint32_t n) {
    return slot < MYO_STORE_SLOTS && offset <= SECTOR_BYTES && n <= SECTOR_BYTES - offset &&
           (offset | n) % sizeof(uint32_t) == 0;
}

static uint32_t address_of(uint32_t slot, uint32_t offset) {
    return BOARD_STORE + slot * SECTOR_BYTES + offset;
}

static void read_sector(void *context, uint32_t slot, uint32_t offset, void *data, uint32_t n) {
    (void)context;
    uint8_t *const bytes = data;
    const bool inside = is_inside(slot, offset, n);
    for (uint32_t i = 0; i < n / sizeof(uint32_t); i++) {
        const uint32_t word = inside ? stm32_read(address_of(slot, offset + 4u * i)) : UINT32_MAX;
        memcpy(&bytes[4u * i], &word, sizeof word);
    }
}

static bool erase_sector(void *context, uint32_t slot) {
    (void)context;
    return slot < MYO_STORE_SLOTS && stm32_flash_erase(FIRST_SECTOR + slot);
}

static bool write_sector(void *context, uint32_t slot, uint32_t offset, const void *data, uint32_t n) {
    (void)context;
    return is_inside(slot, offset, n) &&
           stm32_flash_program(address_of(slot, offset), data, n / (uint32_t)sizeof(uint32_t));
}

static const myo_store_port_t flash_store = {.slot_bytes = SECTOR_BYTES,
                                             .outlives_power = true,
                                             .read = read_sector,
                                             .erase = erase_sector,
                                             .write = write_sector};

const myo_store_port_t *myo_port_store(void) {
    return stm32_is_emulated() ? &cortex_m_ram_store : &flash_store;
}
#endif
