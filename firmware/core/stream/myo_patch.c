#include "stream/myo_patch.h"

#include <stdbool.h>
#include <string.h>

_Static_assert(MYO_PATCH_MAX_CHANNELS * sizeof(int32_t) <= MYO_MAX_PAYLOAD - sizeof(myo_samples_message_t),
               "the widest frame fits one SAMPLES message");

static myo_status_t check_config(const myo_patch_config_t *config, uint16_t n_channels) {
    const myo_feature_stage_config_t *const features = config->features;
    if ((config->quantize == NULL && features == NULL) || config->net_init == NULL ||
        config->net_run == NULL || (config->net_push == NULL) != (config->net_reset == NULL) ||
        (features != NULL && features->functions == NULL) ||
        (config->calibration != NULL && config->calibration->functions == NULL)) {
        return MYO_ERROR_NULL;
    }
    if (config->calibration != NULL && config->output_kind != MYO_OUTPUT_CLASSES) {
        return MYO_ERROR_CONFIG;
    }
    const size_t n_input = features != NULL ? features->n_windows * myo_feature_stage_words(features)
                                            : (size_t)config->window_samples * n_channels;
    if (config->rate_mhz == 0 || config->window_samples == 0 || config->hop_samples == 0 ||
        (config->sample_bytes != 2 && config->sample_bytes != 4) || config->adc_bits < 1 ||
        config->adc_bits > 24 || config->adc_bits > 8 * config->sample_bytes ||
        n_channels > MYO_PATCH_MAX_CHANNELS || config->net_input_size != n_input ||
        config->net_output_size != config->n_outputs ||
        myo_front_end_decimation(&config->front_end) > UINT16_MAX ||
        (config->net_push != NULL && (config->hop_samples > config->window_samples || features != NULL))) {
        return MYO_ERROR_CONFIG;
    }
    if (features != NULL) {
        const myo_feature_shape_t *const f = &features->shape;
        return f->n_channels == n_channels && f->hop == config->hop_samples &&
                       myo_feature_stage_span(features) == config->window_samples
                   ? MYO_OK
                   : MYO_ERROR_CONFIG;
    }
    for (uint16_t channel = 0; channel < n_channels; channel++) {
        if (myo_quantize_check(&config->quantize[channel]) != MYO_OK) {
            return MYO_ERROR_CONFIG;
        }
    }
    return MYO_OK;
}

static myo_status_t check_memory(const myo_patch_config_t *config, const myo_patch_memory_t *memory,
                                 uint16_t n_channels) {
    const size_t window_bytes = config->features == NULL ? config->net_input_size : 0;
    if (memory->ring == NULL || memory->block == NULL || (window_bytes > 0 && memory->window == NULL) ||
        memory->input == NULL || memory->output == NULL || memory->arena == NULL) {
        return MYO_ERROR_NULL;
    }
    if (memory->ring->n_channels != config->front_end.n_channels) {
        return MYO_ERROR_CONFIG;
    }
    if (memory->block_words < myo_front_end_block_words(&config->front_end) ||
        memory->block_words < (size_t)n_channels * MYO_BLOCK_FRAMES || memory->window_bytes < window_bytes ||
        memory->input_bytes < config->net_input_size || memory->output_bytes < config->net_output_size ||
        memory->arena_bytes < config->net_arena_size) {
        return MYO_ERROR_MEMORY;
    }
    return (uintptr_t)memory->arena % MYO_ARENA_ALIGNMENT == 0 ? MYO_OK : MYO_ERROR_ALIGNMENT;
}

/* Motion is removed by a stream that there is, from the front end's channels. */
static myo_status_t check_motion(const myo_patch_config_t *config) {
    const myo_motion_config_t *const motion = config->motion;
    if (motion->functions == NULL) {
        return MYO_ERROR_NULL;
    }
    return config->aux != NULL && motion->stream < config->aux->n_streams &&
                   motion->n_emg == myo_front_end_channels(&config->front_end)
               ? MYO_OK
               : MYO_ERROR_CONFIG;
}

