/* Start-up of any Cortex-M under QEMU: vectors, memory, floating point, and semihosting, which prints and
   ends the emulation without a word about the board's own peripherals. */
#include "board.h"

#include <stddef.h>

extern uint32_t __stack_top, __data_load, __data_start, __data_end, __bss_start, __bss_end;
int main(void);
void reset_handler(void);

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define SYSTICK ((volatile uint32_t *)0xE000E010u) /* control, reload, value */
#define SYSTICK_CORE_CLOCK 5u                      /* enabled, no interrupt */
#define SYSTICK_MASK 0xFFFFFFu
#define SEMIHOSTING_WRITE0 0x04u
#define SEMIHOSTING_EXIT_EXTENDED 0x20u
#define SEMIHOSTING_APPLICATION_EXIT 0x20026u

static void ask_host(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

void board_exit(uint32_t code) {
    const uint32_t block[2] = {SEMIHOSTING_APPLICATION_EXIT, code};
    ask_host(SEMIHOSTING_EXIT_EXTENDED, block);
    for (;;) {
    }
}

static void fault_handler(void) {
    board_print("FAULT\n");
    board_exit(2);
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &__stack_top,          (void *)reset_handler, (void *)fault_handler, (void *)fault_handler,
    (void *)fault_handler, (void *)fault_handler, (void *)fault_handler,
};

void reset_handler(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    CPACR |= 0xFu << 20; /* floating point and vectors on: the compiler may use their registers */
    __asm__ volatile("dsb\n isb");
#endif
    const uint32_t *from = &__data_load;
    for (uint32_t *to = &__data_start; to < &__data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &__bss_start; to < &__bss_end;) {
        *to++ = 0;
    }
#ifdef BOARD_COUNTS_TICKS
    SYSTICK[1] = SYSTICK_MASK;
    SYSTICK[2] = 0;
    SYSTICK[0] = SYSTICK_CORE_CLOCK;
#endif
    board_exit((uint32_t)main());
}

#ifdef BOARD_COUNTS_TICKS
uint32_t board_ticks(uint32_t since) {
    return (SYSTICK_MASK - SYSTICK[2] - since) & SYSTICK_MASK;
}
#endif

void board_print(const char *text) {
    ask_host(SEMIHOSTING_WRITE0, text);
}

void board_print_number(uint32_t number) {
    char digits[11];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10u);
        number /= 10u;
    } while (number != 0);
    board_print(digits + at);
}
