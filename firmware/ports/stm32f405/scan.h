/* The sample source: ADC1 scans its inputs 0.. (PA0..PA7) at TIM2's pace, DMA2 keeps the last frames. */
#ifndef STM32_SCAN_H
#define STM32_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/myo_ring.h"

#define STM32_SCAN_CHANNELS 8u
#define STM32_SCAN_BITS 12u

/* Frames of ring->n_channels counts at rate_mhz (millihertz), from stm32_scan_serve, until stm32_scan_stop.
   timer_hz is TIM2's clock and the tick counter's. false: more than 8 channels, other than 12 bits, or no
   such rate: a scan takes 384 ticks a channel. */
bool stm32_scan_start(myo_ring_t *ring, uint32_t rate_mhz, uint8_t adc_bits, uint32_t timer_hz);

/* TIM2's interrupt, once a frame when it is complete. Frames that could not be kept are counted in the ring.
 */
void stm32_scan_serve(uint32_t now);

/* Called with interrupts off, or from one: a pending one finds no ring. */
void stm32_scan_stop(void);

#endif
