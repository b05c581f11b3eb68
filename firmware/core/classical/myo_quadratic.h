/* Quadratic forms over int8 words: the score of a class is a constant less the squared length of map * input
   + offset, map a lower triangle. As logits below the highest score: scale 1/32, zero point 127. */
#ifndef MYO_QUADRATIC_H
#define MYO_QUADRATIC_H

#include <stdint.h>

#define MYO_QUADRATIC_LONGEST                                                                                \
    (INT32_C(1) << 30) /* a squared length in steps of a score; longer ones saturate */

/* The export proves of its tables that no input makes a sum leave int32 or a squared length int64. */
typedef struct {
    const int16_t *maps;      /* [output][row k of k + 1 words, and a zero where k is even], aligned at 4 */
    const int32_t *offsets;   /* [output][n_inputs] */
    const int32_t *constants; /* [output], in steps of 2^-8 */
    const uint8_t *shifts;    /* [output], from squared length to steps of a score, 0 .. 62 */
    uint16_t n_inputs;
    uint16_t n_outputs;
    uint8_t shift; /* a logit is 2^shift steps of a score */
} myo_quadratic_config_t;

/* Working memory: scores n_outputs, words n_inputs rounded up to even, aligned at 4. None of it may overlap.
   ISR-safe, reentrant. */
void myo_quadratic_run(const myo_quadratic_config_t *config, const int8_t *input, int32_t *scores,
                       int16_t *words, int8_t *logits);

#endif
