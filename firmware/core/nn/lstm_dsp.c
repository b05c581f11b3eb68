#include "myo_nn_dispatch.h"

#if MYO_NN_DSP

#include <stdbool.h>
#include <string.h>

#include "myo_nn_gates.h"
#include "myo_nn_lstm.h"
#include "myo_nn_simd.h"
#include "myo_nn_tile.h"

enum { INPUT, FORGET, CANDIDATE, OUTPUT, N_GATES };

/* A line of the logistic function. GCC would load its words one by one. */
static inline myo_nn_segment_t load_line(const myo_nn_segment_t *from) {
    myo_nn_segment_t line;
#if defined(__arm__)
    __asm__("ldrd %0, %1, [%2]" : "=r"(line.base), "=r"(line.slopes) : "r"(from), "m"(*from));
#else
    line = *from;
#endif
    return line;
}

/* The logistic function of one half of a pair in Q3.12, in Q15; the upper half of the result is 2. A word is
   3 steps of 1/12288, a segment 512: one multiplication takes either half and gives the segment. */
static inline int32_t logistic_low(const myo_nn_segment_t *segments, uint32_t pair) {
    const myo_nn_segment_t line = load_line(segments + myo_simd_mul_wide_low(384, pair));
    return myo_simd_add_product_low_high(pair, line.slopes, line.base) >> 10;
}

static inline int32_t logistic_high(const myo_nn_segment_t *segments, uint32_t pair) {
    const myo_nn_segment_t line = load_line(segments + myo_simd_mul_wide_high(384, pair));
    return myo_simd_add_product_high_high(pair, line.slopes, line.base) >> 10;
}

/* tanh(x) = 2 * logistic(2 * x) - 1: half of the segment's base, less 1, and less what makes a rounding of 10
   bits of one of 8; the 2 in the upper half goes as well. */
#define TANH_LESS (-((1 << 23) + 128 + (1 << 26)))

static inline int32_t tanh_low(const myo_nn_segment_t *segments, uint32_t pair) {
    const int32_t index = myo_simd_saturate_9(myo_simd_mul_wide_low(768, pair));
    const myo_nn_segment_t line = load_line(segments + index);
    return (myo_simd_add_product_low_high(pair, line.slopes, TANH_LESS) + (line.base >> 1)) >> 8;
}

static inline int32_t tanh_high(const myo_nn_segment_t *segments, uint32_t pair) {
    const int32_t index = myo_simd_saturate_9(myo_simd_mul_wide_high(768, pair));
    const myo_nn_segment_t line = load_line(segments + index);
    return (myo_simd_add_product_high_high(pair, line.slopes, TANH_LESS) + (line.base >> 1)) >> 8;
}

/* tanh of an argument in steps of 1/12288. */
static inline int32_t tanh_of_steps(const myo_nn_segment_t *segments, int32_t steps) {
    const int32_t y = myo_simd_saturate_17(steps);
    const myo_nn_segment_t line = load_line(segments + (y >> 8));
    return (TANH_LESS + y * (int16_t)line.slopes + (line.base >> 1)) >> 8;
}

/* gate * word / 2^shift with the format's two roundings: first by one bit, halves up, then by the rest,
   halves away from zero. In one step that is (product + half + 1 - 2 * (product < 0)) >> shift. The gate's
   upper half is 2, the word's is its sign: so the last term is part of the dot product. The sign is that of
   the product, as no gate is negative; where the gate is 0, both signs give 0. */
static inline int32_t scale_by_gate(int32_t gate, int32_t word, int32_t shift) {
    const int32_t half = INT32_C(1) << (shift - 1);
    return myo_simd_dot((uint32_t)gate, (uint32_t)word, half + 1) >> shift;
}

static inline int32_t hidden_of(const myo_nn_scale_t *scale, int32_t gate, int32_t word) {
    const int32_t doubled = 2 * ((int16_t)gate * word);
    const int32_t add = scale->add + (doubled >> 31);
    return myo_simd_saturate_8(myo_simd_add_scaled(doubled, scale->multiplier, add) >> scale->shift);
}

/* All cells of one step and their hidden state, which goes to the output and, as int16, to the next step.
   Cells go in pairs. */
