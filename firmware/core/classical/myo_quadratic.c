#include "classical/myo_quadratic.h"

#include <stddef.h>

#include "classical/myo_scores.h"
#include "nn/myo_nn_dispatch.h"

#if MYO_NN_DSP
#include "nn/myo_nn_simd.h"
#endif

/* Sum over pairs of words; both aligned at 4. The export's proof makes the order of the sum irrelevant. */
static int32_t dot_pairs(const int16_t *row, const int16_t *words, size_t n_pairs, int32_t sum) {
    for (size_t i = 0; i < n_pairs; i++) {
#if MYO_NN_DSP
        sum = myo_simd_dot(myo_simd_load_pair(row + 2 * i), myo_simd_load_pair(words + 2 * i), sum);
#else
        sum += row[2 * i] * words[2 * i] + row[2 * i + 1] * words[2 * i + 1];
#endif
    }
    return sum;
}

void myo_quadratic_run(const myo_quadratic_config_t *config, const int8_t *input, int32_t *scores,
                       int16_t *words, int8_t *logits) {
    const size_t n_inputs = config->n_inputs;
    words[n_inputs - 1 + n_inputs % 2] = 0; /* meets the last row's zero, or is overwritten */
    for (size_t i = 0; i < n_inputs; i++) {
        words[i] = input[i];
    }
    const int16_t *row = config->maps;
    const int32_t *offset = config->offsets;
    for (size_t output = 0; output < config->n_outputs; output++) {
        int64_t length = 0;
        for (size_t k = 0; k < n_inputs; k++) {
            const size_t n_pairs = k / 2 + 1;
            const int32_t y = dot_pairs(row, words, n_pairs, offset[k]);
            length += (int64_t)y * y;
            row += 2 * n_pairs;
        }
        offset += n_inputs;
        const uint32_t shift = config->shifts[output];
        const int64_t steps = (length + (((int64_t)1 << shift) >> 1)) >> shift;
        scores[output] = config->constants[output] -
                         (int32_t)(steps < MYO_QUADRATIC_LONGEST ? steps : MYO_QUADRATIC_LONGEST);
    }
    myo_scores_to_logits(scores, config->n_outputs, config->shift, logits);
}
