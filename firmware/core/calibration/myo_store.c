#include "calibration/myo_store.h"

#include <string.h>

#include "link/myo_crc32.h"

#define FORMAT 0x314f594du /* "MYO1" */
#define CHUNK 64u

typedef struct {
    uint32_t format;
    uint32_t record_bytes;
    uint32_t sequence; /* 1.., wraps past 0 */
    uint32_t reserved;
    uint8_t identity[MYO_STORE_IDENTITY_BYTES];
} header_t;

typedef struct {
    uint32_t crc;
    uint32_t reserved;
} trailer_t;

_Static_assert(sizeof(header_t) + sizeof(trailer_t) == MYO_STORE_OVERHEAD, "what the header promises");
_Static_assert(sizeof(header_t) % MYO_STORE_WORD == 0 && sizeof(trailer_t) % MYO_STORE_WORD == 0,
               "each is written by itself");

static void read(const myo_store_t *self, uint32_t slot, uint32_t offset, void *data, uint32_t n) {
    self->port->read(self->port->context, slot, offset, data, n);
}

/* The slot's sequence number if its record is whole, else 0. */
static uint32_t examine(const myo_store_t *self, uint32_t slot, bool *foreign) {
    header_t header;
    read(self, slot, 0, &header, sizeof header);
    const uint32_t most = self->port->slot_bytes - MYO_STORE_OVERHEAD;
    if (header.format != FORMAT || header.record_bytes > most || header.sequence == 0) {
        return 0;
    }
    uint32_t crc = myo_crc32(0, &header, sizeof header);
    uint32_t offset = sizeof header;
    for (uint32_t left = header.record_bytes; left > 0;) {
        uint8_t chunk[CHUNK];
        const uint32_t n = left < CHUNK ? left : CHUNK;
        read(self, slot, offset, chunk, n);
        crc = myo_crc32(crc, chunk, n);
        offset += n;
        left -= n;
    }
    trailer_t trailer;
    read(self, slot, offset, &trailer, sizeof trailer);
    if (trailer.crc != crc) {
        return 0;
    }
    const bool ours = header.record_bytes == self->record_bytes &&
                      memcmp(header.identity, self->identity, sizeof header.identity) == 0;
    *foreign |= !ours;
    return ours ? header.sequence : 0;
}

/* The slot of the newest record and its sequence number, 0 where there is none. */
static uint32_t find_newest(const myo_store_t *self, uint32_t *slot, bool *foreign) {
    *foreign = false;
    const uint32_t a = examine(self, 0, foreign);
    const uint32_t b = examine(self, 1, foreign);
    *slot = a == 0 || (b != 0 && (int32_t)(b - a) > 0);
    return *slot == 0 ? a : b;
}

uint32_t myo_store_load(const myo_store_t *self, void *record, bool *foreign) {
    uint32_t slot;
    const uint32_t sequence = find_newest(self, &slot, foreign);
    if (sequence != 0) {
        read(self, slot, sizeof(header_t), record, self->record_bytes);
    }
    return sequence;
}

bool myo_store_read(const myo_store_t *self, uint32_t offset, void *data, uint32_t n) {
    uint32_t slot;
    bool foreign;
    if (offset > self->record_bytes || n > self->record_bytes - offset ||
        find_newest(self, &slot, &foreign) == 0) {
        return false;
    }
    read(self, slot, (uint32_t)sizeof(header_t) + offset, data, n);
    return true;
}

uint32_t myo_store_save(const myo_store_t *self, const void *record) {
    const myo_store_port_t *const port = self->port;
    uint32_t newest;
    bool foreign;
    const uint32_t before = find_newest(self, &newest, &foreign);
    const uint32_t slot = 1u - newest;
    header_t header = {.format = FORMAT, .record_bytes = self->record_bytes, .sequence = before + 1u};
    header.sequence += header.sequence == 0;
    memcpy(header.identity, self->identity, sizeof header.identity);
    const trailer_t trailer = {
        .crc = myo_crc32(myo_crc32(0, &header, sizeof header), record, self->record_bytes)};
    const uint32_t end = sizeof header + self->record_bytes;
    const bool written = port->erase(port->context, slot) &&
                         port->write(port->context, slot, 0, &header, sizeof header) &&
                         port->write(port->context, slot, sizeof header, record, self->record_bytes) &&
                         port->write(port->context, slot, end, &trailer, sizeof trailer);
    return written && examine(self, slot, &foreign) == header.sequence ? header.sequence : 0;
}

bool myo_store_undo(const myo_store_t *self) {
    uint32_t newest;
    bool foreign;
    return find_newest(self, &newest, &foreign) == 0 || self->port->erase(self->port->context, newest);
}

bool myo_store_clear(const myo_store_t *self) {
    uint32_t newest;
    bool foreign;
    (void)find_newest(self, &newest, &foreign);
    const bool older = self->port->erase(self->port->context, 1u - newest);
    return self->port->erase(self->port->context, newest) && older;
}