myo_status_t myo_patch_init(myo_patch_t *self, const myo_patch_config_t *config,
                            const myo_patch_memory_t *memory, const myo_patch_hooks_t *hooks) {
    if (self == NULL || config == NULL || memory == NULL || hooks == NULL || hooks->work_ticks == NULL ||
        hooks->tensor == NULL || hooks->decision == NULL ||
        (config->quality != NULL && (config->quality->functions == NULL || hooks->quality == NULL))) {
        return MYO_ERROR_NULL;
    }
    /* Front end and auxiliary streams first: what follows counts their channels. */
    myo_status_t status = myo_front_end_init(&self->front_end, &config->front_end, memory->front_end_state,
                                             memory->front_end_state_words);
    if (status == MYO_OK && config->aux != NULL) {
        status = config->aux->functions == NULL
                     ? MYO_ERROR_NULL
                     : config->aux->functions->init(config->aux, &memory->aux,
                                                    myo_front_end_decimation(&config->front_end));
    }
    uint16_t n_channels = 0;
    if (status == MYO_OK) {
        const uint32_t n_aux = config->aux != NULL ? config->aux->n_channels : 0;
        n_channels = (uint16_t)(myo_front_end_channels(&config->front_end) + n_aux);
        status = check_config(config, n_channels);
    }
    if (status == MYO_OK) {
        status = check_memory(config, memory, n_channels);
    }
    if (status == MYO_OK && config->motion != NULL) {
        status = check_motion(config);
    }
    if (status == MYO_OK && config->motion != NULL) {
        status = config->motion->functions->init(config->motion, &memory->motion, n_channels);
    }
    if (status == MYO_OK && config->features != NULL) {
        status = config->features->functions->init(config->features, &memory->features, MYO_BLOCK_FRAMES);
    }
    if (status == MYO_OK && config->quality != NULL) {
        status =
            config->quality->functions->init(config->quality, &memory->quality, config->front_end.n_channels,
                                             myo_front_end_channels(&config->front_end));
    }
    if (status == MYO_OK && config->calibration != NULL) {
        status = config->calibration->functions->init(config->calibration, &memory->calibration,
                                                      config->n_outputs, config->bundle_hash);
    }
    if (status == MYO_OK) {
        const myo_decision_config_t decision = {.output_kind = config->output_kind,
                                                .vote = config->vote,
                                                .reject_below = config->reject_below,
                                                .n_outputs = config->n_outputs,
                                                .rule = config->rule};
        status = myo_decision_init(&self->decision, &decision, memory->history, memory->history_bytes,
                                   memory->sums, memory->n_sums);
    }
    if (status == MYO_OK) {
        self->config = config;
        self->memory = *memory;
        self->hooks = *hooks;
        self->decimation = myo_front_end_decimation(&config->front_end);
        self->n_channels = n_channels;
        config->net_init(memory->arena);
        myo_patch_start(self, 0);
    }
    return status;
}

/* The network's stream begins with a window of zeros, and so does the ring that it is pushed from. */
static void reset_stream(const myo_patch_t *self) {
    const myo_patch_config_t *config = self->config;
    const size_t n_channels = self->n_channels;
    for (size_t i = 0; i < config->net_input_size; i++) {
        self->memory.window[i] = config->quantize[i % n_channels].zero_point;
    }
    config->net_reset(self->memory.arena);
}

void myo_patch_start(myo_patch_t *self, uint32_t trace_mask) {
    myo_ring_reset(self->memory.ring);
    myo_front_end_reset(&self->front_end);
    if (self->config->features != NULL) {
        self->config->features->functions->reset(self->config->features, &self->memory.features);
    }
    if (self->config->quality != NULL) {
        self->config->quality->functions->reset(&self->memory.quality);
    }
    if (self->config->aux != NULL) {
        self->config->aux->functions->reset(self->config->aux, &self->memory.aux);
    }
    if (self->config->motion != NULL) {
        self->config->motion->functions->reset(self->config->motion, &self->memory.motion);
    }
    if (self->config->calibration != NULL) {
        self->config->calibration->functions->reset(&self->memory.calibration);
    }
    myo_decision_reset(&self->decision);
    self->trace_mask = trace_mask;
    self->samples = 0;
    self->frames = 0;
    const myo_feature_stage_config_t *const features = self->config->features;
    self->hop_end =
        (features != NULL ? features->shape.window : self->config->window_samples) * self->decimation;
    if (self->config->net_push != NULL) {
        reset_stream(self);
        self->hop_end =
            ((self->config->window_samples - 1u) % self->config->hop_samples + 1u) * self->decimation;
    }
    self->windows = 0;
    self->front_end_ticks = 0;
    self->window_row = 0;
    self->gated_windows = 0;
}

static uint32_t work_ticks(const myo_patch_t *self) {
    return self->hooks.work_ticks(self->hooks.context);
}

static bool is_traced(const myo_patch_t *self, myo_stage_t stage) {
    return (self->trace_mask >> stage & 1u) != 0;
}

