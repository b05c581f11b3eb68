/* STM32F405: a Cortex-M4F of 168 MHz, and QEMU's netduinoplus2, which models it. docs/boards.md has the
 * wiring. */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "stm32f405"

#ifndef BOARD_HSE_HZ /* of the crystal: custom_hse_hz in platformio.ini */
#define BOARD_HSE_HZ 8000000u
#endif
#ifndef BOARD_BAUD /* the application's, as firmware/platform/builder/main.py says */
#define BOARD_BAUD 1000000u
#endif

#define BOARD_FLASH 0x08000000u
#define BOARD_STORE 0x080C0000u /* sectors 10 and 11, behind memory.ld's FLASH */
#define BOARD_HAS_STORE 1
#define BOARD_IRQ_USART1 37u
#define BOARD_N_INTERRUPTS 82
#define BOARD_INTERRUPTS(X)                                                                                  \
    X(28, tim2_handler)                                                                                      \
    X(37, usart1_handler)

#endif
