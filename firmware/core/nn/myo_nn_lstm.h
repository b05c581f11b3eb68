/* The logistic function as straight lines, for the LSTM kernels; internal to core/nn. The tables are in
   lstm_curves.c. */
#ifndef MYO_NN_LSTM_H
#define MYO_NN_LSTM_H

#include <stdint.h>

#define MYO_NN_N_KNOTS 256

/* 1 / (1 + exp(-k / 24)) in Q16. */
extern const uint16_t myo_nn_logistic_knots[MYO_NN_N_KNOTS];

/* A line of the same function for the DSP extension. With y an argument in steps of 1/24/512 and j = y >> 9,
   -256 .. 255, the function in Q15 is the lower half of (segments[j + 256].base + slope * y) >> 10; the upper
   half is then 2. `slopes` holds the slope in its lower half and three times the slope in its upper half. */
typedef struct {
    int32_t base;
    uint32_t slopes;
} myo_nn_segment_t;

extern const myo_nn_segment_t myo_nn_logistic_segments[2 * MYO_NN_N_KNOTS];

#endif
