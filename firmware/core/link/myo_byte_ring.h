/* Ring of bytes between the serial interrupts and the link: one producer, one consumer, no locks. */
#ifndef MYO_BYTE_RING_H
#define MYO_BYTE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "myo_status.h"

typedef struct {
    uint8_t *bytes;        /* capacity, caller's */
    uint32_t capacity;     /* a power of two */
    _Atomic uint32_t head; /* bytes ever put in */
    _Atomic uint32_t tail; /* bytes ever taken out */
    _Atomic uint32_t lost; /* bytes that the producer could not put in, or never got */
} myo_byte_ring_t;

/* capacity is a power of two of at most 2^30; bytes must outlive self. */
myo_status_t myo_byte_ring_init(myo_byte_ring_t *self, uint8_t *bytes, size_t capacity);

/* Producer: puts one byte in, or counts it as lost where the ring is full. ISR-safe: yes. */
void myo_byte_ring_put(myo_byte_ring_t *self, uint8_t byte);

/* Producer: puts all n bytes in, or none (false; not counted). */
bool myo_byte_ring_write(myo_byte_ring_t *self, const uint8_t *bytes, size_t n);

/* Producer: counts bytes that were lost before they could be put in (a hardware overrun). ISR-safe: yes. */
void myo_byte_ring_lose(myo_byte_ring_t *self, uint32_t n);

/* Consumer: takes the oldest byte out; false where the ring is empty. ISR-safe: yes. */
bool myo_byte_ring_take(myo_byte_ring_t *self, uint8_t *byte);

/* Either side: bytes in the ring, bytes that still fit, bytes lost since init. ISR-safe: yes. */
size_t myo_byte_ring_used(const myo_byte_ring_t *self);
size_t myo_byte_ring_space(const myo_byte_ring_t *self);
uint32_t myo_byte_ring_lost(const myo_byte_ring_t *self);

#endif
