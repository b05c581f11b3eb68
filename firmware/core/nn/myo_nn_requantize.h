/* The last step that the kernels with weights share; internal to core/nn. */
#ifndef MYO_NN_REQUANTIZE_H
#define MYO_NN_REQUANTIZE_H

#include "myo_fixed_point.h"
#include "myo_nn.h"

static inline int8_t myo_nn_requantize(const myo_nn_requantize_t *config, size_t channel, int32_t sum) {
    const int32_t scaled = myo_fx_scale(sum, config->multiplier[channel], config->shift[channel]);
    return (int8_t)myo_fx_clamp(myo_fx_add(scaled, config->zero_point), config->low, config->high);
}

#endif
