/* QEMU's microbit: an nRF51822, a Cortex-M0. */
#ifndef BOARD_H
#define BOARD_H

#define BOARD_N_INTERRUPTS 32
#define BOARD_INTERRUPTS(X)                                                                                  \
    X(2, uart0_handler)                                                                                      \
    X(9, timer1_handler)

#endif
