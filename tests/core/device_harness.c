/* Link and patch around a toy network, as the app wires them; the test is the serial line and the clock.

   Operations: I config, coefficients, the feature stage -> status; R bytes from the host -> bytes to the
   host, when all is served; A frames from the ADC's interrupt, with no service in between -> nothing; S
   service -> bytes to the host; B bytes that the line takes before it stalls (tx stays full then; 0xffffffff:
   never) -> nothing; Q -> resets, waits, adc running. */
#include "dsp/myo_decimate.h"
#include "dsp/myo_matrix.h"
#include "dsp/myo_sos.h"
#include "feature_kinds.h"
#include "harness.h"
#include "link/myo_link.h"
#include "stream/myo_patch.h"

typedef struct {
    uint32_t n_channels, window_samples, hop_samples, n_outputs, sample_bytes, adc_bits, output_kind, vote;
    int32_t reject_below, input_shift;
    uint32_t post_shift;
    int32_t multiplier;
    uint32_t shift;
    int32_t zero_point;
    uint32_t ring_frames, rx_bytes, tx_bytes, streams, n_filtered, factor, has_features, has_quality,
        n_sections;
} settings_t;

typedef struct { /* as pack_stage in device_line.py; block lengths, features and normalization follow */
    int32_t n_channels, window, hop, blocks_per_hop, n_blocks, first_middle_block, end_middle_block;
    int32_t n_features, n_components, needs, n_lags, order, n_bins, bin_range, bin_multiplier, bin_shift;
    int32_t threshold_zc, threshold_ssc, threshold_wamp, shift, zero_point, missing_sums, missing_words;
    int32_t n_all_components, n_windows;
} stage_t;

typedef struct { /* behind the stage; n_splits 0: there is none */
    int32_t n_taps, n_splits, n_levels, up, n_components, hop;
} wavelet_t;

typedef struct { /* as pack_gate in device_line.py; cosines, sines and reach follow */
    int64_t n_channels, adc_bits, block_frames, group_blocks, n_groups, period_looks, stride;
    int64_t cosine_sum, sine_sum, mains_shift, mains_down, mains_up, mains_q16, clip_level, clip_count;
    int64_t flat_energy, off_energy, mains_energy, motion_energy;
    int64_t off_q16, mains_share_q16, motion_q16, duplicated_q16, snr_q16;
    int64_t settle_periods, periods_on, periods_off, checks;
    int64_t mask_flags, max_masked, missing_channels;
} gate_t;

static struct {
    settings_t settings;
    myo_patch_config_t config;
    int32_t coefficients[5 * MYO_SOS_MAX_SECTIONS];
    myo_sos_config_t sos;
    myo_matrix_config_t matrix;
    myo_matrix_term_t terms[300];
    uint16_t n_terms[300];
    myo_step_t steps[3];
    myo_quantize_config_t quantize[300];
    stage_t stage;
    uint16_t block_lengths[8];
    myo_feature_t features[64];
    myo_normalize_t normalize[1024];
    myo_features_config_t features_config;
    wavelet_t wavelet;
    myo_wavelet_taps_t taps[MYO_WAVELET_MAX_TAPS];
    myo_wavelet_split_t splits[MYO_WAVELET_MAX_SPLITS];
    myo_wavelet_config_t wavelet_config;
    myo_feature_part_t feature_parts[2];
    myo_feature_stage_config_t feature_stage;
    gate_t gate;
    int16_t waves[8192];
    uint64_t reach[64];
    myo_quality_config_t quality_config;
    myo_quality_gate_config_t quality_gate;
    void *memory[24];
    size_t n_memory;
    myo_ring_t ring;
    myo_byte_ring_t rx, tx;
    myo_patch_t patch;
    myo_link_t link;
    buffer_t line;
    uint32_t budget, n_resets, n_waits, now;
    bool adc;
} device;

/* Called before each run: it leaves the stream's window alone. */
static void toy_init(void *arena) {
    memset(arena, 0, device.config.net_input_size);
}

