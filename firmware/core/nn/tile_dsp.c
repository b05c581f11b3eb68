#include "myo_nn_dispatch.h"

#if MYO_NN_DSP

#include "myo_nn_simd.h"
#include "myo_nn_tile.h"

uint32_t *myo_nn_widen(const int8_t *from, size_t n, uint32_t *to, size_t step) {
    for (; n >= 4; n -= 4) {
        const uint32_t word = myo_simd_load(from);
        to[0] = myo_simd_widen_even(word);
        to[step] = myo_simd_widen_odd(word);
        to += 2 * step;
        from += 4;
    }
    if (n > 0) {
        uint32_t word = 0;
        memcpy(&word, from, n);
        to[0] = myo_simd_widen_even(word);
        to[step] = myo_simd_widen_odd(word);
        to += 2 * step;
    }
    return to;
}

void myo_nn_widen_two(const int8_t *first, const int8_t *second, size_t n, uint32_t *to) {
    const int8_t *const end = first + n;
    while (first != end) {
        const uint32_t a = myo_simd_load(first);
        const uint32_t b = myo_simd_load(second);
        to[0] = myo_simd_widen_even(a);
        to[1] = myo_simd_widen_even(b);
        to[2] = myo_simd_widen_odd(a);
        to[3] = myo_simd_widen_odd(b);
        to += 4;
        first += 4;
        second += 4;
    }
}

void myo_nn_run_one(const myo_nn_tile_kernel_t *kernel, const uint32_t *x, const void *weights,
                    const myo_nn_tile_t *tiles, size_t n_outputs, size_t tile_bytes, int8_t *output) {
    const size_t n_whole = n_outputs / MYO_NN_TILE;
    const size_t n_left = n_outputs % MYO_NN_TILE;
    if (n_whole > 0) {
        kernel->run_one(x, weights, tiles, output, tile_bytes, n_whole);
    }
    if (n_left > 0) {
        int8_t last[MYO_NN_TILE];
        const void *const last_weights = (const uint8_t *)weights + n_whole * tile_bytes;
        kernel->run_one(x, last_weights, tiles + n_whole, last, tile_bytes, 1);
        memcpy(output + n_whole * MYO_NN_TILE, last, n_left);
    }
}

void myo_nn_run_two(const myo_nn_tile_kernel_t *kernel, const uint32_t *x, const void *weights,
                    const myo_nn_tile_t *tiles, size_t n_outputs, size_t tile_bytes, int8_t *output,
                    size_t next_position) {
    const size_t n_whole = n_outputs / MYO_NN_TILE;
    const size_t n_left = n_outputs % MYO_NN_TILE;
    if (n_whole > 0) {
        kernel->run_two(x, weights, tiles, output, next_position, tile_bytes, n_whole);
    }
    if (n_left > 0) {
        int8_t last[2 * MYO_NN_TILE];
        const void *const last_weights = (const uint8_t *)weights + n_whole * tile_bytes;
        output += n_whole * MYO_NN_TILE;
        kernel->run_two(x, last_weights, tiles + n_whole, last, MYO_NN_TILE, tile_bytes, 1);
        memcpy(output, last, n_left);
        memcpy(output + next_position, last + MYO_NN_TILE, n_left);
    }
}

const myo_nn_tile_kernel_t myo_nn_wide_weights = {
    .run_one = myo_nn_wide_tiles_of_one, .run_two = myo_nn_wide_tiles_of_two, .group_bytes = 32};

const myo_nn_tile_kernel_t myo_nn_packed_weights = {
    .run_one = myo_nn_packed_tiles_of_one, .run_two = myo_nn_packed_tiles_of_two, .group_bytes = 16};

void myo_nn_depthwise_part(const int8_t *const *elements, const int16_t *weights, const myo_nn_tile_t *tile,
                           int8_t *output, size_t n_elements, size_t first, size_t n) {
    static const uint8_t place[MYO_NN_TILE] = {0, 2, 1, 3}; /* of a channel's weight among the four */
    for (size_t i = 0; i < n; i++) {
        int32_t sum = tile->bias[i];
        for (size_t k = 0; k < n_elements; k++) {
            sum = myo_fx_add(sum, elements[k][first + i] * weights[k * MYO_NN_TILE + place[i]]);
        }
        output[first + i] = (int8_t)myo_simd_scale(&tile->scale[i], sum);
    }
}

