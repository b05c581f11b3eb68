/* Sums over channels, the same for every frame: differentials, averages, projections, other orders.

   y[row] = (sum of weight * x[channel] + half) >> shift in 64 bits, rounded half up; shift 0 rounds nothing.
   Only the terms that are not zero are listed. No state. */
#ifndef MYO_MATRIX_H
#define MYO_MATRIX_H

#include "dsp/myo_step.h"

typedef struct {
    int16_t weight;
    uint16_t channel; /* below n_in */
} myo_matrix_term_t;

typedef struct {
    const uint16_t *n_terms;        /* of each of n_out rows, each at least 1 */
    const myo_matrix_term_t *terms; /* row after row */
    uint8_t shift;                  /* 0..31 */
} myo_matrix_config_t;

extern const myo_step_kind_t myo_matrix_kind;

#endif