/* Layer 0: the input's complement. Layer 1, the output: eighths of the sums over every n_outputs-th input. */
static void toy_run(void *arena, const int8_t *input, int8_t *output, net_observer_t observer,
                    void *context) {
    int8_t *layer = arena;
    for (size_t i = 0; i < device.config.net_input_size; i++) {
        layer[i] = (int8_t)~input[i];
    }
    if (observer != NULL) {
        observer(context, 0, layer, device.config.net_input_size);
    }
    for (size_t o = 0; o < device.config.net_output_size; o++) {
        int32_t sum = 0;
        for (size_t i = o; i < device.config.net_input_size; i += device.config.net_output_size) {
            sum += input[i];
        }
        sum >>= 3;
        output[o] = (int8_t)(sum < -128 ? -128 : sum > 127 ? 127 : sum);
    }
    if (observer != NULL) {
        observer(context, 1, output, device.config.net_output_size);
    }
}

/* The stream's window stands behind what a run needs. */
static int8_t *toy_window(void *arena) {
    return (int8_t *)arena + device.config.net_input_size;
}

static void toy_reset(void *arena) {
    memset(toy_window(arena), device.config.quantize[0].zero_point, device.config.net_input_size);
}

static void toy_push(void *arena, const int8_t *hop, int8_t *output) {
    const size_t n_new = (size_t)device.config.hop_samples * myo_front_end_channels(&device.config.front_end);
    const size_t n_kept = device.config.net_input_size - n_new;
    int8_t *const window = toy_window(arena);
    memmove(window, window + n_new, n_kept);
    memcpy(window + n_kept, hop, n_new);
    toy_run(arena, window, output, NULL, NULL);
}

static uint32_t on_ticks(void *context) {
    (void)context;
    return device.now++;
}

static void on_send(void *context) {
    (void)context;
    uint8_t byte;
    while (device.budget > 0 && myo_byte_ring_take(&device.tx, &byte)) {
        buffer_add(&device.line, &byte, 1);
        device.budget -= device.budget < UINT32_MAX;
    }
}

static void on_wait(void *context) {
    device.n_waits++;
    device.budget += device.budget < 64u ? 64u : 0; /* the line moves on while the board waits */
    on_send(context);
}

static bool on_adc_start(void *context) {
    (void)context;
    device.adc = true;
    return true;
}

static void on_adc_stop(void *context) {
    (void)context;
    device.adc = false;
}

static void on_reset(void *context) {
    (void)context;
    device.n_resets++;
}

static uint32_t on_stack_used(void *context) {
    (void)context;
    return 123;
}

/* Memory of exactly the size that is told to the core. */
static void *own(size_t bytes) {
    void *memory = aligned_alloc(MYO_ARENA_ALIGNMENT, (bytes + 15u) / 16u * 16u + 16u);
    device.memory[device.n_memory++] = memory;
    return memory;
}

static void take_wavelet(const uint8_t *data) {
    wavelet_t *const h = &device.wavelet;
    memcpy(h, data, sizeof *h);
    data += sizeof *h;
    memcpy(device.taps, data, sizeof device.taps[0] * (size_t)h->n_taps);
    data += sizeof device.taps[0] * (size_t)h->n_taps;
    memcpy(device.splits, data, sizeof device.splits[0] * (size_t)h->n_splits);
    device.wavelet_config = (myo_wavelet_config_t){.n_channels = (uint16_t)device.stage.n_channels,
                                                   .window = (uint16_t)device.stage.window,
                                                   .hop = (uint16_t)h->hop,
                                                   .n_taps = (uint8_t)h->n_taps,
                                                   .n_splits = (uint8_t)h->n_splits,
                                                   .n_levels = (uint8_t)h->n_levels,
                                                   .up = (uint8_t)h->up,
                                                   .n_components = (uint16_t)h->n_components,
                                                   .taps = device.taps,
                                                   .splits = device.splits};
}

