#include "stream/myo_ring.h"

/* Acquire and release order the counts against the index that publishes them; on one core they cost a
   compiler barrier (and a DMB on Arm), and they are what makes the native port's tests mean something. */
static uint32_t load(const _Atomic uint32_t *index) {
    return atomic_load_explicit(index, memory_order_acquire);
}

static void store(_Atomic uint32_t *index, uint32_t value) {
    atomic_store_explicit(index, value, memory_order_release);
}

myo_status_t myo_ring_init(myo_ring_t *self, int32_t *counts, uint32_t *ticks, size_t capacity_frames,
                           uint16_t n_channels) {
    if (self == NULL || counts == NULL || ticks == NULL) {
        return MYO_ERROR_NULL;
    }
    if (n_channels == 0 || capacity_frames == 0 || capacity_frames > 65536u ||
        (capacity_frames & (capacity_frames - 1u)) != 0) {
        return MYO_ERROR_CONFIG;
    }
    self->counts = counts;
    self->ticks = ticks;
    self->capacity = (uint32_t)capacity_frames;
    self->n_channels = n_channels;
    myo_ring_reset(self);
    return MYO_OK;
}

void myo_ring_reset(myo_ring_t *self) {
    store(&self->head, 0);
    store(&self->tail, 0);
    store(&self->lost, 0);
}

int32_t *myo_ring_reserve(myo_ring_t *self) {
    const uint32_t head = load(&self->head);
    if (head - load(&self->tail) == self->capacity) {
        myo_ring_lose(self, 1);
        return NULL;
    }
    return &self->counts[(size_t)(head & (self->capacity - 1u)) * self->n_channels];
}

void myo_ring_commit(myo_ring_t *self, uint32_t tick) {
    const uint32_t head = load(&self->head);
    self->ticks[head & (self->capacity - 1u)] = tick;
    store(&self->head, head + 1u);
}

void myo_ring_lose(myo_ring_t *self, uint32_t n_frames) {
    store(&self->lost, load(&self->lost) + n_frames); /* only the producer writes it */
}

uint32_t myo_ring_used(const myo_ring_t *self) {
    return load(&self->head) - load(&self->tail);
}

uint32_t myo_ring_space(const myo_ring_t *self) {
    return self->capacity - myo_ring_used(self);
}

uint32_t myo_ring_contiguous(const myo_ring_t *self) {
    const uint32_t used = myo_ring_used(self);
    const uint32_t to_end = self->capacity - (load(&self->tail) & (self->capacity - 1u));
    return used < to_end ? used : to_end;
}

const int32_t *myo_ring_peek(const myo_ring_t *self, uint32_t ahead) {
    const uint32_t slot = (load(&self->tail) + ahead) & (self->capacity - 1u);
    return &self->counts[(size_t)slot * self->n_channels];
}

uint32_t myo_ring_peek_tick(const myo_ring_t *self, uint32_t ahead) {
    return self->ticks[(load(&self->tail) + ahead) & (self->capacity - 1u)];
}

void myo_ring_release(myo_ring_t *self, uint32_t n_frames) {
    store(&self->tail, load(&self->tail) + n_frames);
}

uint32_t myo_ring_received(const myo_ring_t *self) {
    return load(&self->head);
}

uint32_t myo_ring_lost(const myo_ring_t *self) {
    return load(&self->lost);
}
