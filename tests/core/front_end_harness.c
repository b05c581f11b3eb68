/* The front end's chain of steps: one operation; numbers are little-endian words, as the host is.

   F: channels, input shift, words of state, steps, blocks; per step kind, n_in, n_out, decimation, align,
   shift, count, n_words and its words; per block its frames (0: reset); counts -> status, then per block the
   frames that it gave and their words, frame by frame. */
#include "dsp/myo_decimate.h"
#include "dsp/myo_ecg.h"
#include "dsp/myo_fir.h"
#include "dsp/myo_front_end.h"
#include "dsp/myo_matrix.h"
#include "dsp/myo_moving_average.h"
#include "dsp/myo_rectify.h"
#include "dsp/myo_sos.h"
#include "dsp/myo_sos_wide.h"
#include "dsp/myo_tkeo.h"
#include "harness.h"

#define MAX_STEPS 40u

typedef union {
    myo_sos_config_t sos;
    myo_matrix_config_t matrix;
    myo_moving_average_config_t mean;
    myo_fir_config_t fir;
    myo_tkeo_config_t tkeo;
    myo_ecg_config_t ecg;
} config_t;

typedef struct {
    int32_t kind, n_in, n_out, decimation, align, shift, count, n_words;
} head_t;

static const myo_step_kind_t *const kinds[] = {
    &myo_sos_kind, &myo_matrix_kind, &myo_rectify_kind, &myo_moving_average_kind, &myo_decimate_kind,
    &myo_fir_kind, &myo_tkeo_kind,   &myo_ecg_kind,     &myo_sos_wide_kind};
static config_t configs[MAX_STEPS];
static void *memory[3 * MAX_STEPS];
static size_t n_memory;

static void *own(const void *from, size_t bytes) {
    void *copy = malloc(bytes > 0 ? bytes : 1);
    memcpy(copy, from, bytes);
    memory[n_memory++] = copy;
    return copy;
}

/* Weights by row to the terms that are not zero. */
static myo_matrix_config_t list_terms(const head_t *head, const int32_t *weights) {
    const size_t n_weights = (size_t)head->n_words;
    uint16_t *n_terms = own(weights, sizeof *n_terms * (size_t)head->n_out); /* of that size; filled below */
    myo_matrix_term_t *terms = own(weights, sizeof *terms * n_weights);
    size_t n = 0;
    for (int32_t row = 0; row < head->n_out; row++) {
        n_terms[row] = 0;
        for (int32_t channel = 0; channel < head->n_in; channel++) {
            const int32_t weight = weights[row * head->n_in + channel];
            if (weight != 0) {
                terms[n++] = (myo_matrix_term_t){(int16_t)weight, (uint16_t)channel};
                n_terms[row]++;
            }
        }
    }
    return (myo_matrix_config_t){.n_terms = n_terms, .terms = terms, .shift = (uint8_t)head->shift};
}

static const config_t *configure(config_t *config, const head_t *head, const int32_t *words) {
    const uint8_t shift = (uint8_t)head->shift;
    switch (head->kind) {
    case 0:
    case 8:
        config->sos = (myo_sos_config_t){.n_sections = (uint8_t)head->count,
                                         .post_shift = shift,
                                         .coefficients = own(words, 4u * (size_t)head->n_words)};
        return config;
    case 1:
        config->matrix = list_terms(head, words);
        return config;
    case 3: {
        uint8_t before = 0;
        while (1 << before < head->count) {
            before++;
        }
        config->mean = (myo_moving_average_config_t){
            .n = (uint16_t)head->count, .before = before, .shift = shift, .multiplier = words[0]};
        return config;
    }
    case 5:
        config->fir = (myo_fir_config_t){
            .taps = own(words, 4u * (size_t)head->n_words), .n_taps = (uint16_t)head->count, .shift = shift};
        return config;
    case 6:
        config->tkeo.shift = shift;
        return config;
    case 7: {
        uint8_t magnitude_shift = 0;
        while ((words[2] - 1) / 2 >> magnitude_shift != 0) {
            magnitude_shift++;
        }
        config->ecg = (myo_ecg_config_t){.reference = (uint16_t)words[0],
                                         .before = (uint16_t)words[1],
                                         .after = (uint16_t)words[2],
                                         .log2_beats = (uint8_t)words[3],
                                         .refractory = (uint32_t)words[4],
                                         .learn = (uint32_t)words[5],
                                         .magnitude_shift = magnitude_shift};
        return config;
    }
    default:
        return NULL;
    }
}

static void run_chain(const int32_t *data, buffer_t *out) {
    const uint32_t n_channels = (uint32_t)data[0], n_steps = (uint32_t)data[3], n_blocks = (uint32_t)data[4];
    const size_t state_words = (size_t)data[2];
    const int8_t input_shift = (int8_t)data[1];
    static myo_step_t steps[MAX_STEPS];
    data += 5;
    for (uint32_t i = 0; i < n_steps; i++) {
        head_t head;
        memcpy(&head, data, sizeof head);
        data += sizeof head / sizeof *data;
        steps[i] = (myo_step_t){.kind = kinds[head.kind],
                                .config = configure(&configs[i], &head, data),
                                .n_in = (uint16_t)head.n_in,
                                .n_out = (uint16_t)head.n_out,
                                .decimation = (uint16_t)head.decimation,
                                .align = (int8_t)head.align};
        data += head.n_words;
    }
    const myo_front_end_config_t config = {.steps = n_steps > 0 ? steps : NULL,
                                           .n_steps = (uint8_t)n_steps,
                                           .input_shift = input_shift,
                                           .n_channels = (uint16_t)n_channels};
    int32_t *state = malloc(4 * state_words + 1); /* not cleared: init does */
    memset(state, 0x5a, 4 * state_words);
    myo_front_end_t self;
    const myo_status_t status = myo_front_end_init(&self, &config, state, state_words);
    buffer_add_u32(out, status);
    if (status == MYO_OK) {
        const uint16_t n_out = myo_front_end_channels(&config);
        int32_t *block = malloc(4 * myo_front_end_block_words(&config));
        const int32_t *counts = data + n_blocks;
        for (uint32_t b = 0; b < n_blocks; b++) {
            const uint32_t n_frames = (uint32_t)data[b];
            if (n_frames == 0) {
                myo_front_end_reset(&self);
                continue;
            }
            const uint32_t n_given = myo_front_end_run(&self, counts, block, n_frames);
            counts += n_frames * n_channels;
            buffer_add_u32(out, n_given);
            for (uint32_t i = 0; i < n_given * n_out; i++) {
                buffer_add(out, &block[i % n_out * MYO_BLOCK_FRAMES + i / n_out], 4);
            }
        }
        free(block);
    }
    free(state);
    while (n_memory > 0) {
        free(memory[--n_memory]);
    }
}

int main(void) {
    buffer_t out = {0};
    uint8_t *data;
    uint32_t n;
    for (int operation; (operation = harness_read(&data, &n)) != EOF;) {
        if (operation != 'F') {
            return 2;
        }
        run_chain((const int32_t *)(const void *)data, &out);
        harness_answer(&out);
        free(data);
    }
    free(out.bytes);
    return 0;
}
