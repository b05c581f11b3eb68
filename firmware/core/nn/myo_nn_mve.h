/* Kernels of int8 networks for Helium: the words of myo_nn.h, sixteen multiplications an instruction.

   They take the plain kernels' configurations and weights as they are. What differs
   - Convolution and fully connected: `bias` has the input's zero point folded in, bias[o] + input_offset *
   (sum of the weights of o), so that an inner loop is a pure dot product. Padding is filled with the zero
   point.
   - Depthwise convolution: depth_multiplier is 1.
   Loads and stores are predicated: not a byte beyond an array is touched, whatever its length.

   Alignment: none beyond that of the types. Scratch: bytes of the caller's, of any content; nothing lives in
   it between calls. Everything else is as in myo_nn.h. */
#ifndef MYO_NN_MVE_H
#define MYO_NN_MVE_H

#include "myo_nn.h"

/* Scratch: a byte for each word of a filter; may be NULL where no window is padded, every window lies in
   contiguous memory of the input, and there is one group. */
void myo_conv_mve_run(const myo_conv_config_t *config, const int8_t *input, int8_t *output, int8_t *scratch);

void myo_fully_connected_mve_run(const myo_fully_connected_config_t *config, const int8_t *input,
                                 int8_t *output);

void myo_depthwise_conv_mve_run(const myo_depthwise_conv_config_t *config, const int8_t *input,
                                int8_t *output);

#endif
