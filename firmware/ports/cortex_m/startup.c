/* Reset, vector table and faults of the Cortex-M boards, ARMv6-M to ARMv8.1-M. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "board.h"
#include "cortex_m.h"

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define AIRCR (*(volatile uint32_t *)0xE000ED0Cu)
#define AIRCR_RESET 0x05FA0004u /* VECTKEY | SYSRESETREQ */
#define CPACR_FPU_FULL_ACCESS 0x00F00000u

extern uint32_t myo_data_begin[], myo_data_end[], myo_bss_begin[], myo_bss_end[];
extern const uint32_t myo_data_source[];

int main(void);
_Noreturn void reset_handler(void);

#define DECLARE(number, name) void name(void);
BOARD_INTERRUPTS(DECLARE)

/* Paints the stack in a function that has none, then goes on in C. */
_Noreturn __attribute__((naked)) void reset_handler(void) {
    __asm volatile(".syntax unified\n"
                   "ldr r0, =myo_stack_bottom\n"
                   "ldr r1, =myo_stack_top\n"
                   "ldr r2, =%c0\n"
                   "1: str r2, [r0]\n"
                   "adds r0, r0, #4\n"
                   "cmp r0, r1\n"
                   "blo 1b\n"
                   "bl start\n" ::"i"(CORTEX_M_STACK_PAINT));
}

__attribute__((used)) static _Noreturn void start(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    CPACR |= CPACR_FPU_FULL_ACCESS; /* and of the vector registers, which are the same */
    __asm volatile("dsb\n isb" ::: "memory");
#endif
    memcpy(myo_data_begin, myo_data_source, (uintptr_t)myo_data_end - (uintptr_t)myo_data_begin);
    memset(myo_bss_begin, 0, (uintptr_t)myo_bss_end - (uintptr_t)myo_bss_begin);
    (void)main();
    for (;;) {
    }
}

/* A fault, or an interrupt that nobody asked for: start over. The host sees a HELLO of reason BOOT. The stack
   may be what failed, so this uses none. */
static __attribute__((naked)) void fault_handler(void) {
    __asm volatile(".syntax unified\n"
                   "ldr r0, =%c0\n"
                   "ldr r1, =%c1\n"
                   "dsb\n"
                   "str r1, [r0]\n"
                   "dsb\n"
                   "b .\n" ::"i"(&AIRCR),
                   "i"(AIRCR_RESET));
}

typedef union {
    void (*handler)(void);
    uint32_t *stack_top;
} vector_t;

#define N_VECTORS (16 + BOARD_N_INTERRUPTS)
#define PLACE(number, name) [16 + (number)] = {.handler = name},

/* Every vector is a fault until a later line says otherwise, which is what this warning is about. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
extern const vector_t vectors[N_VECTORS];
__attribute__((section(".vectors"), used)) const vector_t vectors[N_VECTORS] = {
    [2 ... N_VECTORS - 1] = {.handler = fault_handler}, /* the configurable ones stay disabled: HardFault */
    [0] = {.stack_top = myo_stack_top},
    [1] = {.handler = reset_handler},
    BOARD_INTERRUPTS(PLACE)};
#pragma GCC diagnostic pop
