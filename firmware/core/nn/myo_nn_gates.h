/* Arguments of an LSTM's gates, in int16; internal to core/nn, for the DSP extension. */
#ifndef MYO_NN_GATES_H
#define MYO_NN_GATES_H

#include "myo_nn_dsp.h"

/* n_tiles >= 1 whole tiles of at least one group, for two positions whose pairs take turns in x: the first
   one's arguments to `gates`, the second one's next_position further. */
myo_nn_gates_of_two_t myo_nn_wide_gates_of_two, myo_nn_packed_gates_of_two;

/* The same for one position, added to what `gates` holds, saturated. */
myo_nn_gates_of_one_t myo_nn_wide_gates_of_one, myo_nn_packed_gates_of_one;

#endif
