/* Arm's MPS2 and MPS3 boards under QEMU, after their application notes (AN385, AN386, AN500, AN505, AN547)
   and the Cortex-M System Design Kit's manual (DDI 0479) for UART and timers. The board's own folder says
   where they are.

   Ticks. A timer counts the board's clock, and nothing else: run with `-icount shift=6`, QEMU's virtual clock
   moves 64 ns with every instruction while the core is awake, so at 25 MHz, 40 ns a tick, instructions =
   ticks * 40 / 64, exact to one instruction a reading. Without -icount a tick is host time and tells nothing
   of the core.

   Serial. QEMU hands the UART one byte a turn of its main loop and waits until it was read, so a byte is
   never lost before the ring, and takes what is sent at once or, where nobody reads, holds TXFULL. Both
   interrupts work on real silicon as well, where a byte may be lost to an overrun: it is counted. */
#include "myo_port.h"

#include "board.h"
#include "cortex_m.h"
#include "mps2_timers.h"
#include "myo_virtual_adc.h"

typedef struct {
    volatile uint32_t data, state, control, interrupt, baud_divider;
} cmsdk_uart_t;

#define UART0 ((cmsdk_uart_t *)BOARD_UART0)

#define UART_STATE_TX_FULL 1u
#define UART_STATE_RX_FULL 2u
#define UART_STATE_RX_OVERRUN 8u
#define UART_CONTROL_TX 1u
#define UART_CONTROL_RX 2u
#define UART_CONTROL_TX_INTERRUPT 4u
#define UART_CONTROL_RX_INTERRUPT 8u
#define UART_INTERRUPT_TX 1u
#define UART_INTERRUPT_RX 2u
#define UART_BAUD_DIVIDER 217u /* 115200 baud; QEMU's line has no speed */

const char myo_port_name[] = BOARD_NAME;

#define DECLARE(number, name) void name(void);
BOARD_INTERRUPTS(DECLARE)

static struct {
    myo_byte_ring_t *rx, *tx;
    myo_ring_t *samples; /* where the ADC's frames go; NULL while it is stopped */
    uint32_t noise;
    uint8_t adc_bits;
    void (*aux)(
        const myo_ring_t *frames); /* gives auxiliary streams what comes before a frame; may be NULL */
} port;

void uart0_rx_handler(void) {
    const uint32_t begin = cortex_m_begin_interrupt();
    UART0->interrupt = UART_INTERRUPT_RX; /* before the byte is read: the next one raises it again */
    while ((UART0->state & UART_STATE_RX_FULL) != 0) {
        myo_byte_ring_put(port.rx, (uint8_t)UART0->data);
    }
    if ((UART0->state & UART_STATE_RX_OVERRUN) != 0) {
        UART0->state = UART_STATE_RX_OVERRUN;
        myo_byte_ring_lose(port.rx, 1);
    }
    cortex_m_end_interrupt(begin);
}

/* Runs when the UART can take a byte again, and when myo_port_send pends it. */
void uart0_tx_handler(void) {
    const uint32_t begin = cortex_m_begin_interrupt();
    UART0->interrupt = UART_INTERRUPT_TX;
    uint8_t byte;
    while ((UART0->state & UART_STATE_TX_FULL) == 0 && myo_byte_ring_take(port.tx, &byte)) {
        UART0->data = byte;
    }
    cortex_m_end_interrupt(begin);
}

void timer0_handler(void) {
    const uint32_t begin = cortex_m_begin_interrupt();
    mps2_sample_timer_acknowledge();
    if (port.samples != NULL) {
        if (port.aux != NULL) {
            port.aux(port.samples);
        }
        myo_virtual_adc_frame(&port.noise, port.adc_bits, port.samples, begin);
    }
    cortex_m_end_interrupt(begin);
}

void myo_port_init(myo_byte_ring_t *rx, myo_byte_ring_t *tx) {
    port.rx = rx;
    port.tx = tx;
    mps2_ticks_start();
    UART0->baud_divider = UART_BAUD_DIVIDER;
    UART0->control =
        UART_CONTROL_TX | UART_CONTROL_RX | UART_CONTROL_TX_INTERRUPT | UART_CONTROL_RX_INTERRUPT;
#define ENABLE(number, name) cortex_m_enable_interrupt(number);
    BOARD_INTERRUPTS(ENABLE)
}

uint32_t myo_port_tick_hz(void) {
    return BOARD_CLOCK_HZ;
}

uint32_t myo_port_ticks(void) {
    return mps2_ticks();
}

void myo_port_send(void) {
    cortex_m_pend_interrupt(BOARD_IRQ_UART0_TX);
}

/* The streams are linked where the app starts one. */
bool myo_port_aux_start(uint32_t stream, myo_ring_t *ring, uint32_t rate_mhz, uint32_t emg_rate_mhz,
                        uint8_t adc_bits) {
    port.aux = myo_virtual_aux_frame;
    return myo_virtual_aux_start(stream, ring, rate_mhz, emg_rate_mhz, adc_bits);
}

bool myo_port_adc_start(myo_ring_t *ring, uint32_t rate_mhz, uint8_t adc_bits) {
    const uint64_t period = ((uint64_t)BOARD_CLOCK_HZ * 1000u + rate_mhz / 2u) / rate_mhz;
    if (period < 2 || period > UINT32_MAX) {
        return false;
    }
    port.noise = MYO_VIRTUAL_ADC_SEED;
    port.adc_bits = adc_bits;
    port.samples = ring;
    mps2_sample_timer_start((uint32_t)period);
    return true;
}

void myo_port_adc_stop(void) {
    mps2_sample_timer_stop();
    cortex_m_lock(); /* one that is already pending finds no ring */
    port.samples = NULL;
    cortex_m_unlock();
}
