/* Kernels of int8 networks: plain, portable C11, the truth that faster twins are held to, word for word.

   Contract of every kernel, unless it says otherwise
   - The numbers are those of TensorFlow Lite for Microcontrollers (its reference kernels), bit for bit.
   - Activations are int8, the whole range -128 .. 127. A real number is (q - zero_point) * scale; the scales
   are folded into (multiplier, shift) pairs at export, see myo_fixed_point.h.
   - Layout of activations: [height][width][channels], channels contiguous, batch 1. A signal over time has
   height 1.
   - Configurations are const, generated at export, and checked there: kernels do not check them again. Sums
   of products stay below 2^31; the export refuses a layer where they might not.
   - `input` and `output` must not overlap, except where "in place" is said.
   - Kernels keep no state but the caller's, take no memory, and do not block: they may run in an interrupt,
   and reentrantly.
 */
#ifndef MYO_NN_H
#define MYO_NN_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint16_t height;
    uint16_t width;
    uint16_t channels;
} myo_nn_shape_t;

/* How a window moves over a plane: the window's element (y, x) of output (oy, ox) is the input's
   (oy * stride_height - pad_top + y * dilation_height, ox * stride_width - pad_left + x * dilation_width).
   Elements outside of the input do not count: they are zero in a convolution, absent in a pool. A window of a
   convolution may lie outside wholly. */
typedef struct {
    uint16_t height;
    uint16_t width;
    uint16_t stride_height;
    uint16_t stride_width;
    uint16_t dilation_height;
    uint16_t dilation_width;
    uint16_t pad_top;
    uint16_t pad_left;
} myo_nn_window_t;

/* What becomes of a sum of products: int8 = clamp(sum * m[channel] + zero_point, low, high). */
typedef struct {
    const int32_t *multiplier; /* [channels], Q31, 0 or 2^30 .. 2^31 - 1 */
    const int8_t *shift;       /* [channels], -31 .. 30 */
    int8_t zero_point;         /* of the output */
    int8_t low;                /* the activation's range in output units */
    int8_t high;
} myo_nn_requantize_t;

/* Convolution: output[oy][ox][o] = requantize(bias[o] + sum over the window and c of
   (input[iy][ix][c] + input_offset) * weights[o][y][x][c]).
   With groups, output channel o sees the input channels of its group only: output.channels is a multiple of
   input.channels / weight_channels. */
typedef struct {
    myo_nn_shape_t input;
    myo_nn_shape_t output;
    myo_nn_window_t window;
    uint16_t weight_channels; /* channels of one filter: input.channels unless grouped */
    int16_t input_offset;     /* minus the input's zero point: -127 .. 128 */
    const int8_t *weights; /* [output.channels][window.height][window.width][weight_channels], zero point 0 */
    const int32_t *bias;   /* [output.channels], scale input * weights */
    myo_nn_requantize_t requantize;
} myo_conv_config_t;

void myo_conv_run(const myo_conv_config_t *config, const int8_t *input, int8_t *output);

/* Depthwise convolution: output channel c * depth_multiplier + m sees input channel c only; else as above. */
typedef struct {
    myo_nn_shape_t input;
    myo_nn_shape_t output; /* channels: input.channels * depth_multiplier */
    myo_nn_window_t window;
    uint16_t depth_multiplier;
    int16_t input_offset;
    const int8_t *weights; /* [window.height][window.width][output.channels], zero point 0 */
    const int32_t *bias;   /* [output.channels] */
    myo_nn_requantize_t requantize;
} myo_depthwise_conv_config_t;

void myo_depthwise_conv_run(const myo_depthwise_conv_config_t *config, const int8_t *input, int8_t *output);

/* Transposed convolution: input (iy, ix) reaches output (iy * stride_height - pad_top + y,
   ix * stride_width - pad_left + x) by way of the window's element (y, x); else as the convolution. Each
   output gathers what reaches it, so that no sums stand in memory. window.dilation_* must be 1. */
