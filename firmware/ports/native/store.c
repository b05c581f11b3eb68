/* The native board's store: a file in memory, handed to the process that a reset starts. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "myo_port.h"
#include "myo_ram_store.h"
#include "patch_config.h"

#if PATCH_CALIBRATION_WORDS > 0
#define SLOT_BYTES                                                                                           \
    (MYO_CALIBRATION_RECORD_BYTES(PATCH_N_OUTPUTS, PATCH_CALIBRATION_WORDS) + MYO_STORE_OVERHEAD)
#define FD_VARIABLE "MYO_NATIVE_STORE_FD"

static uint8_t *map_slots(void) {
    const size_t n_bytes = (size_t)MYO_STORE_SLOTS * SLOT_BYTES;
    const char *inherited = getenv(FD_VARIABLE);
    const int fd = inherited == NULL ? memfd_create("myo_store", 0) : (int)strtol(inherited, NULL, 10);
    char text[16];
    (void)snprintf(text, sizeof text, "%d", fd);
    if (fd < 0 || ftruncate(fd, (off_t)n_bytes) != 0 || setenv(FD_VARIABLE, text, 1) != 0) {
        perror("native: cannot make the store");
        exit(EXIT_FAILURE);
    }
    uint8_t *const slots = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (slots == MAP_FAILED) {
        perror("native: cannot map the store");
        exit(EXIT_FAILURE);
    }
    return slots;
}

static myo_ram_store_t *store(void) {
    static myo_ram_store_t ram = {.slot_bytes = SLOT_BYTES};
    if (ram.bytes == NULL) {
        ram.bytes = map_slots();
    }
    return &ram;
}

static void read_slot(void *context, uint32_t slot, uint32_t offset, void *data, uint32_t n) {
    (void)context;
    myo_ram_store_read(store(), slot, offset, data, n);
}

static bool erase_slot(void *context, uint32_t slot) {
    (void)context;
    return myo_ram_store_erase(store(), slot);
}

static bool write_slot(void *context, uint32_t slot, uint32_t offset, const void *data, uint32_t n) {
    (void)context;
    return myo_ram_store_write(store(), slot, offset, data, n);
}

const myo_store_port_t myo_port_store = {
    .slot_bytes = SLOT_BYTES, .read = read_slot, .erase = erase_slot, .write = write_slot};
#endif
