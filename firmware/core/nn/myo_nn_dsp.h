/* Kernels of int8 networks for cores with the DSP extension: the words of myo_nn.h, in fewer instructions.

   What differs from the plain kernels, all of it prepared and proved at export
   - The input's zero point is folded into the biases, so an inner loop is a pure dot product. Padding is
   filled with the zero point.
   - SMLAD multiplies and sums pairs of 16 bits, so inputs are widened, and weights either are held wide or
   are widened on the way: see myo_nn_tile_kernel_t.
   - Doubled sums: SMMLAR then rounds a product exactly as Q31 arithmetic does.
   - Four output channels make a tile. Weights of outputs and inputs that do not exist are 0.
   - Scaling is one SMMLAR, one shift and one saturation: see myo_nn_scale_t.

   Alignment: weights and scratch at 4 bytes; input and output at any.
   Scratch: bytes of the caller's, of any content, as many as the export says; nothing lives in it between
   calls. Everything else is as in myo_nn.h. */
#ifndef MYO_NN_DSP_H
#define MYO_NN_DSP_H

#include "myo_nn.h"

#define MYO_NN_TILE 4 /* output channels */

/* From a doubled sum to an output: ((doubled * multiplier / 2^32, rounded) + add - (doubled < 0)) >> shift,
   saturated to int8. `add` holds the zero point and half a step: zero_point * 2^shift + 2^(shift - 1). The
   last term turns halves of negative numbers away from zero. */
typedef struct {
    int32_t multiplier; /* Q31 */
    int32_t add;
    int32_t shift; /* 1 .. 22 */
} myo_nn_scale_t;

typedef struct {
    int32_t bias[MYO_NN_TILE]; /* with the input's zero point folded in; doubled where the weights are */
    myo_nn_scale_t scale[MYO_NN_TILE];
} myo_nn_tile_t;

/* How a tile's weights are held, for every group of four input words (a, b, c, d):
   - wide, for speed: int16, doubled; the pairs (a, c) of all four outputs, then their pairs (b, d), the order
   in which SXTB16 widens words; 32 bytes.
   - packed, for size: int8, the words (a, b, c, d) of each output; 16 bytes. */
typedef void myo_nn_tiles_of_one_t(const uint32_t *x, const void *weights, const myo_nn_tile_t *tiles,
                                   int8_t *output, size_t tile_bytes, size_t n_tiles);
typedef void myo_nn_tiles_of_two_t(const uint32_t *x, const void *weights, const myo_nn_tile_t *tiles,
                                   int8_t *output, size_t next_position, size_t tile_bytes, size_t n_tiles);
typedef struct {
    myo_nn_tiles_of_one_t *run_one;
    myo_nn_tiles_of_two_t *run_two;
    size_t group_bytes;
} myo_nn_tile_kernel_t;

extern const myo_nn_tile_kernel_t myo_nn_wide_weights;
extern const myo_nn_tile_kernel_t myo_nn_packed_weights;

/* Convolution. */
typedef struct {
    myo_nn_shape_t input;
    myo_nn_shape_t output;
    myo_nn_window_t window;
    uint16_t weight_channels; /* channels of one filter: input.channels unless grouped */
    int8_t zero_point;        /* of the input */
    int8_t low;               /* the activation's range in output units */
    int8_t high;
    const myo_nn_tile_kernel_t *kernel;
    const void *weights;        /* [group][tile][filter words / 4], see myo_nn_tile_kernel_t */
    const myo_nn_tile_t *tiles; /* [group][tile] */
} myo_conv_dsp_config_t;

/* Scratch: 5 bytes for each word of a filter, their number rounded up to a multiple of 4. */
void myo_conv_dsp_run(const myo_conv_dsp_config_t *config, const int8_t *input, int8_t *output,
                      void *scratch);

/* Fully connected, row by row. */
typedef struct {
    uint32_t n_rows;
    uint32_t n_inputs;
    uint32_t n_outputs;
    int8_t low; /* the activation's range in output units */
    int8_t high;
    const myo_nn_tile_kernel_t *kernel;
    const void *weights;        /* [tile][n_inputs / 4], see myo_nn_tile_kernel_t */
    const myo_nn_tile_t *tiles; /* [tile] */
} myo_fully_connected_dsp_config_t;

