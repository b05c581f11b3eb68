/* Reset, vector table and faults of the virtual Cortex-M4 board. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cortex_m_stack.h"

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define AIRCR (*(volatile uint32_t *)0xE000ED0Cu)
#define AIRCR_RESET 0x05FA0004u /* VECTKEY | SYSRESETREQ */
#define CPACR_FPU_FULL_ACCESS 0x00F00000u

extern uint32_t myo_data_begin[], myo_data_end[], myo_bss_begin[], myo_bss_end[];
extern const uint32_t myo_data_source[];

int main(void);
void uart0_rx_handler(void);
void uart0_tx_handler(void);
void timer0_handler(void);
_Noreturn void reset_handler(void);

/* Paints the stack in a function that has none, then goes on in C. */
_Noreturn __attribute__((naked)) void reset_handler(void) {
    __asm volatile("ldr r0, =myo_stack_bottom\n"
                   "ldr r1, =myo_stack_top\n"
                   "ldr r2, =%c0\n"
                   "1: cmp r0, r1\n"
                   "it lo\n"
                   "strlo r2, [r0], #4\n"
                   "blo 1b\n"
                   "b start\n" ::"i"(CORTEX_M_STACK_PAINT));
}

__attribute__((used)) static _Noreturn void start(void) {
    CPACR |= CPACR_FPU_FULL_ACCESS;
    __asm volatile("dsb\n isb" ::: "memory");
    memcpy(myo_data_begin, myo_data_source, (uintptr_t)myo_data_end - (uintptr_t)myo_data_begin);
    memset(myo_bss_begin, 0, (uintptr_t)myo_bss_end - (uintptr_t)myo_bss_begin);
    (void)main();
    for (;;) {
    }
}

/* A fault, or an interrupt that nobody asked for: start over. The host sees a HELLO of reason BOOT. The stack
   may be what failed, so this uses none. */
static __attribute__((naked)) void fault_handler(void) {
    __asm volatile("ldr r0, =%c0\n"
                   "ldr r1, =%c1\n"
                   "dsb\n"
                   "str r1, [r0]\n"
                   "dsb\n"
                   "b .\n" ::"i"(&AIRCR),
                   "i"(AIRCR_RESET));
}

#define N_INTERRUPTS 32

typedef union {
    void (*handler)(void);
    uint32_t *stack_top;
} vector_t;

extern const vector_t vectors[16 + N_INTERRUPTS];
__attribute__((section(".vectors"), used)) const vector_t vectors[16 + N_INTERRUPTS] = {
    [0] = {.stack_top = myo_stack_top},       [1] = {.handler = reset_handler},
    [2] = {.handler = fault_handler}, /* NMI */
    [3] = {.handler = fault_handler}, /* HardFault; the configurable faults stay disabled and end here */
    [4] = {.handler = fault_handler},         [5] = {.handler = fault_handler},
    [6] = {.handler = fault_handler},         [11] = {.handler = fault_handler},
    [12] = {.handler = fault_handler},        [14] = {.handler = fault_handler},
    [15] = {.handler = fault_handler},        [16 + 0] = {.handler = uart0_rx_handler},
    [16 + 1] = {.handler = uart0_tx_handler}, [16 + 2 ... 16 + 7] = {.handler = fault_handler},
    [16 + 8] = {.handler = timer0_handler},   [16 + 9 ... 16 + N_INTERRUPTS - 1] = {.handler = fault_handler},
};
