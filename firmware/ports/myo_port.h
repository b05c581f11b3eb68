/* What a board must supply. One board is one folder beside this file; the app calls nothing of a board but
   this.

   A port keeps its peripherals' state in its own file: there is one of each. Its interrupts only copy bytes
   and samples into the rings that they were given, and count what did not fit. */
#ifndef MYO_PORT_H
#define MYO_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "calibration/myo_store.h"
#include "link/myo_byte_ring.h"
#include "myo_status.h"
#include "stream/myo_ring.h"

/* The board's name as the host knows it, at most 16 characters. */
extern const char myo_port_name[];

/* Brings up clock, tick counter and serial port. rx: the port produces; tx: the port
   consumes. Called once. */
void myo_port_init(myo_byte_ring_t *rx, myo_byte_ring_t *tx);

/* Rate of the tick counter in hertz. */
uint32_t myo_port_tick_hz(void);

/* Free-running counter, wraps at 2^32. ISR-safe: yes. */
uint32_t myo_port_ticks(void);

/* The same counter, standing still while interrupts are served: what the main loop's own
   work took. ISR-safe: no. */
uint32_t myo_port_work_ticks(void);

/* The tx ring holds bytes: begin to send them, or go on. Returns at once. */
void myo_port_send(void);

/* Sleeps until an interrupt (or what stands for one) has been served; returns at once if one was since the
   last call returned. Look at the rings after it, not before: nothing is missed then. */
void myo_port_idle(void);

/* Samples of n_channels signed counts of adc_bits go into the ring at rate_mhz (millihertz) from an
   interrupt, until myo_port_adc_stop. false: the board has no such source, or not at this rate. */
bool myo_port_adc_start(myo_ring_t *ring, uint32_t rate_mhz, uint8_t adc_bits);
void myo_port_adc_stop(void);

/* Samples of an auxiliary stream (its number from 0) go into the ring at rate_mhz from an interrupt, from the
   next myo_port_adc_start until myo_port_adc_stop. Their ticks are the frames of the EMG sensor that came
   before them: myo_ring_received of the ring that myo_port_adc_start is given, whose frames come at
   emg_rate_mhz. false: the board has no such source. Not called in a patch without streams. */
bool myo_port_aux_start(uint32_t stream, myo_ring_t *ring, uint32_t rate_mhz, uint32_t emg_rate_mhz,
                        uint8_t adc_bits);

/* Memory that outlives power, in two slots, see calibration/myo_store.h; where a board has none, RAM that no
   start-up clears, and outlives_power says so. Only asked for by a patch with [calibration], whose app calls
   it after myo_port_init.

   What it gives is called from the main loop, never from an interrupt. Reading returns at once. Writing may
   block for 100 us a word. An erase may block for 4 s: the host waits 10 s for any answer. While memory is
   written or erased, interrupts may be held up as well, where the core fetches them from the same flash. What
   comes meanwhile is lost, and has to be known as ever: samples by myo_ring_lose, bytes by
   myo_byte_ring_lose. The host asks for nothing that is stored while it streams samples. */
const myo_store_port_t *myo_port_store(void);

/* Resets the board as its reset line would. */
_Noreturn void myo_port_reset(void);

/* The app cannot run: its generated config contradicts its memory. Says so where the board
   can, and stays down. */
_Noreturn void myo_port_halt(myo_status_t status);

/* Stack size, and its deepest use since boot by painting, in bytes; 0 and 0 where the board cannot tell. */
uint32_t myo_port_stack_bytes(void);
uint32_t myo_port_stack_used(void);

#endif
