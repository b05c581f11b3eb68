/* One record that outlives power, in two slots of flash (or of what stands for it): the newest whole record
   is the record, the one before it is what undoing goes back to.

   A slot holds a header (format, bytes, sequence number, identity), the record, and the CRC-32 of both, which
   is written last. A write or an erase that power cuts short leaves a slot whose CRC does not fit: it is
   empty, and the other slot stands as it was. Saving always takes the slot that does not hold the newest
   record; forgetting all erases the older one first. So at any moment the store holds the newest record or
   the one before, whole. A record of another identity (bundle) is none.

   ISR-safe: no. Erasing flash may take tens of milliseconds; only an answer to the host does it. */
#ifndef MYO_STORE_H
#define MYO_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MYO_STORE_SLOTS 2u
#define MYO_STORE_WORD 8u /* bytes that are written at once: flash programs no fewer on any core we know */
#define MYO_STORE_IDENTITY_BYTES 32u
#define MYO_STORE_OVERHEAD 56u /* bytes of a slot beside the record */

/* What the board must supply; each slot is a stretch of memory of slot_bytes that is erased as a whole. */
typedef struct {
    void *context;
    uint32_t slot_bytes;
    /* Reads n bytes from offset on; what was never written reads as anything. */
    void (*read)(void *context, uint32_t slot, uint32_t offset, void *data, uint32_t n);
    /* Makes the whole slot writable; false: it failed. */
    bool (*erase)(void *context, uint32_t slot);
    /* Writes n bytes, a multiple of MYO_STORE_WORD as offset is, where nothing was written since the erase.
     */
    bool (*write)(void *context, uint32_t slot, uint32_t offset, const void *data, uint32_t n);
} myo_store_port_t;

typedef struct {
    const myo_store_port_t *port;
    const uint8_t *identity; /* MYO_STORE_IDENTITY_BYTES */
    uint32_t record_bytes;   /* a multiple of MYO_STORE_WORD */
} myo_store_t;

/* Reads the newest whole record into record and gives its sequence number, 1..; 0: there is none, and record
   holds nothing of use. *foreign: a whole record of another identity is in a slot. */
uint32_t myo_store_load(const myo_store_t *self, void *record, bool *foreign);

/* Reads n bytes of the newest whole record from offset on. False: there is none, or not as many bytes. */
bool myo_store_read(const myo_store_t *self, uint32_t offset, void *data, uint32_t n);

/* Writes a record beside the newest, and reads it back. Gives its sequence number; 0: the memory failed, and
   the newest record is what it was. */
uint32_t myo_store_save(const myo_store_t *self, const void *record);

/* Erases the newest record: the one before it, if there is one, is the newest. False: the memory failed. */
bool myo_store_undo(const myo_store_t *self);

/* Erases both slots. False: the memory failed. */
bool myo_store_clear(const myo_store_t *self);

#endif
