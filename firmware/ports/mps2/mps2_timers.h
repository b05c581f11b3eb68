/* The two timers of an MPS2 or MPS3 board: one counts ticks of the board's clock, one interrupts at the
   sample rate. Their kind depends on the subsystem: BOARD_SSE_TIMERS for the SSE-300's (its manual, 101773),
   else CMSDK's (DDI 0479). ISR-safe: mps2_ticks, mps2_sample_timer_acknowledge. */
#ifndef MPS2_TIMERS_H
#define MPS2_TIMERS_H

#include <stdint.h>

#include "board.h"

#ifdef BOARD_SSE_TIMERS

typedef struct {
    volatile uint32_t count_low, count_high, unused_1[2], frequency, unused_2[3], compare_low, compare_high;
    volatile uint32_t compare_in, control, unused_3[4], reloaded_low, reloaded_high, reload, reload_control;
} sse_timer_t;

#define TICK_TIMER ((const sse_timer_t *)BOARD_TIMER1)
#define SAMPLE_TIMER ((sse_timer_t *)BOARD_TIMER0)
#define SSE_COUNTER_CONTROL (*(volatile uint32_t *)BOARD_SSE_COUNTER)

#define SSE_COUNTER_ENABLE 1u
#define SSE_TIMER_ENABLE 1u
#define SSE_TIMER_RELOAD 1u

/* One counter, at the board's clock, stands behind all timers. */
static inline void mps2_ticks_start(void) {
    SSE_COUNTER_CONTROL = SSE_COUNTER_ENABLE;
}

static inline uint32_t mps2_ticks(void) {
    return TICK_TIMER->count_low;
}

static inline void mps2_sample_timer_start(uint32_t period) {
    SAMPLE_TIMER->reload = period;
    SAMPLE_TIMER->reload_control = SSE_TIMER_RELOAD;
    SAMPLE_TIMER->control = SSE_TIMER_ENABLE;
}

static inline void mps2_sample_timer_acknowledge(void) {
    SAMPLE_TIMER->reload_control = SSE_TIMER_RELOAD; /* clears the request, keeps the period */
}

static inline void mps2_sample_timer_stop(void) {
    SAMPLE_TIMER->control = 0;
    SAMPLE_TIMER->reload_control = 0;
}

#else

typedef struct {
    volatile uint32_t control, value, reload, interrupt;
} cmsdk_timer_t;

#define TICK_TIMER ((cmsdk_timer_t *)BOARD_TIMER1)
#define SAMPLE_TIMER ((cmsdk_timer_t *)BOARD_TIMER0)

#define CMSDK_TIMER_ENABLE 1u
#define CMSDK_TIMER_INTERRUPT_ENABLE 8u

static inline void mps2_ticks_start(void) {
    TICK_TIMER->reload = UINT32_MAX;
    TICK_TIMER->value = UINT32_MAX;
    TICK_TIMER->control = CMSDK_TIMER_ENABLE;
}

static inline uint32_t mps2_ticks(void) {
    return UINT32_MAX - TICK_TIMER->value;
}

static inline void mps2_sample_timer_start(uint32_t period) {
    SAMPLE_TIMER->reload = period - 1u;
    SAMPLE_TIMER->value = period - 1u;
    SAMPLE_TIMER->control = CMSDK_TIMER_ENABLE | CMSDK_TIMER_INTERRUPT_ENABLE;
}

static inline void mps2_sample_timer_acknowledge(void) {
    SAMPLE_TIMER->interrupt = 1;
}

static inline void mps2_sample_timer_stop(void) {
    SAMPLE_TIMER->control = 0;
    SAMPLE_TIMER->interrupt = 1;
}

#endif
#endif
