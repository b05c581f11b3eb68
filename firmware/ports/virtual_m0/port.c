/* virtual_m0: QEMU's microbit (nRF51822), after Nordic's nRF51 Series Reference Manual 3.0, chapters 19
   (TIMER) and 29 (UART).

   Ticks. TIMER0, the one of 32 bits, counts 16 MHz, 62.5 ns a tick; under `-icount shift=6` an instruction
   takes 64 ns and nothing else takes time.

   Serial. A byte's arrival and a byte's departure are one interrupt. QEMU holds bytes back while six wait;
   silicon counts an overrun. */
#include "myo_port.h"

#include "board.h"
#include "cortex_m.h"
#include "myo_virtual_adc.h"

#define TIMER_HZ 16000000u

#define REGISTER(base, offset) (*(volatile uint32_t *)((base) + (offset)))

#define UART0(offset) REGISTER(0x40002000u, offset)
#define UART_STARTRX 0x000u
#define UART_STARTTX 0x008u
#define UART_RXDRDY 0x108u
#define UART_TXDRDY 0x11Cu
#define UART_INTENSET 0x304u
#define UART_ERRORSRC 0x480u
#define UART_ENABLE 0x500u
#define UART_RXD 0x518u
#define UART_TXD 0x51Cu
#define UART_BAUDRATE 0x524u
#define UART_INTERRUPTS (1u << 2 | 1u << 7) /* RXDRDY, TXDRDY */
#define UART_ENABLED 4u
#define UART_115200 0x01D7E000u
#define UART_OVERRUN 1u

#define TIMER0(offset) REGISTER(0x40008000u, offset) /* the tick counter */
#define TIMER1(offset) REGISTER(0x40009000u, offset) /* the virtual ADC's sample clock */
#define TIMER_START 0x000u
#define TIMER_STOP 0x004u
#define TIMER_CLEAR 0x00Cu
#define TIMER_CAPTURE0 0x040u
#define TIMER_COMPARE0 0x140u
#define TIMER_SHORTS 0x200u
#define TIMER_INTENSET 0x304u
#define TIMER_BITMODE 0x508u
#define TIMER_PRESCALER 0x510u
#define TIMER_CC0 0x540u
#define TIMER_16_BITS 0u
#define TIMER_32_BITS 3u
#define TIMER_COMPARE0_CLEARS 1u
#define TIMER_COMPARE0_INTERRUPTS (1u << 16)
#define TIMER1_LONGEST 65535u
#define TIMER_MOST_PRESCALED 9u

#define IRQ_UART0 2u

const char myo_port_name[] = "virtual_m0";

#define DECLARE(number, name) void name(void);
BOARD_INTERRUPTS(DECLARE)

static struct {
    myo_byte_ring_t *rx, *tx;
    bool sending;        /* a byte is in the UART */
    myo_ring_t *samples; /* where the ADC's frames go; NULL while it is stopped */
    uint32_t noise;
    uint8_t adc_bits;
    void (*aux)(
        const myo_ring_t *frames); /* gives auxiliary streams what comes before a frame; may be NULL */
} port;

/* Runs when a byte came, when one has left, and when myo_port_send pends it. */
void uart0_handler(void) {
    const uint32_t begin = cortex_m_begin_interrupt();
    while (UART0(UART_RXDRDY) != 0) {
        UART0(UART_RXDRDY) = 0; /* before the byte is read: the next one raises it again */
        myo_byte_ring_put(port.rx, (uint8_t)UART0(UART_RXD));
    }
    if ((UART0(UART_ERRORSRC) & UART_OVERRUN) != 0) {
        UART0(UART_ERRORSRC) = UART_OVERRUN;
        myo_byte_ring_lose(port.rx, 1);
    }
    while (!port.sending || UART0(UART_TXDRDY) != 0) {
        uint8_t byte;
        UART0(UART_TXDRDY) = 0;
        port.sending = myo_byte_ring_take(port.tx, &byte);
        if (!port.sending) {
            break;
        }
        UART0(UART_TXD) = byte;
    }
    cortex_m_end_interrupt(begin);
}

void timer1_handler(void) {
    const uint32_t begin = cortex_m_begin_interrupt();
    TIMER1(TIMER_COMPARE0) = 0;
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
    TIMER0(TIMER_BITMODE) = TIMER_32_BITS;
    TIMER0(TIMER_PRESCALER) = 0;
    TIMER0(TIMER_START) = 1;
    UART0(UART_BAUDRATE) = UART_115200;
    UART0(UART_ENABLE) = UART_ENABLED;
    UART0(UART_STARTRX) = 1;
    UART0(UART_STARTTX) = 1;
    UART0(UART_INTENSET) = UART_INTERRUPTS;
#define ENABLE(number, name) cortex_m_enable_interrupt(number);
    BOARD_INTERRUPTS(ENABLE)
}

uint32_t myo_port_tick_hz(void) {
    return TIMER_HZ;
}

/* An interrupt between the two lines captures anew: then this is the time after it, which is as true. */
uint32_t myo_port_ticks(void) {
    TIMER0(TIMER_CAPTURE0) = 1;
    return TIMER0(TIMER_CC0);
}

void myo_port_send(void) {
    cortex_m_pend_interrupt(IRQ_UART0);
}

/* The streams are linked where the app starts one. */
bool myo_port_aux_start(uint32_t stream, myo_ring_t *ring, uint32_t rate_mhz, uint32_t emg_rate_mhz,
                        uint8_t adc_bits) {
    port.aux = myo_virtual_aux_frame;
    return myo_virtual_aux_start(stream, ring, rate_mhz, emg_rate_mhz, adc_bits);
}

bool myo_port_adc_start(myo_ring_t *ring, uint32_t rate_mhz, uint8_t adc_bits) {
    uint64_t period = 0;
    uint32_t prescaler = 0;
    for (; prescaler <= TIMER_MOST_PRESCALED; prescaler++) {
        period = ((uint64_t)(TIMER_HZ >> prescaler) * 1000u + rate_mhz / 2u) / rate_mhz;
        if (period <= TIMER1_LONGEST) {
            break;
        }
    }
    if (period < 2 || period > TIMER1_LONGEST) {
        return false;
    }
    port.noise = MYO_VIRTUAL_ADC_SEED;
    port.adc_bits = adc_bits;
    port.samples = ring;
    TIMER1(TIMER_BITMODE) = TIMER_16_BITS;
    TIMER1(TIMER_PRESCALER) = prescaler;
    TIMER1(TIMER_CC0) = (uint32_t)period;
    TIMER1(TIMER_SHORTS) = TIMER_COMPARE0_CLEARS;
    TIMER1(TIMER_INTENSET) = TIMER_COMPARE0_INTERRUPTS;
    TIMER1(TIMER_CLEAR) = 1;
    TIMER1(TIMER_START) = 1;
    return true;
}

void myo_port_adc_stop(void) {
    TIMER1(TIMER_STOP) = 1;
    TIMER1(TIMER_COMPARE0) = 0;
    cortex_m_lock(); /* one that is already pending finds no ring */
    port.samples = NULL;
    cortex_m_unlock();
}
