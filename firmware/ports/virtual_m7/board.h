/* QEMU's mps2-an500: a Cortex-M7 (Arm application note AN500). */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "virtual_m7"
#define BOARD_CLOCK_HZ 25000000u

#define BOARD_UART0 0x40004000u
#define BOARD_TIMER0 0x40000000u /* the virtual ADC's sample clock */
#define BOARD_TIMER1 0x40001000u /* the tick counter */

#define BOARD_IRQ_UART0_TX 1u
#define BOARD_N_INTERRUPTS 32
#define BOARD_INTERRUPTS(X)                                                                                  \
    X(0, uart0_rx_handler)                                                                                   \
    X(1, uart0_tx_handler)                                                                                   \
    X(8, timer0_handler)

#endif
