/* A store in RAM that behaves as flash does: what a port without flash of its own gives as myo_port_store. A
   byte can be written once after an erase, then zeros over it; any other write fails. */
#ifndef MYO_RAM_STORE_H
#define MYO_RAM_STORE_H

#include <string.h>

#include "calibration/myo_store.h"

typedef struct {
    uint8_t *bytes; /* MYO_STORE_SLOTS * slot_bytes */
    uint32_t slot_bytes;
} myo_ram_store_t;

static inline uint8_t *myo_ram_store_at(void *context, uint32_t slot, uint32_t offset, uint32_t n) {
    const myo_ram_store_t *const self = context;
    const bool inside =
        slot < MYO_STORE_SLOTS && offset <= self->slot_bytes && n <= self->slot_bytes - offset;
    return inside ? &self->bytes[slot * self->slot_bytes + offset] : NULL;
}

static inline void myo_ram_store_read(void *context, uint32_t slot, uint32_t offset, void *data, uint32_t n) {
    const uint8_t *const from = myo_ram_store_at(context, slot, offset, n);
    if (from != NULL) {
        memcpy(data, from, n);
    } else {
        memset(data, 0xFF, n);
    }
}

static inline bool myo_ram_store_erase(void *context, uint32_t slot) {
    const myo_ram_store_t *const self = context;
    uint8_t *const at = myo_ram_store_at(context, slot, 0, self->slot_bytes);
    if (at == NULL) {
        return false;
    }
    memset(at, 0xFF, self->slot_bytes);
    return true;
}

static inline bool myo_ram_store_write(void *context, uint32_t slot, uint32_t offset, const void *data,
                                       uint32_t n) {
    uint8_t *const at = myo_ram_store_at(context, slot, offset, n);
    if (at == NULL || offset % MYO_STORE_WORD != 0 || n % MYO_STORE_WORD != 0) {
        return false;
    }
    const uint8_t *const bytes = data;
    for (uint32_t i = 0; i < n; i++) {
        if (at[i] != 0xFF && bytes[i] != 0) {
            return false;
        }
    }
    memcpy(at, data, n);
    return true;
}

#endif
