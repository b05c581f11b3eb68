/* QEMU's mps3-an547: a Cortex-M55, in its secure state (Arm application note AN547). */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_NAME "virtual_m55"
#define BOARD_CLOCK_HZ 32000000u

#define BOARD_UART0 0x59303000u
#define BOARD_TIMER0 0x58000000u /* the virtual ADC's sample clock */
#define BOARD_TIMER1 0x58001000u /* the tick counter */
#define BOARD_SSE_TIMERS 1
#define BOARD_SSE_COUNTER 0x58100000u

#define BOARD_IRQ_UART0_TX 34u
#define BOARD_N_INTERRUPTS 128
#define BOARD_INTERRUPTS(X)                                                                                  \
    X(33, uart0_rx_handler)                                                                                  \
    X(34, uart0_tx_handler)                                                                                  \
    X(3, timer0_handler)

#endif