static const uint8_t *take_gate(const uint8_t *data) {
    gate_t *const h = &device.gate;
    memcpy(h, data, sizeof *h);
    data += sizeof *h;
    const size_t n_blocks = (size_t)(h->group_blocks * h->n_groups);
    memcpy(device.waves, data, 4u * n_blocks);
    data += 4u * n_blocks;
    memcpy(device.reach, data, 8u * (size_t)h->n_channels);
    device.quality_config = (myo_quality_config_t){.n_channels = (uint16_t)h->n_channels,
                                                   .period_looks = (uint16_t)h->period_looks,
                                                   .stride = (uint16_t)h->stride,
                                                   .take = myo_quality_take_any,
                                                   .block_frames = (uint16_t)h->block_frames,
                                                   .group_blocks = (uint16_t)h->group_blocks,
                                                   .n_groups = (uint16_t)h->n_groups,
                                                   .adc_bits = (uint8_t)h->adc_bits,
                                                   .mains_shift = (uint8_t)h->mains_shift,
                                                   .mains_down = (uint8_t)h->mains_down,
                                                   .mains_up = (uint8_t)h->mains_up,
                                                   .periods_on = (uint8_t)h->periods_on,
                                                   .periods_off = (uint8_t)h->periods_off,
                                                   .checks = (uint8_t)h->checks,
                                                   .settle_periods = (uint16_t)h->settle_periods,
                                                   .cosines = device.waves,
                                                   .sines = &device.waves[n_blocks],
                                                   .cosine_sum = (int32_t)h->cosine_sum,
                                                   .sine_sum = (int32_t)h->sine_sum,
                                                   .clip_level = (int32_t)h->clip_level,
                                                   .clip_count = (uint32_t)h->clip_count,
                                                   .flat_energy = (uint64_t)h->flat_energy,
                                                   .off_energy = (uint64_t)h->off_energy,
                                                   .mains_energy = (uint64_t)h->mains_energy,
                                                   .motion_energy = (uint64_t)h->motion_energy,
                                                   .mains_q16 = (uint32_t)h->mains_q16,
                                                   .off_q16 = (uint32_t)h->off_q16,
                                                   .mains_share_q16 = (uint32_t)h->mains_share_q16,
                                                   .motion_q16 = (uint32_t)h->motion_q16,
                                                   .duplicated_q16 = (uint32_t)h->duplicated_q16,
                                                   .snr_q16 = (uint32_t)h->snr_q16};
    device.quality_gate = (myo_quality_gate_config_t){.quality = &device.quality_config,
                                                      .reach = device.reach,
                                                      .max_masked = (uint16_t)h->max_masked,
                                                      .mask_flags = (uint8_t)h->mask_flags,
                                                      .functions = &myo_quality_gate_functions};
    return data + 8u * (size_t)h->n_channels;
}

static myo_quality_gate_memory_t own_gate(void) {
    if (!device.settings.has_quality) {
        return (myo_quality_gate_memory_t){0};
    }
    const size_t n_channels = (size_t)(device.gate.n_channels - device.gate.missing_channels);
    const size_t n_words =
        (size_t)(device.gate.n_channels * device.gate.group_blocks * device.gate.block_frames);
    return (myo_quality_gate_memory_t){.state = own(sizeof(myo_quality_gate_t)),
                                       .channels = own(n_channels * sizeof(myo_quality_channel_t)),
                                       .n_channels = n_channels,
                                       .frames = own(4u * n_words),
                                       .n_words = n_words};
}

