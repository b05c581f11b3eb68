/* Tiles of four output channels against widened inputs; internal to core/nn, for the DSP extension. */
#ifndef MYO_NN_TILE_H
#define MYO_NN_TILE_H

#include "myo_nn_dsp.h"

/* Bytes of a tile's weights for n inputs. */
static inline size_t myo_nn_tile_bytes(const myo_nn_tile_kernel_t *kernel, size_t n_inputs) {
    return (n_inputs + 3u) / 4u * kernel->group_bytes;
}

/* Widens n int8 from any address to pairs: for every four words (a, b, c, d) the pairs (a, c) and (b, d),
   `step` apart; absent words are 0. Returns the place after them. */
uint32_t *myo_nn_widen(const int8_t *from, size_t n, uint32_t *to, size_t step);

/* Widens n words of each of two positions, a multiple of 4, to pairs that take turns. */
void myo_nn_widen_two(const int8_t *first, const int8_t *second, size_t n, uint32_t *to);

/* n_outputs words of one position, or of two whose pairs take turns in x; the second's outputs begin
   next_position after the first's. */
void myo_nn_run_one(const myo_nn_tile_kernel_t *kernel, const uint32_t *x, const void *weights,
                    const myo_nn_tile_t *tiles, size_t n_outputs, size_t tile_bytes, int8_t *output);
void myo_nn_run_two(const myo_nn_tile_kernel_t *kernel, const uint32_t *x, const void *weights,
                    const myo_nn_tile_t *tiles, size_t n_outputs, size_t tile_bytes, int8_t *output,
                    size_t next_position);

/* The same for n_tiles >= 1 whole tiles of at least one group. */
myo_nn_tiles_of_one_t myo_nn_wide_tiles_of_one, myo_nn_packed_tiles_of_one;
myo_nn_tiles_of_two_t myo_nn_wide_tiles_of_two, myo_nn_packed_tiles_of_two;

/* Depthwise: one position. elements[k] points to channel 0 of the window's element k. The first function
   takes n_channels >= 4, a multiple of 4; the second n channels of one tile, from channel `first` on.
   `output` is the place of channel 0. */
void myo_nn_depthwise_tiles(const int8_t *const *elements, const int16_t *weights, const myo_nn_tile_t *tiles,
                            int8_t *output, size_t n_elements, size_t n_channels);
void myo_nn_depthwise_part(const int8_t *const *elements, const int16_t *weights, const myo_nn_tile_t *tile,
                           int8_t *output, size_t n_elements, size_t first, size_t n);

/* Holds n outputs within low .. high. */
void myo_nn_clamp(int8_t *output, size_t n, int8_t low, int8_t high);

#endif
