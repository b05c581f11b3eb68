/* Scores of classes to int8 logits, for the softmax that follows. */
#ifndef MYO_SCORES_H
#define MYO_SCORES_H

#include <stddef.h>
#include <stdint.h>

/* Output: 127 less what each score is below the highest, in steps of 2^shift scores, halves rounded down the
   scale, 255 steps at most. Scores: any two differ by less than 2^31. n: 1..; shift: 0 .. 31. ISR-safe. */
void myo_scores_to_logits(const int32_t *scores, size_t n, uint8_t shift, int8_t *logits);

#endif
