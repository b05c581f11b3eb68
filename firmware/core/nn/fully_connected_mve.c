#include "myo_nn_dispatch.h"

#if MYO_NN_MVE

#include "myo_nn_dot.h"
#include "myo_nn_mve.h"

void myo_fully_connected_mve_run(const myo_fully_connected_config_t *config, const int8_t *input,
                                 int8_t *output) {
    const myo_nn_dot_t dot = {
        .n_words = config->n_inputs,
        .weights = config->weights,
        .bias = config->bias,
        .requantize = &config->requantize,
        .output_step = config->n_outputs,
    };
    myo_nn_dot_run(&dot, input, config->n_inputs, config->n_rows, 0, config->n_outputs, output);
}

#endif
