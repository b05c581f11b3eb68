/* Full-wave rectification: the magnitude of each word. A word of INT32_MIN, which the export excludes, stays
   as it is. No config, no state. */
#ifndef MYO_RECTIFY_H
#define MYO_RECTIFY_H

#include "dsp/myo_step.h"

extern const myo_step_kind_t myo_rectify_kind;

#endif
