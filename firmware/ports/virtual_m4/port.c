/* virtual_m4: QEMU's mps2-an386 (Cortex-M4F at 25 MHz), after Arm's application notes AN385/AN386 and the
   Cortex-M System Design Kit's manual (DDI 0479) for UART and timers.

   Ticks. TIMER1 counts 25 MHz down, 40 ns a tick. Run with `-icount shift=6`, QEMU's virtual clock moves 64
   ns with every instruction and with nothing else while the core is awake: instructions = ticks * 40 / 64,
   exact to one instruction a reading. Without -icount a tick is host time and tells nothing of the core.

   Serial. QEMU hands the UART one byte a turn of its main loop and waits until it was read, so a byte is
   never lost before the ring, and takes what is sent at once or, where nobody reads, holds TXFULL. Both
   interrupts work on real silicon as well, where a byte may be lost to an overrun: it is counted. */
#include "myo_port.h"

#include "cortex_m_stack.h"
#include "myo_virtual_adc.h"

#define SYSTEM_HZ 25000000u

typedef struct {
    volatile uint32_t data, state, control, interrupt, baud_divider;
} cmsdk_uart_t;

typedef struct {
    volatile uint32_t control, value, reload, interrupt;
} cmsdk_timer_t;

#define UART0 ((cmsdk_uart_t *)0x40004000u)
#define TIMER0 ((cmsdk_timer_t *)0x40000000u) /* the virtual ADC's sample clock */
#define TIMER1 ((cmsdk_timer_t *)0x40001000u) /* the tick counter */

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

#define TIMER_ENABLE 1u
#define TIMER_INTERRUPT_ENABLE 8u

#define NVIC_ISER (*(volatile uint32_t *)0xE000E100u)
#define NVIC_ISPR (*(volatile uint32_t *)0xE000E200u)
#define AIRCR (*(volatile uint32_t *)0xE000ED0Cu)
#define AIRCR_RESET 0x05FA0004u /* VECTKEY | SYSRESETREQ */
#define IRQ_UART0_RX 0u
#define IRQ_UART0_TX 1u
#define IRQ_TIMER0 8u

const char myo_port_name[] = "virtual_m4";

void uart0_rx_handler(void);
void uart0_tx_handler(void);
void timer0_handler(void);

/* All interrupts have one priority, so none interrupts another and each counter below has
   one writer at a time. */
static struct {
    myo_byte_ring_t *rx, *tx;
    myo_ring_t *samples; /* where the ADC's frames go; NULL while it is stopped */
    uint32_t noise;
    uint8_t adc_bits;
    volatile uint32_t interrupt_ticks; /* spent in handlers since boot */
    volatile bool served;              /* an interrupt was, since myo_port_idle returned */
} port;

static uint32_t begin_interrupt(void) {
    return myo_port_ticks();
}

static void end_interrupt(uint32_t begin) {
    port.served = true;
    port.interrupt_ticks += myo_port_ticks() - begin;
}

void uart0_rx_handler(void) {
    const uint32_t begin = begin_interrupt();
    UART0->interrupt = UART_INTERRUPT_RX; /* before the byte is read: the next one raises it again */
    while ((UART0->state & UART_STATE_RX_FULL) != 0) {
        myo_byte_ring_put(port.rx, (uint8_t)UART0->data);
    }
    if ((UART0->state & UART_STATE_RX_OVERRUN) != 0) {
        UART0->state = UART_STATE_RX_OVERRUN;
        myo_byte_ring_lose(port.rx, 1);
    }
    end_interrupt(begin);
}

/* Runs when the UART can take a byte again, and when myo_port_send pends it. */
void uart0_tx_handler(void) {
    const uint32_t begin = begin_interrupt();
    UART0->interrupt = UART_INTERRUPT_TX;
    uint8_t byte;
    while ((UART0->state & UART_STATE_TX_FULL) == 0 && myo_byte_ring_take(port.tx, &byte)) {
        UART0->data = byte;
    }
    end_interrupt(begin);
}