static void trace(const myo_patch_t *self, myo_stage_t stage, uint32_t index, const void *data,
                  size_t n_elements) {
    if (is_traced(self, stage)) {
        self->hooks.tensor(self->hooks.context, stage, 0, index, data, n_elements);
    }
}

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* Frames that the next block takes. It ends with the hop and with the quality period, so that windows and
   masks change between blocks. */
static uint32_t size_block(const myo_patch_t *self) {
    const myo_quality_gate_config_t *const gate = self->config->quality;
    const uint32_t ready = myo_ring_contiguous(self->memory.ring);
    uint32_t n_frames = smaller(ready, self->hop_end - self->samples);
    if (gate != NULL) {
        n_frames = smaller(n_frames, gate->functions->left(&self->memory.quality));
    }
    return smaller(n_frames, MYO_BLOCK_FRAMES);
}

static bool is_masked(const myo_patch_t *self, uint32_t channel) {
    return self->config->quality != NULL && (self->memory.quality.state->masked >> channel & 1u) != 0;
}

static bool is_gated(const myo_patch_t *self) {
    const myo_quality_gate_config_t *const gate = self->config->quality;
    return gate != NULL && self->memory.quality.state->n_masked > gate->max_masked;
}

/* Quantizes one channel of a filtered block into the window ring; a masked one gives zero points. */
static void quantize_channel(myo_patch_t *self, const int32_t *x, uint32_t n_frames, uint32_t channel,
                             size_t n_channels) {
    const myo_patch_config_t *config = self->config;
    const bool masked = is_masked(self, channel);
    uint32_t row = self->window_row;
    for (uint32_t done = 0; done < n_frames;) { /* twice where the ring's end cuts the block */
        const uint32_t left = n_frames - done;
        const uint32_t to_end = config->window_samples - row;
        const uint32_t n = left < to_end ? left : to_end;
        int8_t *const first = &self->memory.window[row * n_channels + channel];
        if (masked) {
            for (uint32_t i = 0; i < n; i++) {
                first[i * n_channels] = config->quantize[channel].zero_point;
            }
        } else {
            myo_quantize_block(&config->quantize[channel], &x[done], first, n_channels, n);
        }
        done += n;
        row = row + n == config->window_samples ? 0 : row + n;
    }
}

/* Traces from inside of a part whose ticks are counted. */
static void observe(myo_patch_t *self, myo_stage_t stage, uint16_t layer, uint32_t index, const void *data,
                    size_t n) {
    const uint32_t begin = work_ticks(self);
    self->hooks.tensor(self->hooks.context, stage, layer, index, data, n);
    self->hook_ticks += work_ticks(self) - begin;
}

static void observe_layer(void *context, uint16_t layer, const int8_t *data, size_t n) {
    myo_patch_t *self = context;
    observe(self, MYO_STAGE_LAYER, layer, self->windows, data, n);
}

static void observe_aux(void *context, uint16_t stream, uint32_t number, const int32_t *sample, size_t n) {
    observe(context, MYO_STAGE_AUX, stream, number, sample, n);
}

/* Takes n_frames of counts and returns the frames that they gave; *period_ends where a quality period ended.
 */
static uint32_t run_front_end(myo_patch_t *self, const int32_t *counts, uint32_t n_frames,
                              bool *period_ends) {
    const uint32_t begin = work_ticks(self);
    int32_t *const block = self->memory.block;
    const size_t n_channels = self->n_channels;
    const uint32_t n_given = myo_front_end_run(&self->front_end, counts, block, n_frames);
    const myo_aux_stage_config_t *const aux = self->config->aux;
    if (aux != NULL) {
        self->hook_ticks = 0;
        aux->functions->run(aux, &self->memory.aux, &block[(n_channels - aux->n_channels) * MYO_BLOCK_FRAMES],
                            n_given, is_traced(self, MYO_STAGE_AUX) ? observe_aux : NULL, self);
        self->front_end_ticks -= self->hook_ticks;
    }
    const myo_motion_config_t *const motion = self->config->motion;
    if (motion != NULL && n_given > 0) {
        motion->functions->run(motion, &self->memory.motion, block, n_given,
                               self->memory.aux.streams[motion->stream].marks_of_block);
    }
    const myo_feature_stage_config_t *const features = self->config->features;
    if (features != NULL) {
        features->functions->push(features, &self->memory.features, block, MYO_BLOCK_FRAMES, n_given);
    } else {
        for (uint32_t channel = 0; channel < n_channels; channel++) {
            quantize_channel(self, &block[channel * MYO_BLOCK_FRAMES], n_given, channel, n_channels);
        }
    }
    const uint32_t row = self->window_row + n_given;
    self->window_row = (uint16_t)(row % self->config->window_samples);
    const myo_quality_gate_config_t *const gate = self->config->quality;
    *period_ends = gate != NULL && gate->functions->push(gate, &self->memory.quality, counts, n_frames);
    self->front_end_ticks += work_ticks(self) - begin;
    return n_given;
}

