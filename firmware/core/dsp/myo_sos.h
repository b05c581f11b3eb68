/* Cascade of second-order sections in Q31, direct form I: the words of CMSIS-DSP's
   arm_biquad_cascade_df1_q31, which it runs where its own functions of instructions (sos_section_arm.c) do
   not.

   One cascade is one channel: channels share the coefficients and each has its own state. A result depends on
   the samples alone, never on how they were cut into blocks. The accumulator has one guard bit and wraps: the
   export scales its input so that no input of the sensor's range reaches it. */
#ifndef MYO_SOS_H
#define MYO_SOS_H

#include <stddef.h>
#include <stdint.h>

#include "dsp/myo_step.h"

#define MYO_SOS_MAX_SECTIONS 32u
#define MYO_SOS_STATE_WORDS 4u /* words of state a section: x[n-1], x[n-2], y[n-1], y[n-2] */

typedef struct {
    uint8_t n_sections; /* 0: the cascade is the identity; at most MYO_SOS_MAX_SECTIONS */
    uint8_t post_shift; /* coefficients hold their value times 2^-post_shift; 0..31 */
    const int32_t
        *coefficients; /* Q31, n_sections x {b0, b1, b2, a1, a2}; y = b*x + a*y: a carries CMSIS's sign */
} myo_sos_config_t;

typedef struct {
    const myo_sos_config_t *config;
    int32_t *state; /* n_sections x MYO_SOS_STATE_WORDS, caller's */
} myo_sos_t;

/* Validates config and clears the state. config and state must outlive self. ISR-safe: no. */
myo_status_t myo_sos_init(myo_sos_t *self, const myo_sos_config_t *config, int32_t *state,
                          size_t state_words);

/* Clears the state: the filter is as if no sample had come. */
void myo_sos_reset(myo_sos_t *self);

/* Filters n_samples (0 is allowed). In place: yes (in == out); otherwise the two must not
   overlap. ISR-safe: no. */
void myo_sos_run(myo_sos_t *self, const int32_t *in_q31, int32_t *out_q31, size_t n_samples);

/* As a step of the front end; its config is a myo_sos_config_t. */
extern const myo_step_kind_t myo_sos_kind;

#endif
