/* Dot products of int8 against rows of weights, and what becomes of them; internal to core/nn, for Helium. */
#ifndef MYO_NN_DOT_H
#define MYO_NN_DOT_H

#include "myo_nn.h"

/* What stays the same from position to position. */
typedef struct {
    size_t n_words;        /* of a row */
    const int8_t *weights; /* [rows][n_words] */
    const int32_t *bias;   /* [rows], the input's zero point folded in */
    const myo_nn_requantize_t *requantize;
    size_t output_step; /* from an output of one position to that of the next */
} myo_nn_dot_t;

/* output[p * output_step + k] = requantize(bias[first + k] + sum over i of x[p * step + i] * weights[first +
   k][i]) for k of 0 .. n - 1 and p of 0 .. n_positions - 1. */
void myo_nn_dot_run(const myo_nn_dot_t *self, const int8_t *x, size_t step, size_t n_positions, size_t first,
                    size_t n, int8_t *output);

#endif
