#include "myo_nn.h"

#include <string.h>

#include "myo_fixed_point.h"
#include "myo_nn_lstm.h"

enum { INPUT, FORGET, CANDIDATE, OUTPUT };

static int32_t to_int16(int32_t a) {
    return myo_fx_clamp(a, INT16_MIN, INT16_MAX);
}

static int32_t scale(int32_t a, myo_nn_factor_t factor) {
    return myo_fx_scale(a, factor.multiplier, factor.shift);
}

/* The logistic function between knots, for magnitude = 2^bits * argument * 24, in Q(16 + bits). */
static int32_t interpolate(uint32_t magnitude, uint32_t bits) {
    const uint32_t knot = magnitude >> bits;
    if (knot >= MYO_NN_N_KNOTS - 1) {
        return (int32_t)(UINT32_C(0xffff) << bits);
    }
    const uint32_t left = myo_nn_logistic_knots[knot];
    const uint32_t right = myo_nn_logistic_knots[knot + 1];
    const uint32_t fraction = magnitude & ((UINT32_C(1) << bits) - 1u);
    return (int32_t)((left << bits) + fraction * (right - left));
}

/* Q3.12 to Q15. Halves go away from 1/2, as 1 - logistic(-x) asks for. */
static int32_t logistic(int32_t x_q12) {
    const int32_t steps = 3 * x_q12; /* of 1/12288: 24 knots a unit, 9 bits between knots */
    const int32_t y = interpolate((uint32_t)(steps < 0 ? -steps : steps), 9);
    return (steps >= 0 ? y + 512 : (INT32_C(1) << 25) - y + 511) >> 10;
}

/* 2 * logistic(2 * x) - 1, of an argument in steps of 1/12288, to Q15. */
static int32_t tanh_of(int32_t steps) {
    const int32_t y = interpolate((uint32_t)(steps < 0 ? -steps : steps), 8) - (INT32_C(1) << 23);
    return ((steps >= 0 ? y : -y - 1) + 128) >> 8;
}

static int32_t dot(const int8_t *x, int32_t offset, const int8_t *weights, size_t n) {
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (x[i] + offset) * weights[i];
    }
    return sum;
}

static int32_t gate_argument(const myo_lstm_config_t *config, const myo_lstm_gate_t *gate, size_t cell,
                             const int8_t *input, const int8_t *hidden) {
    const size_t n_inputs = config->n_inputs;
    const size_t n_cells = config->n_cells;
    const int32_t from_input =
        gate->bias[cell] + dot(input, config->input_offset, gate->input_weights + cell * n_inputs, n_inputs);
    const int32_t from_hidden =
        dot(hidden, config->hidden_offset, gate->recurrent_weights + cell * n_cells, n_cells);
    return to_int16(to_int16(scale(from_input, gate->input)) + to_int16(scale(from_hidden, gate->recurrent)));
}

static void run_step(const myo_lstm_config_t *config, const int8_t *input, const int8_t *hidden,
                     int16_t *cells, int8_t *output) {
    const int32_t half = config->tanh_shift > 0 ? INT32_C(1) << (config->tanh_shift - 1) : 0;
    for (size_t cell = 0; cell < config->n_cells; cell++) {
        int32_t arguments[4];
        for (size_t g = 0; g < 4; g++) {
            arguments[g] = gate_argument(config, &config->gates[g], cell, input, hidden);
        }
        const int32_t kept = to_int16(scale(logistic(arguments[FORGET]) * cells[cell], config->forget));
        const int32_t candidate = tanh_of(3 * arguments[CANDIDATE]);
        const int32_t added = to_int16(scale(logistic(arguments[INPUT]) * candidate, config->update));
        const int32_t updated = myo_fx_clamp(to_int16(kept + added), config->cell_low, config->cell_high);
        cells[cell] = (int16_t)updated;

        const int32_t steps = (updated * config->tanh_multiplier + half) >> config->tanh_shift;
        const int32_t product = logistic(arguments[OUTPUT]) * tanh_of(steps);
        const int32_t word = myo_fx_add(scale(product, config->hidden), -config->hidden_offset);
        output[cell] = (int8_t)myo_fx_clamp(word, INT8_MIN, INT8_MAX);
    }
}

void myo_lstm_run(const myo_lstm_config_t *config, const int8_t *input, void *state, int8_t *output) {
    int16_t *const cells = state;
    int8_t *const last = (int8_t *)(cells + config->n_cells);
    const int8_t *hidden = last;

    for (size_t step = 0; step < config->n_steps; step++) {
        run_step(config, input, hidden, cells, output);
        hidden = output; /* the next step reads what this one has written */
        input += config->n_inputs;
        output += config->n_cells;
    }
    memcpy(last, hidden, config->n_cells);
}
