#include "link/myo_byte_ring.h"

static uint32_t load(const _Atomic uint32_t *index) {
    return atomic_load_explicit(index, memory_order_acquire);
}

static void store(_Atomic uint32_t *index, uint32_t value) {
    atomic_store_explicit(index, value, memory_order_release);
}

myo_status_t myo_byte_ring_init(myo_byte_ring_t *self, uint8_t *bytes, size_t capacity) {
    if (self == NULL || bytes == NULL) {
        return MYO_ERROR_NULL;
    }
    if (capacity == 0 || capacity > ((size_t)1 << 30) || (capacity & (capacity - 1u)) != 0) {
        return MYO_ERROR_CONFIG;
    }
    self->bytes = bytes;
    self->capacity = (uint32_t)capacity;
    store(&self->head, 0);
    store(&self->tail, 0);
    store(&self->lost, 0);
    return MYO_OK;
}

void myo_byte_ring_put(myo_byte_ring_t *self, uint8_t byte) {
    const uint32_t head = load(&self->head);
    if (head - load(&self->tail) == self->capacity) {
        myo_byte_ring_lose(self, 1);
        return;
    }
    self->bytes[head & (self->capacity - 1u)] = byte;
    store(&self->head, head + 1u);
}

bool myo_byte_ring_write(myo_byte_ring_t *self, const uint8_t *bytes, size_t n) {
    if (n > myo_byte_ring_space(self)) {
        return false;
    }
    const uint32_t head = load(&self->head);
    for (size_t i = 0; i < n; i++) {
        self->bytes[(head + (uint32_t)i) & (self->capacity - 1u)] = bytes[i];
    }
    store(&self->head, head + (uint32_t)n);
    return true;
}

void myo_byte_ring_lose(myo_byte_ring_t *self, uint32_t n) {
    store(&self->lost, load(&self->lost) + n); /* only the producer writes it */
}

bool myo_byte_ring_take(myo_byte_ring_t *self, uint8_t *byte) {
    const uint32_t tail = load(&self->tail);
    if (tail == load(&self->head)) {
        return false;
    }
    *byte = self->bytes[tail & (self->capacity - 1u)];
    store(&self->tail, tail + 1u);
    return true;
}

size_t myo_byte_ring_used(const myo_byte_ring_t *self) {
    return load(&self->head) - load(&self->tail);
}

size_t myo_byte_ring_space(const myo_byte_ring_t *self) {
    return self->capacity - myo_byte_ring_used(self);
}

uint32_t myo_byte_ring_lost(const myo_byte_ring_t *self) {
    return load(&self->lost);
}
