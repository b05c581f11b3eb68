#include "calibration/myo_store.h"

#include <string.h>

#include "link/myo_crc32.h"

#define FORMAT 0x324f594du      /* "MYO2" */
#define SLOT_FORMAT 0x534f594du /* "MYOS" */
#define CHUNK 64u               /* bytes that are read at once */
#define ZEROS 128u              /* bytes that are wiped at once */

typedef struct {
    uint32_t format;
    uint32_t place_bytes; /* of each place: how the slot is divided */
} mark_t;

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

_Static_assert(sizeof(mark_t) == MYO_STORE_MARK_BYTES, "what the header promises");
_Static_assert(sizeof(header_t) + sizeof(trailer_t) == MYO_STORE_OVERHEAD, "what the header promises");
_Static_assert(sizeof(header_t) % MYO_STORE_WORD == 0 && sizeof(trailer_t) % MYO_STORE_WORD == 0,
               "each is written by itself");

/* A place in a slot; bytes 0: none. */
typedef struct {
    uint32_t slot, offset, bytes;
    uint32_t sequence; /* of its record, if that is whole and ours, else 0 */
} place_t;

typedef struct {
    place_t newest, before;
    bool foreign;
} contents_t;

static void read(const myo_store_t *self, uint32_t slot, uint32_t offset, void *data, uint32_t n) {
    self->port->read(self->port->context, slot, offset, data, n);
}

static bool write(const myo_store_t *self, uint32_t slot, uint32_t offset, const void *data, uint32_t n) {
    return self->port->write(self->port->context, slot, offset, data, n);
}

static uint32_t our_place_bytes(const myo_store_t *self) {
    return self->record_bytes + MYO_STORE_OVERHEAD;
}

/* How a slot is divided; 0: it has no mark, as its erase did not come to its end, or there was none. */
static uint32_t read_division(const myo_store_t *self, uint32_t slot) {
    mark_t mark;
    read(self, slot, 0, &mark, sizeof mark);
    const bool fits = mark.format == SLOT_FORMAT && mark.place_bytes > MYO_STORE_OVERHEAD &&
                      mark.place_bytes % MYO_STORE_WORD == 0 &&
                      mark.place_bytes <= self->port->slot_bytes - MYO_STORE_MARK_BYTES;
    return fits ? mark.place_bytes : 0;
}

/* The first place of a slot that has any, from slot on; or the place behind one. */
static place_t first_place(const myo_store_t *self, uint32_t slot) {
    for (; slot < MYO_STORE_SLOTS; slot++) {
        const uint32_t bytes = read_division(self, slot);
        if (bytes != 0) {
            return (place_t){.slot = slot, .offset = MYO_STORE_MARK_BYTES, .bytes = bytes};
        }
    }
    return (place_t){0};
}

static place_t next_place(const myo_store_t *self, const place_t *place) {
    const uint32_t offset = place->offset + place->bytes;
    if (place->bytes > self->port->slot_bytes - offset) {
        return first_place(self, place->slot + 1u);
    }
    return (place_t){.slot = place->slot, .offset = offset, .bytes = place->bytes};
}

/* Finds out whether a place holds a whole record: of ours, then place->sequence is its number, or another's.
 */
static void examine(const myo_store_t *self, place_t *place, bool *foreign) {
    header_t header;
    place->sequence = 0;
    read(self, place->slot, place->offset, &header, MYO_STORE_WORD);
    if (header.format != FORMAT || header.record_bytes != place->bytes - MYO_STORE_OVERHEAD) {
        return;
    }
    read(self, place->slot, place->offset, &header, sizeof header);
    uint32_t crc = myo_crc32(0, &header, sizeof header);
    uint32_t offset = place->offset + (uint32_t)sizeof header;
    for (uint32_t left = header.record_bytes; left > 0;) {
        uint32_t chunk[CHUNK / sizeof(uint32_t)];
        const uint32_t n = left < CHUNK ? left : CHUNK;
        read(self, place->slot, offset, chunk, n);
        crc = myo_crc32(crc, chunk, n);
        offset += n;
        left -= n;
    }
    trailer_t trailer;
    read(self, place->slot, offset, &trailer, sizeof trailer);
    if (trailer.crc != crc || header.sequence == 0) {
        return;
    }
    const bool ours = header.record_bytes == self->record_bytes &&
                      memcmp(header.identity, self->identity, sizeof header.identity) == 0;
    *foreign |= !ours;
    place->sequence = ours ? header.sequence : 0;
}

static bool is_newer(const place_t *a, const place_t *b) {
    return b->sequence == 0 || (int32_t)(a->sequence - b->sequence) > 0;
}

static contents_t look(const myo_store_t *self) {
    contents_t found = {0};
    for (place_t place = first_place(self, 0); place.bytes != 0; place = next_place(self, &place)) {
        examine(self, &place, &found.foreign);
        if (place.sequence == 0) {
            continue;
        }
        if (is_newer(&place, &found.newest)) {
            found.before = found.newest;
            found.newest = place;
        } else if (is_newer(&place, &found.before)) {
            found.before = place;
        }
    }
    return found;
}

