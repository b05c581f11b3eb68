/* One record that outlives power, in two slots of flash (or of what stands for it): the newest whole record
   is the record, the one before it is what undoing goes back to.

   A slot is a stretch that is erased as a whole. It begins with a mark, which is written when an erase is
   done and taken away before the next, and then holds places, one behind the other, as many as fit. A place
   holds a header (format, bytes, sequence number, identity), the record, and the CRC-32 of both, which is
   written last. Saving takes the next blank place of the newest record's slot; only where there is none is
   the other slot erased. What is no longer wanted is written over with zeros, from its first word on: what
   undoing and forgetting take back, and after a save all but the newest two.

   So a write or an erase that power cuts short leaves a place whose CRC does not fit, or a slot without a
   mark; the newest record is never in the slot that is erased. At any moment the store holds the newest
   record or the one before, whole. A record of another identity (bundle) is none.

   ISR-safe: no. A save may wait for an erase, seconds of some flash; only an answer to the host does it. */
#ifndef MYO_STORE_H
#define MYO_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MYO_STORE_SLOTS 2u
#define MYO_STORE_WORD 8u /* bytes that are written at once: flash programs no fewer on any core we know */
#define MYO_STORE_IDENTITY_BYTES 32u
#define MYO_STORE_MARK_BYTES 8u /* of a slot, beside its places */
#define MYO_STORE_OVERHEAD 56u  /* of a place, beside its record */

/* Bytes of a slot with room for so many records. */
#define MYO_STORE_SLOT_BYTES(n_places, record_bytes)                                                         \
    (MYO_STORE_MARK_BYTES + (n_places) * ((record_bytes) + MYO_STORE_OVERHEAD))

/* What the board must supply. Every offset and n is a multiple of MYO_STORE_WORD; what is written lies in
   memory at a multiple of 4. */
typedef struct {
    void *context;
    uint32_t slot_bytes; /* of each slot */
    bool outlives_power; /* false: what is stored outlives a reset, and no more */
    /* Reads n bytes from offset on; what was never written reads as anything. */
    void (*read)(void *context, uint32_t slot, uint32_t offset, void *data, uint32_t n);
    /* Makes the whole slot read as ones. May take seconds; false: it failed. */
    bool (*erase)(void *context, uint32_t slot);
    /* Writes n bytes where nothing was written since the erase, or zeros over anything, word by word in their
       order; false: it failed. When it returns, what was written outlives what is to be outlived. */
    bool (*write)(void *context, uint32_t slot, uint32_t offset, const void *data, uint32_t n);
} myo_store_port_t;

typedef struct {
    const myo_store_port_t *port;
    const uint8_t *identity; /* MYO_STORE_IDENTITY_BYTES */
    uint32_t record_bytes;   /* a multiple of MYO_STORE_WORD; a slot has room for one or more */
} myo_store_t;

/* Reads the newest whole record into record and gives its sequence number, 1..; 0: there is none, and record
   holds nothing of use. *foreign: a whole record of another identity is in a slot. */
uint32_t myo_store_load(const myo_store_t *self, void *record, bool *foreign);

/* Reads n bytes of the newest whole record from offset on, both multiples of MYO_STORE_WORD. False: there is
   none, or not as many bytes. */
bool myo_store_read(const myo_store_t *self, uint32_t offset, void *data, uint32_t n);

/* Writes a record, which lies at a multiple of 4, beside the newest, and reads it back. Gives its sequence
   number; 0: the memory failed, and the newest record is what it was. */
uint32_t myo_store_save(const myo_store_t *self, const void *record);

/* Takes back the newest record: the one before it, if there is one, is the newest. False: the memory failed.
 */
bool myo_store_undo(const myo_store_t *self);

/* Forgets every record, other identities' as well, the newest last. False: the memory failed. */
bool myo_store_clear(const myo_store_t *self);

#endif
