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
    if (config->n_sections > MYO_SOS_MAX_SECTIONS || config->post_shift > 31) {
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

static myo_status_t check(const myo_step_t *step) {
    const myo_sos_config_t *config = step->config;
    if (config == NULL || config->coefficients == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->n_sections < 1 || config->n_sections > MYO_SOS_MAX_SECTIONS || config->post_shift > 31) {
        return MYO_ERROR_CONFIG;
    }
    return myo_step_check_plain(step);
}

static size_t count_channel(const myo_sos_config_t *config) {
    return (size_t)config->n_sections * MYO_SOS_STATE_WORDS;
}

static size_t count_state(const myo_step_t *step) {
    return count_channel(step->config) * step->n_in;
}

static uint32_t run(const myo_step_t *step, int32_t *state, int32_t *block, uint32_t n_frames) {
    myo_sos_t cascade = {.config = step->config, .state = state};
    for (uint32_t channel = 0; channel < step->n_in; channel++) {
        int32_t *const x_q31 = &block[channel * MYO_BLOCK_FRAMES];
        myo_sos_run(&cascade, x_q31, x_q31, n_frames);
        cascade.state += count_channel(cascade.config);
    }
    return n_frames;
}

const myo_step_kind_t myo_sos_kind = {.check = check, .count_state = count_state, .run = run};
