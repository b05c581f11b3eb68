#include "myo_nn.h"
#include "myo_nn_requantize.h"

void myo_fully_connected_run(const myo_fully_connected_config_t *config, const int8_t *input,
                             int8_t *output) {
    const size_t n_inputs = config->n_inputs;
    const int32_t offset = config->input_offset;

    for (size_t row = 0; row < config->n_rows; row++) {
        const int8_t *weights = config->weights;
        for (size_t o = 0; o < config->n_outputs; o++) {
            int32_t sum = config->bias[o];
            for (size_t i = 0; i < n_inputs; i++) {
                sum += (input[i] + offset) * weights[i];
            }
            *output++ = myo_nn_requantize(&config->requantize, o, sum);
            weights += n_inputs;
        }
        input += n_inputs;
    }
}
