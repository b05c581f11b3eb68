/* QEMU's mps2-an505: a Cortex-M33, in its secure state (Arm application note AN505). */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "virtual_m33"
#define BOARD_CLOCK_HZ 20000000u

#define BOARD_UART0 0x50200000u
#define BOARD_TIMER0 0x50000000u /* the virtual ADC's sample clock */
#define BOARD_TIMER1 0x50001000u /* the tick counter */

#define BOARD_IRQ_UART0_TX 33u
#define BOARD_N_INTERRUPTS 124
#define BOARD_INTERRUPTS(X)                                                                                  \
    X(32, uart0_rx_handler)                                                                                  \
    X(33, uart0_tx_handler)                                                                                  \
    X(3, timer0_handler)

#endif
