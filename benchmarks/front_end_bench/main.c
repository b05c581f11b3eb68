/* Cost of the front end: 8 channels at 2 kHz through three sections, from the ring to the network's input.

   Regions between roi_begin and roi_end: an empty one, whose cost a counter subtracts; myo_sos_run of 64
   samples with 1 to 4 sections; the front end of one hop of HOP frames, as the patch runs it, with a network
   that does nothing; then, with 8 frames and with 32 of all channels, counts taken out of frames, words
   shifted, and one step of each other kind in the order of bench_filters.py. Prints "DONE" when the last
   window was decided. */
#include <stdbool.h>
#include <string.h>

#include "board.h"
#include "dsp/myo_decimate.h"
#include "dsp/myo_ecg.h"
#include "dsp/myo_fir.h"
#include "dsp/myo_matrix.h"
#include "dsp/myo_moving_average.h"
#include "dsp/myo_rectify.h"
#include "dsp/myo_scale.h"
#include "dsp/myo_sos.h"
#include "dsp/myo_sos_wide.h"
#include "dsp/myo_tkeo.h"
#include "stream/myo_patch.h"

#define MAX_SECTIONS 6u
#define WINDOW 400u
#define RING 512u
#define BLOCK 64u

__attribute__((noinline)) void roi_begin(void) {
    __asm__ volatile("nop");
}

__attribute__((noinline)) void roi_end(void) {
    __asm__ volatile("nop");
}

/* Coefficients and scales stay what the start leaves in memory: no instruction of the front end depends on
   them, but that post_shift and the scale's shift have the sizes that filters have. */
static int32_t coefficients[5 * MAX_SECTIONS] = {1 << 29, 0, -(1 << 29), 1 << 29, -(1 << 28)};
static myo_quantize_config_t quantize[N_CHANNELS];

static uint32_t n_decisions;

static void net_init(void *arena) {
    (void)arena;
}

static void net_run(void *arena, const int8_t *input, int8_t *output, net_observer_t observer,
                    void *context) {
    (void)arena, (void)input, (void)observer, (void)context;
    output[0] = output[1] = 0;
}

static const myo_sos_config_t sections = {
    .n_sections = N_SECTIONS, .post_shift = 1, .coefficients = coefficients};
static const myo_step_t step = {
    .kind = &myo_sos_kind, .config = &sections, .n_in = N_CHANNELS, .n_out = N_CHANNELS, .decimation = 1};

static const myo_patch_config_t config = {
    .rate_mhz = 2000000,
    .window_samples = WINDOW,
    .hop_samples = HOP,
    .n_layers = 1,
    .n_outputs = 2,
    .sample_bytes = 2,
    .adc_bits = 16,
    .output_kind = MYO_OUTPUT_CLASSES,
    .vote = 1,
    .reject_below = -128,
    .front_end = {.steps = &step, .n_steps = N_SECTIONS > 0, .input_shift = 13, .n_channels = N_CHANNELS},
    .quantize = quantize,
    .net_input_size = (size_t)WINDOW * N_CHANNELS,
    .net_output_size = 2,
    .net_arena_size = 16,
    .net_init = net_init,
    .net_run = net_run,
};

static uint32_t work_ticks(void *context) {
    (void)context;
    return 0;
}

static void on_tensor(void *context, myo_stage_t stage, uint16_t layer, uint32_t index, const void *data,
                      size_t n_elements) {
    (void)context, (void)stage, (void)layer, (void)index, (void)data, (void)n_elements;
}

static void on_decision(void *context, const myo_patch_result_t *result) {
    (void)context, (void)result;
    n_decisions++;
}

static int32_t counts[RING * N_CHANNELS], block[MYO_BLOCK_FRAMES * N_CHANNELS],
    state[4 * MAX_SECTIONS * N_CHANNELS];
