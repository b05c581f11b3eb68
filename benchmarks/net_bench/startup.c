/* Start-up of mps2-an386 (Cortex-M4F) under QEMU: vectors, memory, floating point, UART, and the way out. */
#include "board.h"

#include <stddef.h>

extern uint32_t __stack_top, __data_load, __data_start, __data_end, __bss_start, __bss_end;
int main(void);
void reset_handler(void);

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#ifndef UART0_BASE
#define UART0_BASE 0x40004000u
#endif
#define UART0_DATA (*(volatile uint32_t *)(UART0_BASE + 0x00u))
#define UART0_STATE (*(volatile uint32_t *)(UART0_BASE + 0x04u))
#define UART0_CONTROL (*(volatile uint32_t *)(UART0_BASE + 0x08u))
#define UART0_BAUD_DIVIDER (*(volatile uint32_t *)(UART0_BASE + 0x10u))
#define UART_STATE_TX_FULL 1u
#define SEMIHOSTING_EXIT_EXTENDED 0x20u
#define SEMIHOSTING_APPLICATION_EXIT 0x20026u

void board_exit(uint32_t code) {
    const uint32_t block[2] = {SEMIHOSTING_APPLICATION_EXIT, code};
    register uint32_t operation __asm__("r0") = SEMIHOSTING_EXIT_EXTENDED;
    register const uint32_t *argument __asm__("r1") = block;
    __asm__ volatile("bkpt 0xAB" : : "r"(operation), "r"(argument) : "memory");
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
    CPACR |= 0xFu << 20; /* floating point on: the compiler may use its registers */
    __asm__ volatile("dsb\n isb");
    const uint32_t *from = &__data_load;
    for (uint32_t *to = &__data_start; to < &__data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &__bss_start; to < &__bss_end;) {
        *to++ = 0;
    }
    UART0_BAUD_DIVIDER = 16;
    UART0_CONTROL = 1; /* transmit */
    board_exit((uint32_t)main());
}

void board_print(const char *text) {
    for (; *text != '\0'; text++) {
        while (UART0_STATE & UART_STATE_TX_FULL) {
        }
        UART0_DATA = (uint32_t)(unsigned char)*text;
    }
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
