/* firmware/ports/stm32f405 as a library: its registers are the model of stm32_model.py, its core is the host.
   The sources are included rather than linked, so that the model reaches the memory that the DMA controller
   writes. */
#include <stdbool.h>
#include <stdint.h>

/* In place of ports/cortex_m/cortex_m.h, which has the core's instructions. */
#define CORTEX_M_H
uint32_t cortex_m_begin_interrupt(void);
void cortex_m_end_interrupt(uint32_t begin);
void cortex_m_enable_interrupt(uint32_t number);
void cortex_m_pend_interrupt(uint32_t number);
static void cortex_m_lock(void) {}
static void cortex_m_unlock(void) {}

#include "ram_store.h"

const myo_store_port_t cortex_m_ram_store;

#include "stm32f405/clock.c"
#include "stm32f405/flash.c"
#include "stm32f405/port.c"
#include "stm32f405/scan.c"
#include "stm32f405/store.c"

#define RING_FRAMES 64u
#define BYTES 256u

static uint32_t (*model_read)(uint32_t address);
static void (*model_write)(uint32_t address, uint32_t value);

uint32_t stm32_read(uint32_t address) {
    return model_read(address);
}

void stm32_write(uint32_t address, uint32_t value) {
    model_write(address, value);
}

static uint32_t enabled[3], n_pended;

void cortex_m_enable_interrupt(uint32_t number) {
    enabled[number / 32u] |= 1u << number % 32u;
}

void cortex_m_pend_interrupt(uint32_t number) {
    n_pended += number == BOARD_IRQ_USART1;
}

uint32_t cortex_m_begin_interrupt(void) {
    return myo_port_ticks();
}

void cortex_m_end_interrupt(uint32_t begin) {
    (void)begin;
}

static uint8_t rx_bytes[BYTES], tx_bytes[BYTES];
static int32_t counts[RING_FRAMES * 9u];
static uint32_t ticks[RING_FRAMES];
static myo_byte_ring_t rx, tx;
static myo_ring_t ring;

void harness_boot(uint32_t (*read)(uint32_t), void (*write)(uint32_t, uint32_t)) {
    model_read = read;
    model_write = write;
    scan.ring = NULL;
    n_pended = 0;
    (void)myo_byte_ring_init(&rx, rx_bytes, BYTES);
    (void)myo_byte_ring_init(&tx, tx_bytes, BYTES);
    myo_port_init(&rx, &tx);
}

bool harness_sample(uint16_t n_channels, uint32_t rate_mhz, uint8_t adc_bits) {
    (void)myo_ring_init(&ring, counts, ticks, RING_FRAMES, n_channels);
    return myo_port_adc_start(&ring, rate_mhz, adc_bits);
}

/* Takes the oldest frame and its tick; false: there is none. */
bool harness_take_frame(int32_t *frame, uint32_t *tick) {
    if (myo_ring_used(&ring) == 0) {
        return false;
    }
    for (uint16_t i = 0; i < ring.n_channels; i++) {
        frame[i] = myo_ring_peek(&ring, 0)[i];
    }
    *tick = myo_ring_peek_tick(&ring, 0);
    myo_ring_release(&ring, 1);
    return true;
}

uint32_t harness_frames_lost(void) {
    return myo_ring_lost(&ring);
}

int harness_take_byte(void) {
    uint8_t byte;
    return myo_byte_ring_take(&rx, &byte) ? byte : -1;
}

uint32_t harness_bytes_lost(void) {
    return myo_byte_ring_lost(&rx);
}

bool harness_send(const uint8_t *bytes, size_t n) {
    const bool fits = myo_byte_ring_write(&tx, bytes, n);
    myo_port_send();
    return fits;
}

uint32_t harness_pended(void) {
    return n_pended;
}

bool harness_is_enabled(uint32_t number) {
    return (enabled[number / 32u] >> number % 32u & 1u) != 0;
}

volatile uint16_t *harness_dma_words(void) {
    return words;
}

/* The store as a patch has it, with records that are of one byte's value. */
enum { RECORD_BYTES = 2048 };

static const myo_store_t *harness_store(void) {
    static const uint8_t identity[MYO_STORE_IDENTITY_BYTES] = {1, 2, 3};
    static myo_store_t store;
    store = (myo_store_t){.port = myo_port_store(), .identity = identity, .record_bytes = RECORD_BYTES};
    return &store;
}

bool harness_store_is_flash(void) {
    return myo_port_store() == &flash_store && myo_port_store()->outlives_power;
}

uint32_t harness_store_save(uint8_t fill) {
    static uint32_t record[RECORD_BYTES / 4u];
    for (uint32_t i = 0; i < RECORD_BYTES / 4u; i++) {
        record[i] = fill * 0x01010101u;
    }
    return myo_store_save(harness_store(), record);
}

bool harness_store_undo(void) {
    return myo_store_undo(harness_store());
}

bool harness_store_clear(void) {
    return myo_store_clear(harness_store());
}

/* The newest record's byte, -1 where there is none, -2 where it is a mix. */
int harness_store_load(void) {
    static uint8_t record[RECORD_BYTES];
    bool foreign;
    if (myo_store_load(harness_store(), record, &foreign) == 0) {
        return -1;
    }
    for (uint32_t i = 1; i < RECORD_BYTES; i++) {
        if (record[i] != record[0]) {
            return -2;
        }
    }
    return record[0];
}

bool harness_store_write(uint32_t slot, uint32_t offset, const uint32_t *words, uint32_t n) {
    const myo_store_port_t *const at = myo_port_store();
    return at->write(at->context, slot, offset, words, n);
}
