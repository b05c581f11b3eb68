/* One second-order section over a block, as arm_biquad_cascade_df1_q31 computes it, in instructions of
   Armv7-M and later. Private to myo_sos.c. */
#ifndef MYO_SOS_SECTION_H
#define MYO_SOS_SECTION_H

#include <stdint.h>

#if defined(__arm__) && defined(__ARM_ARCH) && __ARM_ARCH >= 7 && !defined(MYO_SOS_PLAIN)
#define MYO_SOS_SECTION_ARM 1
#else
#define MYO_SOS_SECTION_ARM 0
#endif

#if MYO_SOS_SECTION_ARM
/* y[n] = low word of (b0 x[n] + b1 x[n-1] + b2 x[n-2] + a1 y[n-1] + a2 y[n-2]) >> (31 - post_shift), sums in
   64 bits that wrap. coefficients: {b0, b1, b2, a1, a2}; state: {x[n-1], x[n-2], y[n-1], y[n-2]}; block:
   n_samples, in place; 0 is allowed. One function a post_shift, the last part of its name. ISR-safe: yes. */
typedef void myo_sos_section_t(const int32_t *coefficients, int32_t *state, int32_t *block,
                               uint32_t n_samples);
myo_sos_section_t myo_sos_section_0;
myo_sos_section_t myo_sos_section_1;
myo_sos_section_t myo_sos_section_2;
myo_sos_section_t myo_sos_section_3;
myo_sos_section_t myo_sos_section_4;
#endif

#endif
