/* What Cortex-M ports share: stack, interrupts' time, sleep and reset. Beside it, startup.c has the vector
   table and image.ld the layout; both ask the board's own folder:

   - memory.ld: the regions FLASH and RAM, and STACK_BYTES
   - board.h: BOARD_N_INTERRUPTS, and BOARD_INTERRUPTS(X), an X(number, handler) for each that is used;
     BOARD_HAS_STORE where its folder has a myo_port_store. The others get ram_store.c's. */
#ifndef CORTEX_M_H
#define CORTEX_M_H

#include <stdint.h>

#define CORTEX_M_STACK_PAINT 0xa5a5a5a5u

extern uint32_t myo_stack_bottom[]; /* lowest word */
extern uint32_t myo_stack_top[];    /* one behind the highest word: the initial stack pointer */

/* Every handler's first and last statement: its time is not the main loop's, and whoever is idle wakes. All
   interrupts have one priority, so none interrupts another and each counter has one writer at a time. */
uint32_t cortex_m_begin_interrupt(void);
void cortex_m_end_interrupt(uint32_t begin);

void cortex_m_enable_interrupt(uint32_t number);
void cortex_m_pend_interrupt(uint32_t number);

static inline void cortex_m_lock(void) {
    __asm volatile("cpsid i" ::: "memory");
}

static inline void cortex_m_unlock(void) {
    __asm volatile("cpsie i\n isb" ::: "memory");
}

#endif
