#include "myo_nn_dispatch.h"

#if MYO_NN_MVE

#include "myo_nn_dot.h"
#include "myo_nn_mve.h"

void myo_fully_connected_mve_run(const myo_fully_connected_config_t *config, const int8_t *input,
                                 int8_t *output) {
    for (size_t row = 0; row < config->n_rows; row++) {
        myo_nn_dot_run(input, config->n_inputs, config->weights, config->bias, &config->requantize, 0,
                       config->n_outputs, output);
        input += config->n_inputs;
        output += config->n_outputs;
    }
}

#endif
