/* The clock tree: 168 MHz from the crystal, or 16 MHz from the internal oscillator. */
#ifndef STM32_CLOCK_H
#define STM32_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t apb2_hz;        /* of USART1; a quarter of it is the ADC's */
    uint32_t timer_hz;       /* what TIM2 and TIM5 count where they do not divide */
    uint32_t tick_prescaler; /* what the tick counter divides it by */
    bool is_emulated;        /* QEMU: no clocks, no ADC, no DMA */
} stm32_clock_t;

/* Brings the core to 168 MHz, with a clock guard that resets the board should the crystal stop; to 16 MHz
   where crystal or PLL do not come up within some 0.2 s. Works from any state of the clocks, as a bootloader
   may leave them. */
stm32_clock_t stm32_clock_start(void);

/* Whether stm32_clock_start found QEMU. */
bool stm32_is_emulated(void);

#endif
