/* Shifts between the formats of the front end. */
#ifndef MYO_SCALE_H
#define MYO_SCALE_H

#include <stddef.h>
#include <stdint.h>

/* A channel's counts as words: out[i] is counts[i * stride] shifted left, or right (arithmetic, no rounding)
   where shift is negative; -31..31. Bits that leave the word are lost: counts beyond the sensor's range wrap.
   ISR-safe: yes. */
void myo_scale_counts(int8_t shift, const int32_t *counts, size_t stride, int32_t *out, size_t n_samples);

/* Words in place: shifted left, or right with rounding half up where shift is negative; -31..31. Bits that
   leave the word are lost. ISR-safe: yes. */
void myo_scale_words(int8_t shift, int32_t *words, size_t n_samples);

#endif
