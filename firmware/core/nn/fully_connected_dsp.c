#include "myo_nn_dispatch.h"

#if MYO_NN_DSP

#include "myo_nn_tile.h"

void myo_fully_connected_dsp_run(const myo_fully_connected_dsp_config_t *config, const int8_t *input,
                                 int8_t *output, void *scratch) {
    const size_t n_inputs = config->n_inputs;
    const size_t n_outputs = config->n_outputs;
    const size_t tile_bytes = myo_nn_tile_bytes(config->kernel, n_inputs);
    uint32_t *const x = scratch;
    int8_t *to = output;
    size_t row = 0;

    for (; row + 2 <= config->n_rows; row += 2) {
        myo_nn_widen(input, n_inputs, x, 2);
        myo_nn_widen(input + n_inputs, n_inputs, x + 1, 2);
        myo_nn_run_two(config->kernel, x, config->weights, config->tiles, n_outputs, tile_bytes, to,
                       n_outputs);
        input += 2 * n_inputs;
        to += 2 * n_outputs;
    }
    if (row < config->n_rows) {
        myo_nn_widen(input, n_inputs, x, 1);
        myo_nn_run_one(config->kernel, x, config->weights, config->tiles, n_outputs, tile_bytes, to);
    }
    myo_nn_clamp(output, config->n_rows * n_outputs, config->low, config->high);
}

#endif