typedef struct {
    myo_nn_shape_t input;
    myo_nn_shape_t output;
    myo_nn_window_t window;
    int16_t input_offset;
    const int8_t *weights; /* [output.channels][window.height][window.width][input.channels], zero point 0 */
    const int32_t *bias;   /* [output.channels] */
    myo_nn_requantize_t requantize;
} myo_transpose_conv_config_t;

void myo_transpose_conv_run(const myo_transpose_conv_config_t *config, const int8_t *input, int8_t *output);

/* Fully connected, row by row: output[r][o] = requantize(bias[o] + sum over i of
   (input[r][i] + input_offset) * weights[o][i]). */
typedef struct {
    uint32_t n_rows;
    uint32_t n_inputs;
    uint32_t n_outputs;
    int16_t input_offset;
    const int8_t *weights; /* [n_outputs][n_inputs], zero point 0 */
    const int32_t *bias;   /* [n_outputs] */
    myo_nn_requantize_t requantize;
} myo_fully_connected_config_t;

void myo_fully_connected_run(const myo_fully_connected_config_t *config, const int8_t *input, int8_t *output);

/* Pools: average (to nearest, halves away from zero) or maximum of the window's elements that lie inside of
   the input. Input and output have one scale and zero point. window.dilation_* must be 1. */
typedef struct {
    myo_nn_shape_t input;
    myo_nn_shape_t output;
    myo_nn_window_t window;
    int8_t low;
    int8_t high;
} myo_pool_config_t;

void myo_average_pool_run(const myo_pool_config_t *config, const int8_t *input, int8_t *output);
void myo_max_pool_run(const myo_pool_config_t *config, const int8_t *input, int8_t *output);

/* Mean over one or two stretches of axes. The input is seen as [kept_0][reduced_0][kept_1][reduced_1], absent
   ones 1; the output is [kept_0][kept_1]. output = clamp((sum + sum_offset) * m + zero_point, -128, 127),
   where m holds 1 / count and sum_offset = -count * input zero point. */
typedef struct {
    uint32_t kept_0;
    uint32_t reduced_0;
    uint32_t kept_1;
    uint32_t reduced_1;
    int32_t sum_offset;
    int32_t multiplier; /* Q31, 0 .. 2^31 - 1 */
    int8_t shift;       /* -31 .. 30 */
    int8_t zero_point;
} myo_mean_config_t;

void myo_mean_run(const myo_mean_config_t *config, const int8_t *input, int8_t *output);

/* Running sums, for a mean over a window that moves: columns of n_channels words go into the sums, one for
   each channel, or out of them. They are exact, so a column that went in leaves nothing when it has gone out.
   Sums stay below 2^31 for up to 2^24 columns in them. */
void myo_sums_add(int32_t *sums, const int8_t *columns, size_t n_columns, size_t n_channels);
void myo_sums_subtract(int32_t *sums, const int8_t *columns, size_t n_columns, size_t n_channels);

/* The mean of what is in the sums, with a configuration of myo_mean_run whose kept_0 and reduced_1 are 1 and
   whose kept_1 is the number of channels; reduced_0 columns are in the sums. */
void myo_mean_of_sums_run(const myo_mean_config_t *config, const int32_t *sums, int8_t *output);

/* Largest or smallest word over one or two stretches of neighbours, laid out as for the mean. Input and
   output have one scale and zero point. */
typedef struct {
    uint32_t kept_0;
    uint32_t reduced_0;
    uint32_t kept_1;
    uint32_t reduced_1;
} myo_nn_stretches_t;

void myo_reduce_max_run(const myo_nn_stretches_t *stretches, const int8_t *input, int8_t *output);
void myo_reduce_min_run(const myo_nn_stretches_t *stretches, const int8_t *input, int8_t *output);

/* How two operands with up to four axes meet word by word: word (i, j, k, l) of the output, which is dense,
   takes a[i * stride_a[0] + j * stride_a[1] + ...]; a stride of 0 repeats the operand along that axis. The
   last stride is 0 or 1. Kernels with such a configuration run in place, where the operand in place is not
   repeated. */
typedef struct {
    uint32_t size[4];
    uint32_t stride_a[4];
    uint32_t stride_b[4];
} myo_nn_broadcast_t;