static uint32_t ticks[RING];
static myo_ring_t ring;
static int8_t window[WINDOW * N_CHANNELS], input[WINDOW * N_CHANNELS], output[2];
static _Alignas(16) uint8_t arena[16];
static myo_patch_t patch;

static void fill(uint32_t n_frames) {
    for (uint32_t frame = 0; frame < n_frames; frame++) {
        int32_t *const place = myo_ring_reserve(&ring);
        for (uint32_t channel = 0; channel < N_CHANNELS; channel++) {
            place[channel] = (int32_t)(frame * 40503u + channel * 9973u) % 20000 - 10000;
        }
        myo_ring_commit(&ring, frame);
    }
}

#define TAPS 64u
#define MEAN 37u

static int32_t taps[TAPS], step_state[(TAPS + MYO_BLOCK_FRAMES + MEAN) * N_CHANNELS + 1];
static myo_matrix_term_t terms[N_CHANNELS * N_CHANNELS];
static uint16_t one_term[N_CHANNELS], all_terms[N_CHANNELS];
static const myo_moving_average_config_t mean = {.n = MEAN, .before = 6, .shift = 31, .multiplier = 1 << 30};
static const myo_fir_config_t short_fir = {.taps = taps, .n_taps = 8, .shift = 31};
static const myo_fir_config_t long_fir = {.taps = taps, .n_taps = TAPS, .shift = 31};
static const myo_tkeo_config_t tkeo = {.shift = 31};
static const myo_matrix_config_t remap = {.n_terms = one_term, .terms = terms};
static const myo_matrix_config_t dense = {.n_terms = all_terms, .terms = terms, .shift = 15};

#define STEP(of, with, factor)                                                                               \
    { .kind = &(of), .config = (with), .n_in = N_CHANNELS, .n_out = N_CHANNELS, .decimation = (factor) }

static const myo_sos_config_t one_section = {.n_sections = 1, .post_shift = 1, .coefficients = coefficients};
static const myo_sos_config_t three_sections = {
    .n_sections = 3, .post_shift = 1, .coefficients = coefficients};

static const myo_step_t others[] = {
    STEP(myo_rectify_kind, NULL, 1),          STEP(myo_moving_average_kind, &mean, 1),
    STEP(myo_decimate_kind, NULL, 4),         STEP(myo_tkeo_kind, &tkeo, 1),
    STEP(myo_fir_kind, &short_fir, 1),        STEP(myo_fir_kind, &long_fir, 1),
    STEP(myo_matrix_kind, &remap, 1),         STEP(myo_matrix_kind, &dense, 1),
    STEP(myo_fir_kind, &short_fir, 4),        STEP(myo_fir_kind, &long_fir, 4),
    STEP(myo_sos_wide_kind, &one_section, 1), STEP(myo_sos_wide_kind, &three_sections, 1),
};

/* A beat in what teaches and a beat behind it: of the second, a block before it and the block with which its
   window is complete. */
#define LEARN_BEAT 100u
#define BEAT 400u

static const myo_ecg_config_t hearts[] = {
    {.refractory = 200, .learn = 300, .before = 60, .after = 100, .log2_beats = 5, .magnitude_shift = 6},
    {.refractory = 200, .learn = 300, .before = 24, .after = 72, .log2_beats = 5, .magnitude_shift = 6}};
static int32_t heart_state[MYO_ECG_HEAD_WORDS + 100u + 2u * 160u * N_CHANNELS];

