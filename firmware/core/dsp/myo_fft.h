/* Fast Fourier transform of small integers in 32 bits: radix 4, and one stage of radix 2 where the length
   asks for it.

   Every stage but the last halves, so with components of at most 2^24 nothing overflows, whatever the input.
   Roundings: down, one for each component and stage. The same words on every core and in
   myo_pipeline.spectrum_twin. */
#ifndef MYO_FFT_H
#define MYO_FFT_H

#include <stdint.h>

#define MYO_FFT_MIN_LENGTH 64u
#define MYO_FFT_MAX_LENGTH 1024u

typedef struct {
    int32_t re, im;
} myo_complex_t;

/* In place, without a window: z[place of k] = 2^-halvings * sum of z[n] exp(-2 pi j k n / length), where the
   place of k is k with its bits reversed, and halvings the number of stages, log4(length) rounded up, less
   one. length: a power of two in 64 .. 1024; |re| and |im| at most 2^24. turns: cos and sin of 2 pi k /
   length in Q31, k = 0 .. 3/4 length - 1; 1 is 2^31 - 1. ISR-safe: yes. */
void myo_fft(myo_complex_t *z, uint32_t length, const myo_complex_t *turns);

#endif