/* Sum a + b or difference a - b. Each operand is brought to a common finer scale first (20 bits up, then
   times at most 1/2). */
typedef struct {
    myo_nn_broadcast_t broadcast;
    int16_t offset_a; /* minus the zero point of a */
    int16_t offset_b;
    int32_t multiplier_a;
    int32_t multiplier_b;
    int32_t multiplier_output;
    int8_t shift_a; /* -31 .. 0, as the next; of one of the two 0, with multiplier 2^30 */
    int8_t shift_b;
    int8_t shift_output; /* -31 .. -1 */
    int8_t sign;         /* of b: 1 or -1 */
    int8_t zero_point;
    int8_t low;
    int8_t high;
} myo_add_config_t;

void myo_add_run(const myo_add_config_t *config, const int8_t *a, const int8_t *b, int8_t *output);

/* Product a * b. */
typedef struct {
    myo_nn_broadcast_t broadcast;
    int16_t offset_a;
    int16_t offset_b;
    int32_t multiplier;
    int8_t shift;
    int8_t zero_point;
    int8_t low;
    int8_t high;
} myo_mul_config_t;

void myo_mul_run(const myo_mul_config_t *config, const int8_t *a, const int8_t *b, int8_t *output);

/* (a - b)^2. Each operand is brought to a common finer scale first (7 bits up, then times at most 1/2). */
typedef struct {
    myo_nn_broadcast_t broadcast;
    int16_t offset_a;
    int16_t offset_b;
    int32_t multiplier_a;
    int32_t multiplier_b;
    int32_t multiplier_output;
    int8_t shift_a; /* -31 .. 0, as the next */
    int8_t shift_b;
    int8_t shift_output; /* -31 .. 30 */
    int8_t zero_point;
} myo_squared_difference_config_t;

void myo_squared_difference_run(const myo_squared_difference_config_t *config, const int8_t *a,
                                const int8_t *b, int8_t *output);

/* a for a >= 0, a * b else: b is the slope, as a rule one for each channel. */
typedef struct {
    myo_nn_broadcast_t broadcast;
    int16_t offset_a;
    int16_t offset_b;
    int32_t multiplier;
    int32_t multiplier_slope;
    int8_t shift;
    int8_t shift_slope;
    int8_t zero_point;
} myo_prelu_config_t;

void myo_prelu_run(const myo_prelu_config_t *config, const int8_t *a, const int8_t *b, int8_t *output);

/* The larger or the smaller of two words. Both operands and the output have one scale and zero point. */
void myo_maximum_run(const myo_nn_broadcast_t *broadcast, const int8_t *a, const int8_t *b, int8_t *output);
void myo_minimum_run(const myo_nn_broadcast_t *broadcast, const int8_t *a, const int8_t *b, int8_t *output);

/* The input with `value` around it. Output: the input's sizes plus before and after of each axis. */
typedef struct {
    myo_nn_shape_t input;
    myo_nn_shape_t before;
    myo_nn_shape_t after;
    int8_t value;
} myo_pad_config_t;

void myo_pad_run(const myo_pad_config_t *config, const int8_t *input, int8_t *output);

/* Moves words: index (i, j, k, l, m) of the input, at i * input_stride[0] + j * input_stride[1] + ... from
   `input`, to the place that output_stride gives from `output`. A stride of the input may be negative, for
   words in reverse order. Joins, cuts and transposes: whatever leaves the words' values alone. */
typedef struct {
    uint32_t size[5]; /* outermost first, absent axes 1 */
    int32_t input_stride[5];
    int32_t output_stride[5];
} myo_copy_config_t;

void myo_copy_run(const myo_copy_config_t *config, const int8_t *input, int8_t *output);

/* How one of two operands lies in memory. Strides in words; 0 where one index serves for all of the output's.
 */
typedef struct {
    uint32_t batch_stride[3];
    uint32_t row_stride;
    uint32_t column_stride;
    int16_t offset; /* minus the operand's zero point */
} myo_nn_matrices_t;

