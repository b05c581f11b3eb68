/* The stack of a Cortex-M port: bounds from the linker script, painted by the reset
   handler, read back on request. */
#ifndef CORTEX_M_STACK_H
#define CORTEX_M_STACK_H

#include <stdint.h>

#define CORTEX_M_STACK_PAINT 0xa5a5a5a5u

extern uint32_t myo_stack_bottom[]; /* lowest word */
extern uint32_t myo_stack_top[];    /* one behind the highest word: the initial stack pointer */

static inline uint32_t cortex_m_stack_bytes(void) {
    return (uint32_t)((uintptr_t)myo_stack_top - (uintptr_t)myo_stack_bottom);
}

/* Bytes from the lowest word that lost its paint to the top: a word that was used and holds the paint's very
   value at the far end would hide, which is why this is a measurement and not a bound. */
static inline uint32_t cortex_m_stack_used(void) {
    const uint32_t *word = myo_stack_bottom;
    while (word < myo_stack_top && *word == CORTEX_M_STACK_PAINT) {
        word++;
    }
    return (uint32_t)((uintptr_t)myo_stack_top - (uintptr_t)word);
}

#endif
