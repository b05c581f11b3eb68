/* After RM0090 13 (ADC), 10 (DMA) and 18 (TIM2 to TIM5).

   TIM2's overflow triggers a scan, the DMA controller stores its words in a ring of frames, and TIM2's
   compare event, placed where the scan has ended, interrupts. The interrupt takes what is complete, so one
   that comes late loses nothing while fewer than SCAN_FRAMES periods have passed. Where more have, or a word
   was lost between ADC and DMA, everything begins anew, and the tick counter, which runs from TIM2's clock,
   says how many frames are missing.

   An input is biased to half the supply: a count is its word less half of full scale. */
#include "scan.h"

#include <stddef.h>

#include "myo_port.h"
#include "registers.h"

#define SCAN_FRAMES 16u

/* A conversion is 84 cycles of sampling and 12 of approximation at a quarter of APB2's clock: 21 MHz, of at
   most 36, or 4 MHz. TIM2 counts APB2's clock at both speeds. */
#define TICKS_PER_WORD ((84u + 12u) * 4u)
#define TICKS_OF_START 64u /* from the overflow to the first sample: some of the ADC's cycles, rounded up */
#define PATIENCE 1000u     /* looks at a stream that ends; it does within a word */

static struct {
    myo_ring_t *ring; /* NULL: stopped */
    uint32_t period;  /* ticks */
    uint32_t scan;    /* ticks from a period's begin to its compare event */
    uint32_t last;    /* tick of the compare event until which frames were taken */
    uint32_t taken;   /* place in words[] of the oldest frame not taken */
} scan;

static volatile uint16_t words[SCAN_FRAMES * STM32_SCAN_CHANNELS]; /* the DMA controller's */

static void stop_stream(void) {
    stm32_clear(DMA2_S0CR, DMA_CR_EN);
    for (uint32_t patience = PATIENCE; (stm32_read(DMA2_S0CR) & DMA_CR_EN) != 0 && patience > 0; patience--) {
    }
    stm32_write(DMA2_LIFCR, DMA_LIFCR_STREAM0);
}

/* Converter and stream from their beginning: an overrun is ended in no other way (13.8.1). */
static void begin_scans(void) {
    const uint32_t n = scan.ring->n_channels;
    stm32_set(RCC_APB2RSTR, RCC_APB2RSTR_ADC);
    stm32_clear(RCC_APB2RSTR, RCC_APB2RSTR_ADC);
    stop_stream();
    scan.taken = 0;
    stm32_write(DMA2_S0PAR, ADC1_DR);
    stm32_write(DMA2_S0M0AR, (uint32_t)(uintptr_t)words);
    stm32_write(DMA2_S0NDTR, n * SCAN_FRAMES);
    stm32_write(DMA2_S0CR,
                DMA_CR_CIRC | DMA_CR_MINC | DMA_CR_PERIPHERAL_16 | DMA_CR_MEMORY_16 | DMA_CR_PRIORITY_HIGH);
    stm32_set(DMA2_S0CR, DMA_CR_EN);
    uint32_t sampling = 0;
    uint32_t first = 0;  /* of the sequence: conversions 1 to 6, */
    uint32_t second = 0; /* and 7 to 12 */
    for (uint32_t i = 0; i < n; i++) {
        sampling |= ADC_SMPR_84 << 3u * i;
        if (i < 6u) {
            first |= i << 5u * i;
        } else {
            second |= i << 5u * (i - 6u);
        }
    }
    stm32_write(ADC_CCR, ADC_CCR_PRESCALER_4);
    stm32_write(ADC1_CR1, ADC_CR1_SCAN);
    stm32_write(ADC1_SMPR2, sampling);
    stm32_write(ADC1_SQR1, ADC_SQR1_LENGTH(n));
    stm32_write(ADC1_SQR2, second);
    stm32_write(ADC1_SQR3, first);
    stm32_write(ADC1_CR2,
                ADC_CR2_ADON | ADC_CR2_DMA | ADC_CR2_DDS | ADC_CR2_EXTSEL_TIM2_TRGO | ADC_CR2_EXTEN_RISING);
}