/* Products of matrices: output[batch][r][c] = clamp(m * (bias[c] + sum over d of (a[batch][r][d] + a.offset)
 * (b[batch][d][c] + b.offset)) + zero_point, low, high). The output is dense. */
typedef struct {
    uint32_t batch[3];
    uint32_t n_rows;
    uint32_t depth;
    uint32_t n_columns;
    myo_nn_matrices_t a;
    myo_nn_matrices_t b;
    const int32_t *bias; /* [n_columns], or NULL */
    int32_t multiplier;  /* Q31, 0 or 2^30 .. 2^31 - 1 */
    int8_t shift;        /* -31 .. 30 */
    int8_t zero_point;
    int8_t low;
    int8_t high;
} myo_batch_matmul_config_t;

void myo_batch_matmul_run(const myo_batch_matmul_config_t *config, const int8_t *a, const int8_t *b,
                          int8_t *output);

/* Softmax of each row. Output scale 1/256, zero point -128. Exponentials come from a table made at export,
   for the input's scale: exp_q31[i] is the exponential of a word that is i below the row's highest. Words
   further below count as nothing. In place: yes. */
typedef struct {
    uint32_t n_rows;
    uint32_t row_size; /* 1 .. 511 */
    const int32_t *exp_q31;
    uint32_t n_exp; /* 1 .. 256 */
} myo_softmax_config_t;

void myo_softmax_run(const myo_softmax_config_t *config, const int8_t *input, int8_t *output);

/* A factor multiplier * 2^(shift - 31), applied with the two roundings of myo_fixed_point.h. */
typedef struct {
    int32_t multiplier;
    int8_t shift;
} myo_nn_factor_t;

/* One gate of an LSTM: its argument, in Q3.12, is the saturated sum of
   (bias[c] + sum over i of (x[i] + input_offset) * input_weights[c][i]) * input and
   (sum over d of (h[d] + hidden_offset) * recurrent_weights[c][d]) * recurrent, each saturated to int16. */
typedef struct {
    const int8_t *input_weights;     /* [n_cells][n_inputs], zero point 0 */
    const int8_t *recurrent_weights; /* [n_cells][n_cells], zero point 0 */
    const int32_t *bias;             /* [n_cells], scale input * input_weights */
    myo_nn_factor_t input;
    myo_nn_factor_t recurrent;
} myo_lstm_gate_t;

/* LSTM over time, the hidden state of every step being the output, [n_steps][n_cells]. In every step each
   cell becomes c = clamp(c * forget + (input * candidate) * update, cell_low, cell_high), and the hidden
   state h = clamp((output * tanh(c)) * hidden + zero_point, -128, 127); input, forget and output are the
   logistic function of their gates' arguments, candidate is tanh, all in Q15. tanh(c) is taken of c *
   tanh_multiplier / 2^tanh_shift, halves up, in steps of 1/12288. State: int16 cells [n_cells], then int8
   hidden state [n_cells], aligned at 2. It lives from call to call: a sequence may come in pieces. In the
   beginning cells are 0 and the hidden state is its zero point. */
typedef struct {
    uint16_t n_steps;
    uint16_t n_inputs;
    uint16_t n_cells;
    int16_t input_offset;     /* minus the input's zero point */
    int16_t hidden_offset;    /* minus the output's */
    myo_lstm_gate_t gates[4]; /* input, forget, candidate, output */
    myo_nn_factor_t forget;   /* from a product with a Q15 gate to the cells' scale */
    myo_nn_factor_t update;
    myo_nn_factor_t hidden; /* to the output's scale */
    int16_t tanh_multiplier;
    int8_t tanh_shift; /* 0 .. 15 */
    int16_t cell_low;
    int16_t cell_high;
} myo_lstm_config_t;

void myo_lstm_run(const myo_lstm_config_t *config, const int8_t *input, void *state, int8_t *output);

/* Any function of one int8, as a table: output[i] = table[input[i] + 128]. In place: yes. */
void myo_table_run(const int8_t table[256], const int8_t *input, int8_t *output, size_t n);

#endif