static void take_stage(const uint8_t *data) {
    stage_t *const h = &device.stage;
    memcpy(h, data, sizeof *h);
    data += sizeof *h;
    memcpy(device.block_lengths, data, 2u * (size_t)h->blocks_per_hop);
    data += 2u * (size_t)h->blocks_per_hop;
    for (int32_t k = 0; k < h->n_features; k++, data += 4) {
        device.features[k] =
            (myo_feature_t){.kind = feature_kinds[data[0]], .transform = data[1], .shift = data[2]};
    }
    for (int32_t k = 0; k < h->n_all_components * h->n_channels; k++, data += 16) {
        int32_t word[4];
        memcpy(word, data, sizeof word);
        device.normalize[k] = (myo_normalize_t){
            .mean = word[0], .fraction = word[1], .multiplier = word[2], .shift = (uint8_t)word[3]};
    }
    device.features_config = (myo_features_config_t){.n_channels = (uint16_t)h->n_channels,
                                                     .window = (uint16_t)h->window,
                                                     .hop = (uint16_t)h->hop,
                                                     .blocks_per_hop = (uint16_t)h->blocks_per_hop,
                                                     .block_lengths = device.block_lengths,
                                                     .n_blocks = (uint16_t)h->n_blocks,
                                                     .first_middle_block = (uint16_t)h->first_middle_block,
                                                     .end_middle_block = (uint16_t)h->end_middle_block,
                                                     .n_features = (uint16_t)h->n_features,
                                                     .n_components = (uint16_t)h->n_components,
                                                     .features = device.features,
                                                     .needs = (uint32_t)h->needs,
                                                     .n_lags = (uint8_t)h->n_lags,
                                                     .order = (uint8_t)h->order,
                                                     .n_bins = (uint8_t)h->n_bins,
                                                     .bin_shift = (uint8_t)h->bin_shift,
                                                     .bin_range = (uint16_t)h->bin_range,
                                                     .bin_multiplier = (uint32_t)h->bin_multiplier,
                                                     .threshold_zc = h->threshold_zc,
                                                     .threshold_ssc = h->threshold_ssc,
                                                     .threshold_wamp = h->threshold_wamp,
                                                     .accumulate = myo_features_accumulate_any,
                                                     .sum_window = myo_features_sum_any};
    take_wavelet(data);
    device.feature_parts[0] = (myo_feature_part_t){&myo_features_engine, &device.features_config};
    device.feature_parts[1] = (myo_feature_part_t){&myo_wavelet_engine, &device.wavelet_config};
    device.feature_stage =
        (myo_feature_stage_config_t){.parts = device.feature_parts,
                                     .n_parts = device.wavelet.n_splits > 0 ? 2 : 1,
                                     .shape = {(uint16_t)h->n_channels, (uint16_t)h->window, (uint16_t)h->hop,
                                               (uint16_t)h->n_all_components},
                                     .n_windows = (uint16_t)h->n_windows,
                                     .normalize = device.normalize,
                                     .shift = (uint8_t)h->shift,
                                     .zero_point = (int8_t)h->zero_point,
                                     .functions = &myo_feature_stage_functions};
}

static myo_feature_stage_memory_t own_stage(void) {
    if (!device.settings.has_features) {
        return (myo_feature_stage_memory_t){0};
    }
    size_t n_sums = 0;
    for (uint16_t k = 0; k < device.feature_stage.n_parts; k++) {
        const myo_feature_part_t *const part = &device.feature_parts[k];
        n_sums += part->engine->memory_words(part->config);
    }
    n_sums -= (size_t)device.stage.missing_sums;
    const size_t n_words =
        myo_feature_stage_words(&device.feature_stage) - (size_t)device.stage.missing_words;
    const size_t n_frame_words = (size_t)MYO_BLOCK_FRAMES * device.features_config.n_channels;
    return (myo_feature_stage_memory_t){.states = own(2u * sizeof(myo_feature_state_t)),
                                        .n_states = 2,
                                        .sums = own(4u * n_sums),
                                        .n_sums = n_sums,
                                        .frames = own(2u * n_frame_words),
                                        .n_frame_words = n_frame_words,
                                        .words = own(4u * n_words),
                                        .n_words = n_words};
}