static void run_cells(const myo_lstm_dsp_config_t *config, const int16_t *gates, size_t n, int16_t *cells,
                      int16_t *next, int8_t *output) {
    const myo_nn_segment_t *const segments = myo_nn_logistic_segments + MYO_NN_N_KNOTS;
    const myo_nn_scale_t scale = config->hidden;
    const int32_t update_shift = config->update_shift;
    const int32_t multiplier = config->tanh_multiplier;
    const int32_t tanh_shift = config->tanh_shift;
    const int32_t tanh_half = (INT32_C(1) << tanh_shift) >> 1;
    /* Adding saturates at the limits of int16, so these distances from them hold cells within their own. */
    const uint32_t above = (uint32_t)(INT16_MAX - config->cell_high) * 0x10001u;
    const uint32_t below = (uint32_t)(config->cell_low - INT16_MIN) * 0x10001u;
    const int16_t *const end = cells + config->n_cells;

    while (cells < end) {
        const uint32_t candidate = myo_simd_load_pair(gates + CANDIDATE * n);
        const uint32_t input = myo_simd_load_pair(gates + INPUT * n);
        const int32_t added_low =
            scale_by_gate(logistic_low(segments, input), tanh_low(segments, candidate), update_shift);
        const int32_t added_high =
            scale_by_gate(logistic_high(segments, input), tanh_high(segments, candidate), update_shift);
        const uint32_t added =
            myo_simd_pair(myo_simd_saturate_16(added_low), myo_simd_saturate_16(added_high));

        const uint32_t forget = myo_simd_load_pair(gates + FORGET * n);
        uint32_t pair = myo_simd_load_pair(cells);
        const int32_t kept_low = scale_by_gate(logistic_low(segments, forget), (int16_t)pair, 15);
        const int32_t kept_high = scale_by_gate(logistic_high(segments, forget), (int32_t)pair >> 16, 15);
        pair = myo_simd_add_saturated(myo_simd_pair(kept_low, kept_high), added);
        pair = myo_simd_sub_saturated(myo_simd_add_saturated(pair, above), above);
        pair = myo_simd_add_saturated(myo_simd_sub_saturated(pair, below), below);
        myo_simd_store_pair(cells, pair);

        const uint32_t out = myo_simd_load_pair(gates + OUTPUT * n);
        const int32_t steps_low = (multiplier * (int16_t)pair + tanh_half) >> tanh_shift;
        const int32_t steps_high = (multiplier * ((int32_t)pair >> 16) + tanh_half) >> tanh_shift;
        const int32_t low =
            hidden_of(&scale, logistic_low(segments, out), tanh_of_steps(segments, steps_low));
        const int32_t high =
            hidden_of(&scale, logistic_high(segments, out), tanh_of_steps(segments, steps_high));
        myo_simd_store_pair(next, myo_simd_pair(low, high));
        output[0] = (int8_t)low;
        if (cells + 1 < end) {
            output[1] = (int8_t)high;
        }
        gates += 2;
        cells += 2;
        next += 2;
        output += 2;
    }
}

void myo_lstm_dsp_run(const myo_lstm_dsp_config_t *config, const int8_t *input, void *state, int8_t *output,
                      void *scratch) {
    const myo_nn_gate_kernel_t *kernel = config->kernel;
    const size_t n_inputs = config->n_inputs;
    const size_t n_cells = config->n_cells;
    const size_t n =
        (n_cells + MYO_NN_TILE - 1) / MYO_NN_TILE * MYO_NN_TILE; /* as many tiles, of all gates */
    const size_t input_bytes = (n_inputs + 3) / 4 * kernel->group_bytes;
    const size_t recurrent_bytes = n / 4 * kernel->group_bytes;
    int16_t *const gates = scratch; /* of two steps */
    int16_t *const cells = gates + 2 * N_GATES * n;
    int16_t *hidden = cells + n;
    int16_t *next = hidden + n;
    uint32_t *const x = (uint32_t *)(void *)(next + n);
    int16_t *const kept_cells = state;
    int8_t *const kept_hidden = (int8_t *)(kept_cells + n_cells);

    memset(cells, 0, 2 * n * sizeof *cells); /* cells and hidden state of no cells are 0 */
    memcpy(cells, kept_cells, n_cells * sizeof *cells);
    for (size_t cell = 0; cell < n_cells; cell++) {
        hidden[cell] = kept_hidden[cell];
    }
    for (size_t t = 0; t < config->n_steps; t++) {
        int16_t *const own = gates + t % 2 * N_GATES * n;
        if (t % 2 == 0) {
            myo_nn_widen(input, n_inputs, x, 2);
            if (t + 1 < config->n_steps) {
                input += n_inputs;
            }
            myo_nn_widen(input, n_inputs, x + 1, 2); /* after the last step itself again, to no effect */
            input += n_inputs;
            kernel->run_two(x, config->input_weights, config->input_tiles, gates, N_GATES * n, input_bytes,
                            n);
        }
        kernel->run_one((const uint32_t *)(const void *)hidden, config->recurrent_weights,
                        config->recurrent_tiles, own, recurrent_bytes, n);
        run_cells(config, own, n, cells, next, output);
        int16_t *const old = hidden;
        hidden = next;
        next = old;
        output += n_cells;
    }
    memcpy(kept_cells, cells, n_cells * sizeof *cells);
    for (size_t cell = 0; cell < n_cells; cell++) {
        kept_hidden[cell] = (int8_t)hidden[cell];
    }
}

