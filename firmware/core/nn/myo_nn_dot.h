/* Dot products of int8 against rows of weights, and what becomes of them; internal to core/nn, for Helium. */
#ifndef MYO_NN_DOT_H
#define MYO_NN_DOT_H

#include "myo_nn.h"

/* output[o] = requantize(bias[o] + sum over i of x[i] * weights[o][i]) for o of first .. first + n - 1, the
   first one at output[0]. */
void myo_nn_dot_run(const int8_t *x, size_t n_words, const int8_t *weights, const int32_t *bias,
                    const myo_nn_requantize_t *requantize, size_t first, size_t n, int8_t *output);

#endif