static myo_status_t init_patch(void) {
    const settings_t *s = &device.settings;
    const size_t n_input =
        s->has_features ? (size_t)device.stage.n_windows * myo_feature_stage_words(&device.feature_stage)
                        : (size_t)s->window_samples * s->n_filtered;
    myo_patch_config_t *config = &device.config;
    device.sos = (myo_sos_config_t){.n_sections = (uint8_t)s->n_sections,
                                    .post_shift = (uint8_t)s->post_shift,
                                    .coefficients = device.coefficients};
    device.matrix = (myo_matrix_config_t){.n_terms = device.n_terms, .terms = device.terms};
    uint8_t n_steps = 0;
    const uint16_t n_in = (uint16_t)s->n_channels, n_out = (uint16_t)s->n_filtered;
    if (s->n_sections > 0) {
        device.steps[n_steps++] = (myo_step_t){
            .kind = &myo_sos_kind, .config = &device.sos, .n_in = n_in, .n_out = n_in, .decimation = 1};
    }
    if (n_out != n_in) { /* row r is channel n_in - 1 - r, round the ring */
        for (uint16_t row = 0; row < n_out; row++) {
            device.n_terms[row] = 1;
            device.terms[row] = (myo_matrix_term_t){1, (uint16_t)(n_in - 1u - row % n_in)};
        }
        device.steps[n_steps++] = (myo_step_t){.kind = &myo_matrix_kind,
                                               .config = &device.matrix,
                                               .n_in = n_in,
                                               .n_out = n_out,
                                               .decimation = 1};
    }
    if (s->factor > 1) {
        device.steps[n_steps++] = (myo_step_t){
            .kind = &myo_decimate_kind, .n_in = n_out, .n_out = n_out, .decimation = (uint16_t)s->factor};
    }
    *config = (myo_patch_config_t){
        .rate_mhz = 1000000,
        .window_samples = (uint16_t)s->window_samples,
        .hop_samples = (uint16_t)s->hop_samples,
        .n_layers = 2,
        .n_outputs = (uint16_t)s->n_outputs,
        .sample_bytes = (uint8_t)s->sample_bytes,
        .adc_bits = (uint8_t)s->adc_bits,
        .output_kind = (uint8_t)s->output_kind,
        .vote = (uint8_t)s->vote,
        .reject_below = (int8_t)s->reject_below,
        .front_end = {.steps = device.steps,
                      .n_steps = n_steps,
                      .input_shift = (int8_t)s->input_shift,
                      .n_channels = (uint16_t)s->n_channels},
        .quantize = s->has_features ? NULL : device.quantize,
        .features = s->has_features ? &device.feature_stage : NULL,
        .quality = s->has_quality ? &device.quality_gate : NULL,
        .bundle_hash = {1, 2, 3},
        .net_input_size = n_input,
        .net_output_size = s->n_outputs,
        .net_arena_size = 2u * n_input,
        .net_init = toy_init,
        .net_run = toy_run,
        .net_reset = s->streams ? toy_reset : NULL,
        .net_push = s->streams ? toy_push : NULL,
    };
    for (size_t c = 0; c < n_out; c++) {
        device.quantize[c] =
            (myo_quantize_config_t){.multiplier = s->multiplier - s->multiplier / 8 * (int32_t)(c % 3),
                                    .shift = (uint8_t)(s->shift + c % 2),
                                    .zero_point = (int8_t)(s->zero_point + (int)c % 2)};
    }
    const size_t state_words = s->n_channels * s->n_sections * MYO_SOS_STATE_WORDS + (s->factor > 1);
    const size_t input = config->net_input_size;
    const myo_patch_memory_t memory = {
        .ring = &device.ring,
        .front_end_state = own(4 * state_words),
        .front_end_state_words = state_words,
        .block = own(4u * MYO_BLOCK_FRAMES * (n_in > n_out ? n_in : n_out)),
        .block_words = (size_t)MYO_BLOCK_FRAMES * (n_in > n_out ? n_in : n_out),
        .window = s->has_features ? NULL : own(input),
        .window_bytes = s->has_features ? 0 : input,
        .features = own_stage(),
        .quality = own_gate(),
        .input = own(input),
        .input_bytes = input,
        .output = own(s->n_outputs),
        .output_bytes = s->n_outputs,
        .arena = own(config->net_arena_size),
        .arena_bytes = config->net_arena_size,
        .history = own((size_t)s->vote * s->n_outputs),
        .history_bytes = (size_t)s->vote * s->n_outputs,
        .sums = own(4u * s->n_outputs),
        .n_sums = s->n_outputs,
    };
    const myo_patch_hooks_t hooks = {.context = &device.link,
                                     .work_ticks = on_ticks,
                                     .tensor = myo_link_tensor,
                                     .decision = myo_link_decision,
                                     .quality = s->has_quality ? myo_link_quality : NULL};
    return myo_patch_init(&device.patch, config, &memory, &hooks);
}

