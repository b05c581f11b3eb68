#include "classical/myo_scores.h"

void myo_scores_to_logits(const int32_t *scores, size_t n, uint8_t shift, int8_t *logits) {
    int32_t highest = scores[0];
    for (size_t i = 1; i < n; i++) {
        highest = scores[i] > highest ? scores[i] : highest;
    }
    const uint32_t half = (UINT32_C(1) << shift) >> 1;
    for (size_t i = 0; i < n; i++) {
        const uint32_t steps = ((uint32_t)highest - (uint32_t)scores[i] + half) >> shift;
        logits[i] = (int8_t)(INT8_MAX - (int32_t)(steps < UINT8_MAX ? steps : UINT8_MAX));
    }
}