/* Writes zeros over a place. Its first word goes first, without which it is none. */
static bool wipe(const myo_store_t *self, const place_t *place) {
    const uint32_t zeros[ZEROS / sizeof(uint32_t)] = {0};
    for (uint32_t done = 0; done < place->bytes;) {
        const uint32_t left = place->bytes - done;
        const uint32_t n = done == 0 ? MYO_STORE_WORD : left < ZEROS ? left : ZEROS;
        if (!write(self, place->slot, place->offset + done, zeros, n)) {
            return false;
        }
        done += n;
    }
    return true;
}

static bool is_same(const place_t *a, const place_t *b) {
    return a->slot == b->slot && a->offset == b->offset && b->bytes != 0;
}

/* Wipes our whole records, and others' too where wanted, but two. */
static bool wipe_but(const myo_store_t *self, const place_t *a, const place_t *b, bool others_too) {
    bool done = true;
    for (place_t place = first_place(self, 0); place.bytes != 0; place = next_place(self, &place)) {
        bool foreign = false;
        examine(self, &place, &foreign);
        const bool wanted = is_same(&place, a) || is_same(&place, b);
        if (!wanted && (place.sequence != 0 || (foreign && others_too))) {
            done &= wipe(self, &place);
        }
    }
    return done;
}

static bool is_blank(const myo_store_t *self, const place_t *place) {
    for (uint32_t offset = 0; offset < place->bytes; offset += MYO_STORE_WORD) {
        uint32_t word[MYO_STORE_WORD / sizeof(uint32_t)];
        read(self, place->slot, place->offset + offset, word, sizeof word);
        if ((word[0] & word[1]) != UINT32_MAX) {
            return false;
        }
    }
    return true;
}

/* The first blank place of a slot that is divided as ours are. */
static place_t find_blank(const myo_store_t *self, uint32_t slot) {
    place_t place = first_place(self, slot);
    while (place.slot == slot && place.bytes == our_place_bytes(self)) {
        if (is_blank(self, &place)) {
            return place;
        }
        place = next_place(self, &place);
    }
    return (place_t){0};
}

/* Erases a slot and divides it. The mark goes before the erase begins, and comes when it is done: what an
   erase that was cut short leaves may read as blank and not stay so. */
static place_t renew(const myo_store_t *self, uint32_t slot) {
    const mark_t zeros = {0};
    const mark_t mark = {.format = SLOT_FORMAT, .place_bytes = our_place_bytes(self)};
    const bool done =
        write(self, slot, 0, &zeros, sizeof zeros) && self->port->erase(self->port->context, slot) &&
        write(self, slot, 0, &mark, sizeof mark) && read_division(self, slot) == mark.place_bytes;
    return done ? first_place(self, slot) : (place_t){0};
}

/* A blank place: in a slot if it has one, else in the other, which is erased where that takes it. */
static place_t make_room(const myo_store_t *self, uint32_t slot) {
    place_t place = find_blank(self, slot);
    if (place.bytes == 0) {
        place = find_blank(self, 1u - slot);
    }
    return place.bytes != 0 ? place : renew(self, 1u - slot);
}

uint32_t myo_store_load(const myo_store_t *self, void *record, bool *foreign) {
    const contents_t found = look(self);
    *foreign = found.foreign;
    if (found.newest.sequence != 0) {
        read(self, found.newest.slot, found.newest.offset + (uint32_t)sizeof(header_t), record,
             self->record_bytes);
    }
    return found.newest.sequence;
}

bool myo_store_read(const myo_store_t *self, uint32_t offset, void *data, uint32_t n) {
    if (offset > self->record_bytes || n > self->record_bytes - offset) {
        return false;
    }
    const place_t newest = look(self).newest;
    if (newest.sequence == 0) {
        return false;
    }
    read(self, newest.slot, newest.offset + (uint32_t)sizeof(header_t) + offset, data, n);
    return true;
}

uint32_t myo_store_save(const myo_store_t *self, const void *record) {
    const place_t newest = look(self).newest;
    place_t place = make_room(self, newest.slot);
    if (place.bytes == 0) {
        return 0;
    }
    header_t header = {
        .format = FORMAT, .record_bytes = self->record_bytes, .sequence = newest.sequence + 1u};
    header.sequence += header.sequence == 0;
    memcpy(header.identity, self->identity, sizeof header.identity);
    const trailer_t trailer = {
        .crc = myo_crc32(myo_crc32(0, &header, sizeof header), record, self->record_bytes)};
    const uint32_t begin = place.offset + (uint32_t)sizeof header;
    bool foreign = false;
    if (!write(self, place.slot, place.offset, &header, sizeof header) ||
        !write(self, place.slot, begin, record, self->record_bytes) ||
        !write(self, place.slot, begin + self->record_bytes, &trailer, sizeof trailer)) {
        return 0;
    }
    examine(self, &place, &foreign);
    if (place.sequence != header.sequence) {
        return 0;
    }
    (void)wipe_but(self, &place, &newest, false); /* if it fails, one can undo further back for a while */
    return place.sequence;
}

bool myo_store_undo(const myo_store_t *self) {
    const contents_t found = look(self);
    return wipe_but(self, &found.newest, &found.before, false) &&
           (found.newest.sequence == 0 || wipe(self, &found.newest));
}

bool myo_store_clear(const myo_store_t *self) {
    const place_t newest = look(self).newest;
    const bool others = wipe_but(self, &newest, &newest, true);
    return (newest.sequence == 0 || wipe(self, &newest)) && others;
}