static myo_status_t init_device(const uint8_t *data, uint32_t n) {
    while (device.n_memory > 0) {
        free(device.memory[--device.n_memory]);
    }
    memcpy(&device.settings, data, sizeof device.settings);
    const size_t n_coefficients = 20u * device.settings.n_sections;
    const uint8_t *rest = data + sizeof device.settings;
    memcpy(device.coefficients, rest, n_coefficients);
    rest += n_coefficients;
    if (device.settings.has_quality) {
        rest = take_gate(rest);
    }
    if (rest < data + n) {
        take_stage(rest);
    }
    device.budget = UINT32_MAX;
    device.n_resets = device.n_waits = 0;
    device.adc = false;
    const settings_t *s = &device.settings;
    myo_status_t status = myo_ring_init(&device.ring, own(4u * s->ring_frames * s->n_channels),
                                        own(4u * s->ring_frames), s->ring_frames, (uint16_t)s->n_channels);
    status = status != MYO_OK ? status : myo_byte_ring_init(&device.rx, own(s->rx_bytes), s->rx_bytes);
    status = status != MYO_OK ? status : myo_byte_ring_init(&device.tx, own(s->tx_bytes), s->tx_bytes);
    status = status != MYO_OK ? status : init_patch();
    const myo_link_config_t config = {
        .board = "a board with a long name",
        .tick_hz = 1000,
        .stack_bytes = 4096,
        .rx = &device.rx,
        .tx = &device.tx,
        .patch = &device.patch,
        .hooks = {.ticks = on_ticks,
                  .send = on_send,
                  .wait = on_wait,
                  .adc_start = on_adc_start,
                  .adc_stop = on_adc_stop,
                  .reset = on_reset,
                  .stack_used = on_stack_used},
    };
    return status != MYO_OK ? status : myo_link_init(&device.link, &config);
}

static void service(void) {
    for (bool worked = true; worked;) {
        worked = myo_link_poll(&device.link);
        worked = myo_patch_process(&device.patch) > 0 || worked;
    }
}

/* As an interrupt gives them: n frames of counts. */
static void sample(const uint8_t *data, uint32_t n) {
    const size_t frame_bytes = 4u * device.settings.n_channels;
    for (size_t at = 0; at + frame_bytes <= n; at += frame_bytes) {
        int32_t *frame = myo_ring_reserve(&device.ring);
        if (frame != NULL) {
            memcpy(frame, data + at, frame_bytes);
            myo_ring_commit(&device.ring, device.now);
        }
    }
}

static void flush(buffer_t *out) {
    on_send(NULL);
    buffer_add(out, device.line.bytes, device.line.length);
    device.line.length = 0;
}

#ifndef DEVICE_HARNESS_IS_PART /* of link_storm.c or link_fuzz.c, which drive the device themselves */
int main(void) {
    buffer_t out = {0};
    uint8_t *data;
    uint32_t n;
    for (int operation; (operation = harness_read(&data, &n)) != EOF;) {
        switch (operation) {
        case 'I':
            buffer_add_u32(&out, init_device(data, n));
            device.line.length = 0;
            break;
        case 'R':
            for (uint32_t i = 0; i < n; i++) {
                myo_byte_ring_put(&device.rx, data[i]);
            }
            service();
            flush(&out);
            break;
        case 'A':
            sample(data, n);
            break;
        case 'S':
            service();
            flush(&out);
            break;
        case 'B':
            memcpy(&device.budget, data, sizeof device.budget);
            break;
        case 'Q':
            buffer_add_u32(&out, device.n_resets);
            buffer_add_u32(&out, device.n_waits);
            buffer_add_u32(&out, device.adc);
            break;
        default:
            return 2;
        }
        harness_answer(&out);
        free(data);
    }
    while (device.n_memory > 0) {
        free(device.memory[--device.n_memory]);
    }
    free(device.line.bytes);
    free(out.bytes);
    return 0;
}
#endif