/* The first frame is complete a period and a scan from now. */
static void begin(void) {
    stm32_write(TIM2_CR1, 0);
    begin_scans();
    stm32_write(TIM2_PSC, 0);
    stm32_write(TIM2_ARR, scan.period - 1u);
    stm32_write(TIM2_CCR1, scan.scan);
    stm32_write(TIM2_CR2, 0);
    stm32_write(TIM2_EGR, TIM_EGR_UG); /* begins the counter anew, before an update can trigger */
    stm32_write(TIM2_CR2, TIM_CR2_TRGO_UPDATE);
    stm32_write(TIM2_SR, 0);
    stm32_write(TIM2_DIER, TIM_DIER_CC1IE);
    scan.last = myo_port_ticks() + scan.scan;
    stm32_write(TIM2_CR1, TIM_CR1_CEN);
}

bool stm32_scan_start(myo_ring_t *ring, uint32_t rate_mhz, uint8_t adc_bits, uint32_t timer_hz) {
    const uint32_t n = ring->n_channels;
    if (n > STM32_SCAN_CHANNELS || adc_bits != STM32_SCAN_BITS) {
        return false;
    }
    const uint64_t period = ((uint64_t)timer_hz * 1000u + rate_mhz / 2u) / rate_mhz;
    const uint32_t scan_ticks = n * TICKS_PER_WORD + TICKS_OF_START;
    if (period <= scan_ticks || period > UINT32_MAX / (2u * SCAN_FRAMES)) {
        return false;
    }
    scan.ring = ring;
    scan.period = (uint32_t)period;
    scan.scan = scan_ticks;
    stm32_set(RCC_AHB1ENR, RCC_AHB1ENR_GPIOA | RCC_AHB1ENR_DMA2);
    stm32_set(RCC_APB1ENR, RCC_APB1ENR_TIM2);
    stm32_set(RCC_APB2ENR, RCC_APB2ENR_ADC1);
    for (uint32_t pin = 0; pin < n; pin++) {
        stm32_set(GPIOA_MODER, GPIO_MODE_ANALOG << 2u * pin);
    }
    begin();
    return true;
}

/* Copies the frames that are complete, and returns how many there were. */
static uint32_t take_frames(uint32_t now) {
    const uint32_t n = scan.ring->n_channels;
    const uint32_t complete = (n * SCAN_FRAMES - stm32_read(DMA2_S0NDTR)) / n % SCAN_FRAMES;
    uint32_t n_taken = 0;
    for (; scan.taken != complete; n_taken++) {
        int32_t *frame = myo_ring_reserve(scan.ring);
        if (frame != NULL) {
            for (uint32_t i = 0; i < n; i++) {
                frame[i] = (int32_t)words[scan.taken * n + i] - (1 << (STM32_SCAN_BITS - 1u));
            }
            myo_ring_commit(scan.ring, now);
        }
        scan.taken = (scan.taken + 1u) % SCAN_FRAMES;
    }
    return n_taken;
}

void stm32_scan_serve(uint32_t now) {
    if (scan.ring == NULL || (stm32_read(TIM2_SR) & TIM_SR_CC1IF) == 0) {
        return; /* pending from before a stop, or a new beginning */
    }
    stm32_write(TIM2_SR, ~TIM_SR_CC1IF);
    const uint32_t elapsed = now - scan.last;
    const uint32_t due = elapsed / scan.period;
    const bool lapped = due >= SCAN_FRAMES; /* frames were written over */
    const bool overrun =
        (stm32_read(ADC1_SR) & ADC_SR_OVR) != 0 || (stm32_read(DMA2_LISR) & DMA_LISR_TEIF0) != 0;
    const uint32_t n_taken = lapped ? 0 : take_frames(now);
    if (lapped || overrun) {
        const uint32_t missing = (elapsed + scan.period / 2u) / scan.period;
        myo_ring_lose(scan.ring, missing > n_taken ? missing - n_taken : 0);
        begin();
    } else {
        scan.last += due * scan.period;
    }
}

void stm32_scan_stop(void) {
    stm32_write(TIM2_CR1, 0);
    stm32_write(TIM2_DIER, 0);
    stm32_write(TIM2_SR, 0);
    stm32_write(ADC1_CR2, 0);
    stop_stream();
    scan.ring = NULL;
}
