#include "cortex_m.h"

#include "myo_port.h"

#define NVIC_ISER ((volatile uint32_t *)0xE000E100u)
#define NVIC_ISPR ((volatile uint32_t *)0xE000E200u)
#define AIRCR (*(volatile uint32_t *)0xE000ED0Cu)
#define AIRCR_RESET 0x05FA0004u /* VECTKEY | SYSRESETREQ */

static volatile uint32_t interrupt_ticks; /* spent in handlers since boot */
static volatile bool served;              /* an interrupt was, since myo_port_idle returned */

uint32_t cortex_m_begin_interrupt(void) {
    return myo_port_ticks();
}

void cortex_m_end_interrupt(uint32_t begin) {
    served = true;
    interrupt_ticks += myo_port_ticks() - begin;
}

void cortex_m_enable_interrupt(uint32_t number) {
    NVIC_ISER[number / 32u] = 1u << number % 32u;
}

void cortex_m_pend_interrupt(uint32_t number) {
    NVIC_ISPR[number / 32u] = 1u << number % 32u;
}

uint32_t myo_port_work_ticks(void) {
    uint32_t before;
    uint32_t now;
    do { /* again where an interrupt came between the two readings */
        before = interrupt_ticks;
        now = myo_port_ticks();
    } while (before != interrupt_ticks);
    return now - before;
}

void myo_port_idle(void) {
    /* An interrupt between the test and the sleep stays pending, and a pending interrupt
       ends WFI even when masked. */
    cortex_m_lock();
    if (!served) {
        __asm volatile("dsb\n wfi" ::: "memory");
    }
    served = false;
    cortex_m_unlock();
}

_Noreturn void myo_port_reset(void) {
    __asm volatile("dsb" ::: "memory");
    AIRCR = AIRCR_RESET;
    for (;;) {
    }
}

_Noreturn void myo_port_halt(myo_status_t status) {
    (void)status; /* for a debugger: there is nothing to say it with before the link is up */
    for (;;) {
        __asm volatile("wfi");
    }
}

uint32_t myo_port_stack_bytes(void) {
    return (uint32_t)((uintptr_t)myo_stack_top - (uintptr_t)myo_stack_bottom);
}

/* Bytes from the lowest word that lost its paint to the top: a word that was used and holds the paint's very
   value at the far end would hide, which is why this is a measurement and not a bound. */
uint32_t myo_port_stack_used(void) {
    const uint32_t *word = myo_stack_bottom;
    while (word < myo_stack_top && *word == CORTEX_M_STACK_PAINT) {
        word++;
    }
    return (uint32_t)((uintptr_t)myo_stack_top - (uintptr_t)word);
}