/* Tells the filtered block, which lies channel by channel, in pieces of whole frames. */
static void trace_filtered(const myo_patch_t *self, uint32_t n_frames) {
    int32_t piece[MYO_PATCH_MAX_CHANNELS];
    const uint32_t n_channels = self->n_channels;
    const uint32_t n_together = MYO_PATCH_MAX_CHANNELS / n_channels;
    for (uint32_t first = 0; first < n_frames; first += n_together) {
        const uint32_t left = n_frames - first;
        const uint32_t n = left < n_together ? left : n_together;
        for (uint32_t i = 0; i < n * n_channels; i++) {
            piece[i] = self->memory.block[(i % n_channels) * MYO_BLOCK_FRAMES + first + i / n_channels];
        }
        trace(self, MYO_STAGE_FILTERED, self->frames + first, piece, (size_t)n * n_channels);
    }
}

/* Copies the newest frames of the window ring into the network's input, oldest first. */
static void unroll_frames(myo_patch_t *self, uint32_t n_frames) {
    const size_t n_channels = self->n_channels;
    const uint32_t n_rows = self->config->window_samples;
    const uint32_t first = (self->window_row + n_rows - n_frames) % n_rows;
    const uint32_t n_older = n_frames < n_rows - first ? n_frames : n_rows - first;
    int8_t *const input = self->memory.input;
    memcpy(input, &self->memory.window[first * n_channels], n_older * n_channels);
    memcpy(&input[n_older * n_channels], self->memory.window, (n_frames - n_older) * n_channels);
}

/* Puts the features of the newest window into the network's input; its words lie component by component. */
static void append_features(myo_patch_t *self) {
    const myo_feature_stage_config_t *const features = self->config->features;
    const uint32_t begin = work_ticks(self);
    int8_t *const newest = features->functions->append(features, &self->memory.features, self->memory.input);
    const size_t n_words = myo_feature_stage_words(features);
    const uint32_t n_channels = features->shape.n_channels;
    for (uint32_t channel = 0; channel < n_channels; channel++) {
        if (is_masked(self, channel)) {
            for (size_t i = channel; i < n_words; i += n_channels) {
                newest[i] = features->zero_point;
            }
        }
    }
    self->front_end_ticks += work_ticks(self) - begin;
}

/* Completes the network's input, of features or of the window itself. */
static void make_input(myo_patch_t *self) {
    const myo_feature_stage_config_t *const features = self->config->features;
    if (features != NULL) {
        append_features(self);
        trace(self, MYO_STAGE_FEATURES, self->windows, self->memory.features.words,
              myo_feature_stage_words(features));
    } else {
        const uint32_t begin = work_ticks(self);
        unroll_frames(self, self->config->window_samples);
        self->front_end_ticks += work_ticks(self) - begin;
    }
    trace(self, MYO_STAGE_INPUT, self->windows, self->memory.input, self->config->net_input_size);
}

/* Runs the whole window; gives the ticks. */
static uint32_t run_network(myo_patch_t *self) {
    const myo_patch_config_t *config = self->config;
    const myo_patch_memory_t *memory = &self->memory;
    make_input(self);
    net_observer_t const observer = is_traced(self, MYO_STAGE_LAYER) ? observe_layer : NULL;
    self->hook_ticks = 0;
    const uint32_t run_begin = work_ticks(self);
    config->net_init(memory->arena); /* every window stands for itself, which matters to an LSTM */
    config->net_run(memory->arena, memory->input, memory->output, observer, self);
    return work_ticks(self) - run_begin - self->hook_ticks;
}

/* Pushes the newest hop; gives the ticks. What the host wants to see of the whole window is computed for it
   first, and its time is in nobody's figures. */
static uint32_t push_network(myo_patch_t *self, bool is_window) {
    const myo_patch_config_t *config = self->config;
    const uint32_t front_end_ticks = self->front_end_ticks;
    if (is_window && (is_traced(self, MYO_STAGE_INPUT) || is_traced(self, MYO_STAGE_LAYER))) {
        run_network(self);
    }
    const uint32_t begin = work_ticks(self);
    unroll_frames(self, config->hop_samples);
    const uint32_t push_begin = work_ticks(self);
    self->front_end_ticks = front_end_ticks + push_begin - begin;
    config->net_push(self->memory.arena, self->memory.input, self->memory.output);
    return work_ticks(self) - push_begin;
}

