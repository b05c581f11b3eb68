#include "dsp/myo_sos.h"

#include <string.h>

#include "dsp/filtering_functions.h"

myo_status_t myo_sos_init(myo_sos_t *self, const myo_sos_config_t *config, int32_t *state,
                          size_t state_words) {
    if (self == NULL || config == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->n_sections > MYO_SOS_MAX_SECTIONS || config->input_shift < -31 || config->input_shift > 31 ||
        config->post_shift > 31) {
        return MYO_ERROR_CONFIG;
    }
    if (config->n_sections > 0 && (config->coefficients == NULL || state == NULL)) {
        return MYO_ERROR_NULL;
    }
    if (state_words < (size_t)config->n_sections * MYO_SOS_STATE_WORDS) {
        return MYO_ERROR_MEMORY;
    }
    self->config = config;
    self->state = state;
    myo_sos_reset(self);
    return MYO_OK;
}

void myo_sos_reset(myo_sos_t *self) {
    if (self->config->n_sections > 0) {
        memset(self->state, 0, (size_t)self->config->n_sections * MYO_SOS_STATE_WORDS * sizeof(int32_t));
    }
}

void myo_sos_run(myo_sos_t *self, const int32_t *in_q31, int32_t *out_q31, size_t n_samples) {
    if (n_samples == 0) {
        return; /* CMSIS-DSP's loop is not made for an empty block */
    }
    if (self->config->n_sections == 0) {
        memmove(out_q31, in_q31, n_samples * sizeof(int32_t));
        return;
    }
    /* Built here, not kept: its init would clear the state, and it costs four stores a block. */
    const arm_biquad_casd_df1_inst_q31 cascade = {
        .numStages = self->config->n_sections,
        .pState = self->state,
        .pCoeffs = self->config->coefficients,
        .postShift = self->config->post_shift,
    };
    arm_biquad_cascade_df1_q31(&cascade, in_q31, out_q31, (uint32_t)n_samples);
}

int32_t myo_sos_scale(const myo_sos_config_t *config, int32_t count) {
    if (config->input_shift < 0) {
        return count >> -config->input_shift;
    }
    return (
        int32_t)((uint32_t)count << config->input_shift); /* unsigned: a shift into the sign bit is defined */
}