const myo_nn_gate_kernel_t myo_nn_wide_gates = {
    .run_one = myo_nn_wide_gates_of_one, .run_two = myo_nn_wide_gates_of_two, .group_bytes = 32};

const myo_nn_gate_kernel_t myo_nn_packed_gates = {
    .run_one = myo_nn_packed_gates_of_one, .run_two = myo_nn_packed_gates_of_two, .group_bytes = 16};

#if !defined(__arm__) /* what lstm_dsp_arm.c has in instructions */

/* The argument of one cell from one position. x: its first pair; pairs are x_step apart. */
static int32_t argument(bool is_wide, const uint32_t *x, size_t x_step, const void *weights, size_t n_groups,
                        const myo_nn_gate_tile_t *tile, size_t cell) {
    int32_t sum = tile->bias[cell];
    for (size_t i = 0; i < n_groups; i++) {
        if (is_wide) {
            const int16_t *const pairs = (const int16_t *)weights + i * MYO_NN_TILE * 4 + cell * 2;
            sum = myo_simd_dot(x[2 * i * x_step], myo_simd_load_pair(pairs), sum);
            sum = myo_simd_dot(x[(2 * i + 1) * x_step], myo_simd_load_pair(pairs + MYO_NN_TILE * 2), sum);
        } else {
            const uint32_t word = myo_simd_load((const int8_t *)weights + (i * MYO_NN_TILE + cell) * 4);
            sum = myo_simd_dot(x[2 * i * x_step], myo_simd_widen_even(word), sum);
            sum = myo_simd_dot(x[(2 * i + 1) * x_step], myo_simd_widen_odd(word), sum);
        }
    }
    sum = myo_fx_shift_left(sum, (uint32_t)tile->left);
    const int32_t add = tile->shift > 0 ? tile->add + (sum >> 31) : 0;
    const int32_t scaled = myo_simd_add_scaled(sum, tile->multiplier, add) >> tile->shift;
    return myo_fx_clamp(scaled, INT16_MIN, INT16_MAX);
}

static void run_gates(const myo_nn_gate_kernel_t *kernel, const uint32_t *x, size_t x_step,
                      const void *weights, const myo_nn_gate_tile_t *tiles, int16_t *gates, bool adds,
                      size_t tile_bytes, size_t n_tiles) {
    const size_t n_groups = tile_bytes / kernel->group_bytes;
    for (size_t k = 0; k < n_tiles * MYO_NN_TILE; k++) {
        const size_t tile = k / MYO_NN_TILE;
        const void *const own = (const uint8_t *)weights + tile * tile_bytes;
        const int32_t found =
            argument(kernel == &myo_nn_wide_gates, x, x_step, own, n_groups, &tiles[tile], k % MYO_NN_TILE);
        gates[k] = (int16_t)(adds ? myo_fx_clamp(gates[k] + found, INT16_MIN, INT16_MAX) : found);
    }
}

void myo_nn_wide_gates_of_two(const uint32_t *x, const void *weights, const myo_nn_gate_tile_t *tiles,
                              int16_t *gates, size_t next_position, size_t tile_bytes, size_t n_tiles) {
    run_gates(&myo_nn_wide_gates, x, 2, weights, tiles, gates, false, tile_bytes, n_tiles);
    run_gates(&myo_nn_wide_gates, x + 1, 2, weights, tiles, gates + next_position, false, tile_bytes,
              n_tiles);
}

void myo_nn_wide_gates_of_one(const uint32_t *x, const void *weights, const myo_nn_gate_tile_t *tiles,
                              int16_t *gates, size_t tile_bytes, size_t n_tiles) {
    run_gates(&myo_nn_wide_gates, x, 1, weights, tiles, gates, true, tile_bytes, n_tiles);
}

void myo_nn_packed_gates_of_two(const uint32_t *x, const void *weights, const myo_nn_gate_tile_t *tiles,
                                int16_t *gates, size_t next_position, size_t tile_bytes, size_t n_tiles) {
    run_gates(&myo_nn_packed_gates, x, 2, weights, tiles, gates, false, tile_bytes, n_tiles);
    run_gates(&myo_nn_packed_gates, x + 1, 2, weights, tiles, gates + next_position, false, tile_bytes,
              n_tiles);
}

void myo_nn_packed_gates_of_one(const uint32_t *x, const void *weights, const myo_nn_gate_tile_t *tiles,
                                int16_t *gates, size_t tile_bytes, size_t n_tiles) {
    run_gates(&myo_nn_packed_gates, x, 1, weights, tiles, gates, true, tile_bytes, n_tiles);
}

#endif
#endif