static bool run_heart(const myo_ecg_config_t *config, uint32_t n_frames) {
    const myo_step_t step = STEP(myo_ecg_kind, config, 1);
    if (myo_ecg_kind.check(&step) != MYO_OK || myo_ecg_kind.count_state(&step) > sizeof heart_state / 4u) {
        return false;
    }
    memset(heart_state, 0, sizeof heart_state);
    const uint32_t last = (BEAT + config->after - 1u) / n_frames;
    for (uint32_t number = 0; number <= last; number++) {
        for (uint32_t i = 0; i < n_frames; i++) {
            const uint32_t frame = number * n_frames + i;
            for (uint32_t channel = 0; channel < N_CHANNELS; channel++) {
                block[channel * MYO_BLOCK_FRAMES + i] = frame == LEARN_BEAT || frame == BEAT ? 1 << 28 : 0;
            }
        }
        const bool is_counted = number == last - 3u || number == last;
        if (is_counted) {
            roi_begin();
        }
        (void)myo_ecg_kind.run(&step, heart_state, block, n_frames);
        if (is_counted) {
            roi_end();
        }
    }
    return heart_state[6] == 1; /* n_beats */
}

static bool run_others(uint32_t n_frames) {
    roi_begin();
    for (uint32_t channel = 0; channel < N_CHANNELS; channel++) {
        myo_scale_counts(13, &counts[channel], N_CHANNELS, &block[channel * MYO_BLOCK_FRAMES], n_frames);
    }
    roi_end();
    roi_begin();
    for (uint32_t channel = 0; channel < N_CHANNELS; channel++) {
        myo_scale_words(-1, &block[channel * MYO_BLOCK_FRAMES], n_frames);
    }
    roi_end();
    for (uint32_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const myo_step_t *const other = &others[i];
        memset(step_state, 0, sizeof step_state);
        if (other->kind->check(other) != MYO_OK || other->kind->count_state(other) > sizeof step_state / 4u) {
            return false;
        }
        roi_begin();
        (void)other->kind->run(other, step_state, block, n_frames);
        roi_end();
    }
    return run_heart(&hearts[0], n_frames) && run_heart(&hearts[1], n_frames);
}

int main(void) {
    roi_begin();
    roi_end();
    for (uint32_t channel = 0; channel < N_CHANNELS; channel++) {
        quantize[channel] = (myo_quantize_config_t){.multiplier = 1 << 30, .shift = 54};
    }
    static int32_t samples[BLOCK];
    for (uint8_t n = 1; n <= 4; n++) {
        const myo_sos_config_t cascade = {.n_sections = n, .post_shift = 1, .coefficients = coefficients};
        myo_sos_t filter;
        if (myo_sos_init(&filter, &cascade, state, sizeof state / sizeof *state) != MYO_OK) {
            return 1;
        }
        roi_begin();
        myo_sos_run(&filter, samples, samples, BLOCK);
        roi_end();
    }
    const myo_patch_memory_t memory = {
        .ring = &ring,
        .front_end_state = state,
        .front_end_state_words = sizeof state / sizeof *state,
        .block = block,
        .block_words = sizeof block / sizeof *block,
        .window = window,
        .window_bytes = sizeof window,
        .input = input,
        .input_bytes = sizeof input,
        .output = output,
        .output_bytes = sizeof output,
        .arena = arena,
        .arena_bytes = sizeof arena,
    };
    const myo_patch_hooks_t hooks = {.work_ticks = work_ticks, .tensor = on_tensor, .decision = on_decision};
    if (myo_ring_init(&ring, counts, ticks, RING, N_CHANNELS) != MYO_OK ||
        myo_patch_init(&patch, &config, &memory, &hooks) != MYO_OK) {
        return 1;
    }
    fill(WINDOW);
    while (myo_patch_process(&patch) > 0) {
    }
    fill(HOP);
    roi_begin();
    while (myo_patch_process(&patch) > 0) {
    }
    roi_end();
    for (uint16_t i = 0; i < N_CHANNELS; i++) {
        one_term[i] = 1;
        all_terms[i] = N_CHANNELS;
        for (uint16_t j = 0; j < N_CHANNELS; j++) {
            terms[i * N_CHANNELS + j] = (myo_matrix_term_t){1000, j};
        }
    }
    const bool ran = run_others(8) && run_others(MYO_BLOCK_FRAMES);
    board_print(n_decisions == 2 && ran ? "DONE\n" : "WRONG\n");
    return n_decisions != 2 || !ran;
}
