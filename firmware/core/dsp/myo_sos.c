#include "dsp/myo_sos.h"

#include <stdbool.h>
#include <string.h>

#include "dsp/filtering_functions.h"
#include "dsp/myo_sos_section.h"

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

/* The plain truth, and the way of every post_shift that has no function of instructions. */
static void run_cmsis(const myo_sos_t *self, const int32_t *in_q31, int32_t *out_q31, size_t n_samples) {
    /* Built here, not kept: its init would clear the state, and it costs four stores a block. */
    const arm_biquad_casd_df1_inst_q31 cascade = {
        .numStages = self->config->n_sections,
        .pState = self->state,
        .pCoeffs = self->config->coefficients,
        .postShift = self->config->post_shift,
    };
    arm_biquad_cascade_df1_q31(&cascade, in_q31, out_q31, (uint32_t)n_samples);
}

#if MYO_SOS_SECTION_ARM
static bool run_sections(const myo_sos_t *self, const int32_t *in_q31, int32_t *out_q31, size_t n_samples) {
    static myo_sos_section_t *const by_post_shift[] = {
        myo_sos_section_0, myo_sos_section_1, myo_sos_section_2, myo_sos_section_3, myo_sos_section_4};
    const myo_sos_config_t *config = self->config;
    if (config->post_shift >= sizeof by_post_shift / sizeof by_post_shift[0]) {
        return false;
    }
    myo_sos_section_t *const run_section = by_post_shift[config->post_shift];
    if (in_q31 != out_q31) {
        memcpy(out_q31, in_q31, n_samples * sizeof *out_q31);
    }
    for (uint32_t section = 0; section < config->n_sections; section++) {
        run_section(&config->coefficients[(size_t)5 * section], &self->state[MYO_SOS_STATE_WORDS * section],
                    out_q31, (uint32_t)n_samples);
    }
    return true;
}
#else
static bool run_sections(const myo_sos_t *self, const int32_t *in_q31, int32_t *out_q31, size_t n_samples) {
    (void)self, (void)in_q31, (void)out_q31, (void)n_samples;
    return false;
}
#endif

void myo_sos_run(myo_sos_t *self, const int32_t *in_q31, int32_t *out_q31, size_t n_samples) {
    if (n_samples == 0) {
        return; /* CMSIS-DSP's loop is not made for an empty block */
    }
    if (self->config->n_sections == 0) {
        if (in_q31 != out_q31) {
            memcpy(out_q31, in_q31, n_samples * sizeof(int32_t));
        }
        return;
    }
    if (!run_sections(self, in_q31, out_q31, n_samples)) {
        run_cmsis(self, in_q31, out_q31, n_samples);
    }
}

void myo_sos_scale(const myo_sos_config_t *config, const int32_t *counts, size_t stride, int32_t *out_q31,
                   size_t n_samples) {
    if (config->input_shift < 0) {
        const uint32_t shift = (uint32_t)-config->input_shift;
        for (size_t i = 0; i < n_samples; i++, counts += stride) {
            out_q31[i] = *counts >> shift;
        }
        return;
    }
    const uint32_t shift = (uint32_t)config->input_shift;
#pragma GCC unroll 4
    for (size_t i = 0; i < n_samples; i++, counts += stride) {
        out_q31[i] =
            (int32_t)((uint32_t)*counts << shift); /* unsigned: a shift into the sign bit is defined */
    }
}