void timer0_handler(void) {
    const uint32_t begin = begin_interrupt();
    TIMER0->interrupt = 1;
    if (port.samples != NULL) {
        int32_t *frame = myo_ring_reserve(port.samples);
        for (uint16_t channel = 0; channel < port.samples->n_channels; channel++) {
            const int32_t count = myo_virtual_adc_next(&port.noise, port.adc_bits);
            if (frame != NULL) {
                frame[channel] = count; /* the noise goes on where a frame is lost, as a real signal would */
            }
        }
        if (frame != NULL) {
            myo_ring_commit(port.samples, begin);
        }
    }
    end_interrupt(begin);
}

void myo_port_init(myo_byte_ring_t *rx, myo_byte_ring_t *tx) {
    port.rx = rx;
    port.tx = tx;
    TIMER1->reload = UINT32_MAX;
    TIMER1->value = UINT32_MAX;
    TIMER1->control = TIMER_ENABLE;
    UART0->baud_divider = UART_BAUD_DIVIDER;
    UART0->control =
        UART_CONTROL_TX | UART_CONTROL_RX | UART_CONTROL_TX_INTERRUPT | UART_CONTROL_RX_INTERRUPT;
    NVIC_ISER = 1u << IRQ_UART0_RX | 1u << IRQ_UART0_TX | 1u << IRQ_TIMER0;
}

uint32_t myo_port_tick_hz(void) {
    return SYSTEM_HZ;
}

uint32_t myo_port_ticks(void) {
    return UINT32_MAX - TIMER1->value;
}

uint32_t myo_port_work_ticks(void) {
    uint32_t interrupt_ticks;
    uint32_t now;
    do { /* again where an interrupt came between the two readings */
        interrupt_ticks = port.interrupt_ticks;
        now = myo_port_ticks();
    } while (interrupt_ticks != port.interrupt_ticks);
    return now - interrupt_ticks;
}

void myo_port_send(void) {
    NVIC_ISPR = 1u << IRQ_UART0_TX;
}

void myo_port_idle(void) {
    /* An interrupt between the test and the sleep stays pending, and a pending interrupt
       ends WFI even when masked. */
    __asm volatile("cpsid i" ::: "memory");
    if (!port.served) {
        __asm volatile("dsb\n wfi" ::: "memory");
    }
    port.served = false;
    __asm volatile("cpsie i\n isb" ::: "memory");
}

bool myo_port_adc_start(myo_ring_t *ring, uint32_t rate_mhz, uint8_t adc_bits) {
    const uint64_t period = ((uint64_t)SYSTEM_HZ * 1000u + rate_mhz / 2u) / rate_mhz;
    if (period < 2 || period > UINT32_MAX) {
        return false;
    }
    port.noise = MYO_VIRTUAL_ADC_SEED;
    port.adc_bits = adc_bits;
    port.samples = ring;
    TIMER0->reload = (uint32_t)period - 1u;
    TIMER0->value = (uint32_t)period - 1u;
    TIMER0->control = TIMER_ENABLE | TIMER_INTERRUPT_ENABLE;
    return true;
}

void myo_port_adc_stop(void) {
    TIMER0->control = 0;
    TIMER0->interrupt = 1;
    __asm volatile("cpsid i" ::: "memory"); /* one that is already pending finds no ring */
    port.samples = NULL;
    __asm volatile("cpsie i" ::: "memory");
}

_Noreturn void myo_port_reset(void) {
    __asm volatile("dsb" ::: "memory");
    AIRCR = AIRCR_RESET;
    for (;;) {
    }
}

_Noreturn void myo_port_halt(myo_status_t status) {
    (void)status; /* for a debugger: this board has nothing to say it with before the link is up */
    for (;;) {
        __asm volatile("wfi");
    }
}

uint32_t myo_port_stack_bytes(void) {
    return cortex_m_stack_bytes();
}

uint32_t myo_port_stack_used(void) {
    return cortex_m_stack_used();
}