/* Scratch: 4 bytes for each input, their number rounded up to a multiple of 4. */
void myo_fully_connected_dsp_run(const myo_fully_connected_dsp_config_t *config, const int8_t *input,
                                 int8_t *output, void *scratch);

/* Four cells of a gate. Sums, whose weights and biases hold 2^(power + 1) of the factor's power of 2 where
   that is positive, or are shifted `left` by as much, become int16: ((sum * multiplier / 2^32, rounded) + add
   - (sum < 0)) >> shift, the last two terms where there is a shift. */
typedef struct {
    int32_t bias[MYO_NN_TILE]; /* with the zero point folded in */
    int32_t multiplier;        /* Q31 */
    int32_t add;               /* half a step, 2^(shift - 1); 0 without a shift */
    int32_t shift;             /* 0 .. 31 */
    int32_t left;
} myo_nn_gate_tile_t;

typedef void myo_nn_gates_of_one_t(const uint32_t *x, const void *weights, const myo_nn_gate_tile_t *tiles,
                                   int16_t *gates, size_t tile_bytes, size_t n_tiles);
typedef void myo_nn_gates_of_two_t(const uint32_t *x, const void *weights, const myo_nn_gate_tile_t *tiles,
                                   int16_t *gates, size_t next_position, size_t tile_bytes, size_t n_tiles);
typedef struct {
    myo_nn_gates_of_one_t *run_one;
    myo_nn_gates_of_two_t *run_two;
    size_t group_bytes;
} myo_nn_gate_kernel_t;

extern const myo_nn_gate_kernel_t myo_nn_wide_gates;
extern const myo_nn_gate_kernel_t myo_nn_packed_gates;

/* LSTM. Weights of each gate, input, forget, candidate, output, are whole tiles of cells as in
   myo_nn_tile_kernel_t; the recurrent ones have pairs (a, b) and (c, d) for every four words of the hidden
   state. */
typedef struct {
    uint16_t n_steps;
    uint16_t n_inputs;
    uint16_t n_cells;
    const myo_nn_gate_kernel_t *kernel;
    const void *input_weights;                 /* [gate][tile][n_inputs / 4] */
    const void *recurrent_weights;             /* [gate][tile][n_cells / 4] */
    const myo_nn_gate_tile_t *input_tiles;     /* [gate][tile] */
    const myo_nn_gate_tile_t *recurrent_tiles; /* [gate][tile] */
    myo_nn_scale_t hidden;                     /* from the doubled product to the output; shift 1 .. 30 */
    int32_t update_shift;                      /* from a product of Q15 words to the cells' scale, 6 .. 30 */
    int16_t tanh_multiplier;
    int8_t tanh_shift;
    int16_t cell_low; /* -32768 or minus the next */
    int16_t cell_high;
} myo_lstm_dsp_config_t;

/* State: as myo_lstm_run. Scratch: int16 [11 * cells + 4 * inputs], their numbers rounded up to multiples
 * of 4. */
void myo_lstm_dsp_run(const myo_lstm_dsp_config_t *config, const int8_t *input, void *state, int8_t *output,
                      void *scratch);

/* Depthwise convolution with one output channel for each input channel. Four channels make a tile here too;
   for every element of the window, taken row by row, it has the weights of its channels 0, 2, 1 and 3. */
typedef struct {
    myo_nn_shape_t input;
    myo_nn_shape_t output;
    myo_nn_window_t window;
    int8_t zero_point; /* of the input */
    int8_t low;        /* the activation's range in output units */
    int8_t high;
    const int16_t *weights;     /* [tile][window.height][window.width][4], doubled */
    const myo_nn_tile_t *tiles; /* [tile] */
} myo_depthwise_conv_dsp_config_t;

/* Scratch: a pointer for each element of the window, then a byte for each channel. Aligned as pointers are.
 */
void myo_depthwise_conv_dsp_run(const myo_depthwise_conv_dsp_config_t *config, const int8_t *input,
                                int8_t *output, void *scratch);

#endif