/* Gives what decides: the calibrated head's words, or where there is none the network's. */
static const int8_t *run_calibration(myo_patch_t *self) {
    const myo_patch_config_t *config = self->config;
    const myo_calibration_config_t *const calibration = config->calibration;
    if (calibration == NULL) {
        return self->memory.output;
    }
    const int32_t offset = config->net_push != NULL ? calibration->push_offset : calibration->run_offset;
    const int8_t *const embedding =
        offset < 0 ? self->memory.input : (const int8_t *)self->memory.arena + offset;
    const uint32_t first_sample = self->samples - config->window_samples * self->decimation;
    const int8_t *const output = calibration->functions->run(
        calibration, &self->memory.calibration, embedding, first_sample, self->gated_windows > 0);
    return output != NULL ? output : self->memory.output;
}

static void run_hop(myo_patch_t *self, uint32_t end_tick) {
    const myo_patch_config_t *config = self->config;
    const myo_patch_memory_t *memory = &self->memory;
    const myo_aux_stage_config_t *const aux = config->aux;
    /* Once there was a window there always is one: samples wraps. */
    const bool is_window = self->windows > 0 || self->samples >= config->window_samples * self->decimation;
    self->hop_end += config->hop_samples * self->decimation;
    if (is_gated(self)) {
        self->gated_windows = config->features != NULL ? config->features->n_windows : 1u;
    } else if (self->gated_windows > 0) {
        self->gated_windows--;
    }
    if (!is_window && config->features != NULL) {
        append_features(self);
        return;
    }
    const uint32_t network_ticks =
        config->net_push != NULL ? push_network(self, is_window) : run_network(self);
    if (!is_window) {
        return;
    }
    trace(self, MYO_STAGE_OUTPUT, self->windows, memory->output, config->net_output_size);

    uint32_t decision_begin = work_ticks(self);
    const int8_t *const output = run_calibration(self);
    if (output != memory->output) {
        const uint32_t trace_begin = work_ticks(self);
        trace(self, MYO_STAGE_SCORES, self->windows, output, config->net_output_size);
        decision_begin += work_ticks(self) - trace_begin;
    }
    const myo_decision_t decision = self->gated_windows > 0
                                        ? config->quality->functions->abstain(&self->decision)
                                        : myo_decision_run(&self->decision, output);
    const myo_patch_result_t result = {
        .window = self->windows,
        .end_sample = self->samples,
        .end_tick = end_tick,
        .decision = decision,
        .front_end_ticks = self->front_end_ticks,
        .network_ticks = network_ticks,
        .decision_ticks = work_ticks(self) - decision_begin,
        .aux_marks = aux != NULL ? aux->functions->list_marks(aux, &memory->aux, config->window_samples) : 0,
    };
    self->windows++;
    self->front_end_ticks = 0;
    self->hooks.decision(self->hooks.context, &result);
}

static void report_quality(const myo_patch_t *self) {
    const myo_quality_gate_t *const gate = self->memory.quality.state;
    const myo_quality_report_t report = {
        .period = gate->quality.periods - 1u,
        .end_sample = self->samples,
        .n_masked = gate->n_masked,
        .is_gated = is_gated(self),
        .n_channels = self->config->front_end.n_channels,
        .channels = gate->quality.channels,
    };
    self->hooks.quality(self->hooks.context, &report);
}

uint32_t myo_patch_process(myo_patch_t *self) {
    myo_ring_t *ring = self->memory.ring;
    const uint32_t n_frames = size_block(self);
    if (n_frames == 0) {
        return 0;
    }
    const int32_t *counts = myo_ring_peek(ring, 0);
    const size_t n_counts = (size_t)n_frames * self->config->front_end.n_channels;
    const uint32_t end_tick = myo_ring_peek_tick(ring, n_frames - 1u);
    bool period_ends;
    const uint32_t n_given = run_front_end(self, counts, n_frames, &period_ends);
    trace(self, MYO_STAGE_RAW, self->samples, counts, n_counts);
    if (is_traced(self, MYO_STAGE_FILTERED)) {
        trace_filtered(self, n_given);
    }
    myo_ring_release(ring, n_frames);
    self->samples += n_frames;
    self->frames += n_given;
    if (period_ends) {
        report_quality(self);
    }
    if (self->samples == self->hop_end) {
        run_hop(self, end_tick);
    }
    return n_frames;
}
