/* A store in RAM that start-up leaves alone: it outlives a reset, though not the power. Linked only where it
   is asked for, in a patch with [calibration]. */
#ifndef CORTEX_M_RAM_STORE_H
#define CORTEX_M_RAM_STORE_H

#include "calibration/myo_store.h"

extern const myo_store_port_t cortex_m_ram_store;

#endif