void myo_nn_clamp(int8_t *output, size_t n, int8_t low, int8_t high) {
    if (low == INT8_MIN && high == INT8_MAX) {
        return; /* saturated already */
    }
    for (size_t i = 0; i < n; i++) {
        output[i] = output[i] < low ? low : (output[i] > high ? high : output[i]);
    }
}

#if !defined(__arm__) /* what tile_dsp_arm.c has in instructions */

/* The sum of one output, doubled. x: its position's first pair; pairs are x_step apart. */
static int32_t sum_wide(const uint32_t *x, size_t x_step, const int16_t *weights, size_t n_groups,
                        int32_t bias) {
    int32_t sum = bias;
    for (size_t i = 0; i < 2 * n_groups; i++) {
        sum = myo_simd_dot(x[i * x_step], myo_simd_load_pair(weights + i * MYO_NN_TILE * 2), sum);
    }
    return sum;
}

static int32_t sum_packed(const uint32_t *x, size_t x_step, const int8_t *weights, size_t n_groups,
                          int32_t bias) {
    int32_t sum = bias;
    for (size_t i = 0; i < n_groups; i++) {
        const uint32_t word = myo_simd_load(weights + i * MYO_NN_TILE * 4);
        sum = myo_simd_dot(x[2 * i * x_step], myo_simd_widen_even(word), sum);
        sum = myo_simd_dot(x[(2 * i + 1) * x_step], myo_simd_widen_odd(word), sum);
    }
    return 2 * sum;
}

/* n_positions 1 or 2: their pairs take turns in x. */
static void run_tiles(const myo_nn_tile_kernel_t *kernel, const uint32_t *x, size_t n_positions,
                      const void *weights, const myo_nn_tile_t *tiles, int8_t *output, size_t next_position,
                      size_t tile_bytes, size_t n_tiles) {
    const size_t n_groups = tile_bytes / kernel->group_bytes;
    for (size_t tile = 0; tile < n_tiles; tile++) {
        for (size_t p = 0; p < n_positions; p++) {
            for (size_t o = 0; o < MYO_NN_TILE; o++) {
                const void *own =
                    (const uint8_t *)weights + tile * tile_bytes + o * 4; /* a pair, or four words */
                const int32_t bias = tiles[tile].bias[o];
                const int32_t doubled = kernel == &myo_nn_wide_weights
                                            ? sum_wide(x + p, n_positions, own, n_groups, bias)
                                            : sum_packed(x + p, n_positions, own, n_groups, bias);
                output[p * next_position + tile * MYO_NN_TILE + o] =
                    (int8_t)myo_simd_scale(&tiles[tile].scale[o], doubled);
            }
        }
    }
}

void myo_nn_wide_tiles_of_two(const uint32_t *x, const void *weights, const myo_nn_tile_t *tiles,
                              int8_t *output, size_t next_position, size_t tile_bytes, size_t n_tiles) {
    run_tiles(&myo_nn_wide_weights, x, 2, weights, tiles, output, next_position, tile_bytes, n_tiles);
}

void myo_nn_wide_tiles_of_one(const uint32_t *x, const void *weights, const myo_nn_tile_t *tiles,
                              int8_t *output, size_t tile_bytes, size_t n_tiles) {
    run_tiles(&myo_nn_wide_weights, x, 1, weights, tiles, output, 0, tile_bytes, n_tiles);
}

void myo_nn_packed_tiles_of_two(const uint32_t *x, const void *weights, const myo_nn_tile_t *tiles,
                                int8_t *output, size_t next_position, size_t tile_bytes, size_t n_tiles) {
    run_tiles(&myo_nn_packed_weights, x, 2, weights, tiles, output, next_position, tile_bytes, n_tiles);
}

void myo_nn_packed_tiles_of_one(const uint32_t *x, const void *weights, const myo_nn_tile_t *tiles,
                                int8_t *output, size_t tile_bytes, size_t n_tiles) {
    run_tiles(&myo_nn_packed_weights, x, 1, weights, tiles, output, 0, tile_bytes, n_tiles);
}

void myo_nn_depthwise_tiles(const int8_t *const *elements, const int16_t *weights, const myo_nn_tile_t *tiles,
                            int8_t *output, size_t n_elements, size_t n_channels) {
    for (size_t c = 0; c < n_channels; c += MYO_NN_TILE) {
        myo_nn_depthwise_part(elements, weights, tiles, output, n_elements, c, MYO_NN_TILE);
        weights += n_elements * MYO_NN_TILE;
        tiles++;
    }
}

#endif
#endif
