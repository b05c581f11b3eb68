#include "link/myo_link.h"

#include <string.h>

typedef enum {
    WAIT, /* the message must go out */
    DROP, /* it may be dropped where the source is the ADC */
    YIELD /* as DROP, and it leaves the reserve to others */
} urgency_t;

static myo_ring_t *sample_ring(const myo_link_t *self) {
    return self->config.patch->memory.ring;
}

static uint32_t ticks(const myo_link_t *self) {
    return self->config.hooks.ticks(self->config.hooks.context);
}

static void send(myo_link_t *self, urgency_t urgency, myo_message_type_t type, const void *head,
                 size_t head_bytes, const void *tail, size_t tail_bytes) {
    const myo_link_hooks_t *hooks = &self->config.hooks;
    const size_t n = myo_frame_encode((uint8_t)type, self->tx_sequence, head, head_bytes, tail, tail_bytes,
                                      self->frame, sizeof self->frame);
    const bool may_drop = urgency != WAIT && self->source == MYO_SOURCE_ADC && self->running;
    const size_t needed = n + (may_drop && urgency == YIELD ? MYO_LINK_TX_RESERVE : 0);
    while (myo_byte_ring_space(self->config.tx) < needed) {
        hooks->send(hooks->context);
        if (may_drop) {
            self->tx_frames_dropped++; /* its sequence number goes to the next frame: nothing was lost on the
                                          line */
            return;
        }
        hooks->wait(hooks->context);
    }
    self->tx_sequence++;
    (void)myo_byte_ring_write(self->config.tx, self->frame, n); /* it fits: only the link writes */
    hooks->send(hooks->context);
}

static void raise_fault(myo_link_t *self, myo_fault_t code, uint32_t argument0, uint32_t argument1) {
    uint16_t *count = &self->fault_counts[(unsigned)code % MYO_LINK_N_FAULTS];
    if (*count < UINT16_MAX) {
        (*count)++;
    }
    self->faults++;
    const myo_fault_message_t message = {
        .code = (uint16_t)code, .count = *count, .argument0 = argument0, .argument1 = argument1};
    send(self, DROP, MYO_MESSAGE_FAULT, &message, sizeof message, NULL, 0);
}

static void send_credit(myo_link_t *self, uint32_t consumed_frames) {
    self->credit_sent = consumed_frames;
    const myo_credit_message_t message = {.consumed_frames = consumed_frames};
    send(self, WAIT, MYO_MESSAGE_CREDIT, &message, sizeof message, NULL, 0);
}

static void send_status(myo_link_t *self) {
    const myo_ring_t *ring = sample_ring(self);
    myo_status_message_t message = {
        .samples_received = myo_ring_received(ring),
        .samples_processed = self->config.patch->samples,
        .samples_lost = myo_ring_lost(ring),
        .windows = self->config.patch->windows,
        .rx_bytes_lost = myo_byte_ring_lost(self->config.rx) - self->rx_bytes_lost_before,
        .rx_frames_bad = self->decoder.n_bad,
        .rx_sequence_gaps = self->rx_sequence_gaps,
        .tx_frames_dropped = self->tx_frames_dropped,
        .faults = self->faults,
        .stack_bytes = self->config.stack_bytes,
        .stack_used_bytes = self->config.hooks.stack_used(self->config.hooks.context),
        .running = self->running,
    };
    const myo_aux_stage_config_t *aux = self->config.patch->config->aux;
    if (aux != NULL) {
        uint32_t counts[3];
        aux->functions->count(aux, &self->config.patch->memory.aux, counts);
        message.aux_held = counts[0];
        message.aux_dropped = counts[1];
        message.aux_lost = counts[2];
    }
    send(self, WAIT, MYO_MESSAGE_STATUS, &message, sizeof message, NULL, 0);
}

static void clear_counters(myo_link_t *self) {
    self->decoder.n_bad = 0;
    self->rx_sequence_gaps = 0;
    self->rx_bytes_lost_before = myo_byte_ring_lost(self->config.rx);
    self->ring_lost_seen = 0;
    self->tx_frames_dropped = 0;
    self->faults = 0;
    memset(self->fault_counts, 0, sizeof self->fault_counts);
}

static void stop_source(myo_link_t *self) {
    if (self->running && self->source == MYO_SOURCE_ADC) {
        self->config.hooks.adc_stop(self->config.hooks.context);
    }
    self->running = false;
}

myo_status_t myo_link_init(myo_link_t *self, const myo_link_config_t *config) {
    if (self == NULL || config == NULL || config->board == NULL || config->rx == NULL || config->tx == NULL ||
        config->patch == NULL || config->hooks.ticks == NULL || config->hooks.send == NULL ||
        config->hooks.wait == NULL || config->hooks.adc_start == NULL || config->hooks.adc_stop == NULL ||
        config->hooks.reset == NULL || config->hooks.stack_used == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->tick_hz == 0 || config->patch->memory.ring->capacity > UINT16_MAX) {
        return MYO_ERROR_CONFIG;
    }
    if (config->tx->capacity < MYO_FRAME_MAX_ENCODED + MYO_LINK_TX_RESERVE) {
        return MYO_ERROR_MEMORY;
    }
    memset(self, 0, sizeof *self);
    self->config = *config;
    myo_frame_decoder_init(&self->decoder);
    clear_counters(self);
    return MYO_OK;
}

void myo_link_hello(myo_link_t *self, myo_hello_reason_t reason) {
    const myo_patch_config_t *patch = self->config.patch->config;
    myo_hello_message_t message = {
        .protocol = MYO_PROTOCOL_VERSION,
        .reason = (uint8_t)reason,
        .n_channels = patch->front_end.n_channels,
        .schema_hash = MYO_SCHEMA_HASH,
        .rate_mhz = patch->rate_mhz,
        .tick_hz = self->config.tick_hz,
        .window_samples = patch->window_samples,
        .hop_samples = patch->hop_samples,
        .decimation = (uint16_t)self->config.patch->decimation,
        .n_filtered = self->config.patch->n_channels,
        .n_layers = patch->n_layers,
        .n_outputs = patch->n_outputs,
        .credit_frames = (uint16_t)sample_ring(self)->capacity,
        .max_payload = MYO_MAX_PAYLOAD,
        .sample_bytes = patch->sample_bytes,
        .output_kind = patch->output_kind,
        .n_aux = patch->aux != NULL ? patch->aux->n_streams : 0,
        .aux_wide = patch->aux != NULL ? patch->aux->wide : 0,
    };
    memcpy(message.bundle_hash, patch->bundle_hash, sizeof message.bundle_hash);
    for (size_t i = 0; i < sizeof message.board && self->config.board[i] != '\0'; i++) {
        message.board[i] = (uint8_t)self->config.board[i];
    }
    self->tx_sequence = 0;
    send(self, WAIT, MYO_MESSAGE_HELLO, &message, sizeof message, NULL, 0);
}

static void serve_start(myo_link_t *self, const myo_frame_t *frame) {
    myo_start_message_t start;
    memcpy(&start, frame->payload, sizeof start);
    stop_source(self); /* before the ring is emptied: an interrupt may still be filling it */
    self->stopping = false;
    myo_patch_start(self->config.patch, start.trace_mask);
    clear_counters(self);
    if (start.source != MYO_SOURCE_HOST && start.source != MYO_SOURCE_ADC) {
        raise_fault(self, MYO_FAULT_BAD_SOURCE, start.source, 0);
        return;
    }
    send_credit(self, 0); /* the answer: what went before it belongs to an earlier run */
    self->source = start.source;
    self->running = true;
    if (start.source == MYO_SOURCE_ADC && !self->config.hooks.adc_start(self->config.hooks.context)) {
        self->running = false;
        raise_fault(self, MYO_FAULT_BAD_SOURCE, start.source, 0);
    }
}

/* The front end is proved for the converter's range. An ADC cannot leave it; a host can. */
static int32_t limit_count(int32_t count, uint8_t adc_bits) {
    const int32_t full_scale = (int32_t)1 << (adc_bits - 1u);
    return count >= full_scale ? full_scale - 1 : count < -full_scale ? -full_scale : count;
}

/* Copies n_frames of little-endian counts into the sample ring, which has room for them. */
static void take_samples(myo_link_t *self, const uint8_t *counts, uint32_t n_frames) {
    const myo_patch_config_t *patch = self->config.patch->config;
    myo_ring_t *ring = sample_ring(self);
    const uint32_t now = ticks(self);
    for (uint32_t frame = 0; frame < n_frames; frame++) {
        int32_t *slot = myo_ring_reserve(ring);
        for (uint16_t channel = 0; channel < patch->front_end.n_channels; channel++) {
            if (patch->sample_bytes == 2) {
                slot[channel] = (int16_t)(uint16_t)(counts[0] | counts[1] << 8);
            } else {
                slot[channel] = (int32_t)((uint32_t)counts[0] | (uint32_t)counts[1] << 8 |
                                          (uint32_t)counts[2] << 16 | (uint32_t)counts[3] << 24);
            }
            slot[channel] = limit_count(slot[channel], patch->adc_bits);
            counts += patch->sample_bytes;
        }
        myo_ring_commit(ring, now);
    }
}

static void serve_samples(myo_link_t *self, const myo_frame_t *frame) {
    const myo_patch_config_t *patch = self->config.patch->config;
    myo_ring_t *ring = sample_ring(self);
    myo_samples_message_t samples;
    memcpy(&samples, frame->payload, sizeof samples);
    const size_t frame_bytes = (size_t)patch->front_end.n_channels * patch->sample_bytes;
    if (frame->payload_bytes - sizeof samples != samples.n_frames * frame_bytes) {
        raise_fault(self, MYO_FAULT_BAD_MESSAGE, frame->header.type, (uint32_t)frame->payload_bytes);
        return;
    }
    if (!self->running || self->source != MYO_SOURCE_HOST) {
        raise_fault(self, MYO_FAULT_NOT_STARTED, frame->header.type, 0);
        return;
    }
    const uint32_t expected = myo_ring_received(ring);
    if (samples.first_sample != expected || samples.n_frames > myo_ring_space(ring)) {
        myo_ring_lose(ring,
                      samples.n_frames); /* all or nothing: a hole inside a message could not be named */
        self->ring_lost_seen += samples.n_frames;
        if (samples.first_sample != expected) {
            raise_fault(self, MYO_FAULT_SAMPLE_GAP, expected, samples.first_sample);
        } else {
            raise_fault(self, MYO_FAULT_RING_OVERFLOW, samples.n_frames, myo_ring_lost(ring));
        }
        return;
    }
    take_samples(self, frame->payload + sizeof samples, samples.n_frames);
}

static void serve_aux_samples(myo_link_t *self, const myo_frame_t *frame) {
    const myo_patch_t *patch = self->config.patch;
    const myo_aux_stage_config_t *aux = patch->config->aux;
    uint32_t arguments[2] = {frame->header.type, 0};
    uint16_t fault = MYO_FAULT_NOT_STARTED;
    if (self->running && self->source == MYO_SOURCE_HOST) {
        fault = aux->functions->serve(aux, &patch->memory.aux, myo_ring_received(sample_ring(self)),
                                      frame->payload, frame->payload_bytes, arguments);
    }
    if (fault != 0) {
        raise_fault(self, (myo_fault_t)fault, arguments[0], arguments[1]);
    }
}

static void send_head(myo_link_t *self) {
    const myo_calibration_memory_t *const memory = &self->config.patch->memory.calibration;
    const myo_calibration_config_t *const calibration = self->config.patch->config->calibration;
    myo_head_message_t message = {.sequence = memory->state->sequence};
    uint8_t piece[256];
    uint32_t n;
    while ((n = calibration->functions->read(memory, message.offset, piece, sizeof piece)) > 0) {
        send(self, WAIT, MYO_MESSAGE_HEAD, &message, sizeof message, piece, n);
        message.offset += n;
    }
}

/* Does what CALIBRATE asks, and answers. */
static void calibrate(myo_link_t *self, const myo_calibrate_message_t *request) {
    myo_patch_t *const patch = self->config.patch;
    const myo_calibration_config_t *const calibration = patch->config->calibration;
    const myo_calibration_memory_t *const memory = &patch->memory.calibration;
    myo_calibration_message_t answer;
    const uint32_t begin = patch->hooks.work_ticks(patch->hooks.context);
    (void)calibration->functions->act(calibration, memory, request, patch->samples, &answer);
    answer.work_ticks = patch->hooks.work_ticks(patch->hooks.context) - begin;
    if (request->action == MYO_CALIBRATION_ACTION_READ) {
        send_head(self);
    }
    uint16_t counts[2u * MYO_HEAD_MAX_CLASSES];
    for (uint32_t k = 0; k < calibration->head->n_classes; k++) {
        counts[2u * k] = memory->state->tally.counts[k];
        counts[2u * k + 1u] = memory->fresh[k];
    }
    send(self, WAIT, MYO_MESSAGE_CALIBRATION, &answer, sizeof answer, counts,
         2u * calibration->head->n_classes * sizeof counts[0]);
}

static void serve_calibrate(myo_link_t *self, const myo_frame_t *frame) {
    if (self->calibrating) { /* the one before waits for frames: only that one is answered */
        raise_fault(self, MYO_FAULT_BAD_MESSAGE, frame->header.type, (uint32_t)frame->payload_bytes);
        return;
    }
    memcpy(&self->calibrate, frame->payload, sizeof self->calibrate);
    self->calibrating = true;
}

/* Whether the payload is as long as the message's fixed part (or longer, where a tail may follow). */
static bool has_length(const myo_frame_t *frame, size_t fixed_bytes, bool tail) {
    return tail ? frame->payload_bytes >= fixed_bytes : frame->payload_bytes == fixed_bytes;
}

static bool is_well_formed(const myo_link_t *self, const myo_frame_t *frame) {
    switch (frame->header.type) {
    case MYO_MESSAGE_HELLO_REQUEST:
        return has_length(frame, sizeof(myo_hello_request_message_t), false);
    case MYO_MESSAGE_START:
        return has_length(frame, sizeof(myo_start_message_t), false);
    case MYO_MESSAGE_SAMPLES:
        return has_length(frame, sizeof(myo_samples_message_t), true);
    case MYO_MESSAGE_AUX_SAMPLES:
        return self->config.patch->config->aux != NULL &&
               has_length(frame, sizeof(myo_aux_samples_message_t), true);
    case MYO_MESSAGE_CALIBRATE:
        return self->config.patch->config->calibration != NULL &&
               has_length(frame, sizeof(myo_calibrate_message_t), false);
    case MYO_MESSAGE_STOP:
    case MYO_MESSAGE_STATUS_REQUEST:
        return has_length(frame, 0, false);
    case MYO_MESSAGE_RESET:
        return has_length(frame, sizeof(myo_reset_message_t), false) &&
               frame->payload[0] == MYO_RESET_KIND_REBOOT;
    default:
        return false;
    }
}

static void check_sequence(myo_link_t *self, const myo_frame_t *frame) {
    const uint16_t expected = self->rx_sequence;
    const uint16_t got = frame->header.sequence;
    self->rx_sequence = (uint16_t)(got + 1u);
    if (frame->header.type != MYO_MESSAGE_HELLO_REQUEST && got != expected) {
        self->rx_sequence_gaps++;
        raise_fault(self, MYO_FAULT_SEQUENCE_GAP, expected, got);
    }
}

static void serve(myo_link_t *self, const myo_frame_t *frame) {
    check_sequence(self, frame);
    if (!is_well_formed(self, frame)) {
        raise_fault(self, MYO_FAULT_BAD_MESSAGE, frame->header.type, (uint32_t)frame->payload_bytes);
        return;
    }
    switch (frame->header.type) {
    case MYO_MESSAGE_HELLO_REQUEST:
        myo_link_hello(self, MYO_HELLO_REASON_REQUESTED);
        break;
    case MYO_MESSAGE_START:
        serve_start(self, frame);
        break;
    case MYO_MESSAGE_SAMPLES:
        serve_samples(self, frame);
        break;
    case MYO_MESSAGE_AUX_SAMPLES:
        serve_aux_samples(self, frame);
        break;
    case MYO_MESSAGE_CALIBRATE:
        serve_calibrate(self, frame);
        break;
    case MYO_MESSAGE_STOP:
        stop_source(self);
        self->stopping = true;
        break;
    case MYO_MESSAGE_STATUS_REQUEST:
        send_status(self);
        break;
    default: /* RESET: the only one left that is well formed */
        stop_source(self);
        self->config.hooks.reset(self->config.hooks.context);
        break;
    }
}

static bool receive(myo_link_t *self) {
    bool worked = false;
    uint8_t byte;
    while (myo_byte_ring_take(self->config.rx, &byte)) {
        worked = true;
        myo_frame_t frame;
        switch (myo_frame_decoder_put(&self->decoder, byte, &frame)) {
        case MYO_FRAME_READY:
            serve(self, &frame);
            break;
        case MYO_FRAME_OTHER:
            raise_fault(self, MYO_FAULT_BAD_VERSION, MYO_PROTOCOL_VERSION, frame.header.version);
            break;
        default: /* no frame yet, or a bad one, which the decoder counts */
            break;
        }
    }
    return worked;
}

/* Frames that a producer in an interrupt could not put into the ring: told from here, not
   from the interrupt. */
static void report_overflow(myo_link_t *self) {
    const uint32_t lost = myo_ring_lost(sample_ring(self));
    if (lost != self->ring_lost_seen) {
        const uint32_t since = lost - self->ring_lost_seen;
        self->ring_lost_seen = lost;
        raise_fault(self, MYO_FAULT_RING_OVERFLOW, since, lost);
    }
}

/* CREDIT each quarter of the ring, so that the host can keep it busy, and whenever the ring runs empty. */
static void grant_credit(myo_link_t *self) {
    const myo_ring_t *ring = sample_ring(self);
    const uint32_t consumed = self->config.patch->samples;
    const uint32_t due = consumed - self->credit_sent;
    if (due >= (ring->capacity + 3u) / 4u || (due > 0 && myo_ring_used(ring) == 0)) {
        send_credit(self, consumed);
    }
}

bool myo_link_poll(myo_link_t *self) {
    const bool worked = receive(self);
    report_overflow(self);
    if (self->source == MYO_SOURCE_HOST) {
        grant_credit(self);
    }
    if (self->calibrating && myo_ring_used(sample_ring(self)) == 0) {
        self->calibrating = false;
        calibrate(self, &self->calibrate);
    }
    if (self->stopping && myo_ring_used(sample_ring(self)) == 0) {
        self->stopping = false;
        send_status(self);
    }
    return worked;
}

void myo_link_tensor(void *context, myo_stage_t stage, uint16_t layer, uint32_t index, const void *data,
                     size_t n_elements) {
    myo_link_t *self = context;
    const bool words = stage == MYO_STAGE_RAW || stage == MYO_STAGE_FILTERED || stage == MYO_STAGE_FEATURES ||
                       stage == MYO_STAGE_DECISION || stage == MYO_STAGE_AUX;
    const size_t element_bytes = words ? sizeof(int32_t) : sizeof(int8_t);
    const size_t per_message = (MYO_MAX_PAYLOAD - sizeof(myo_tensor_message_t)) / element_bytes;
    const uint8_t *bytes = data;
    for (size_t offset = 0; offset < n_elements; offset += per_message) {
        const size_t left = n_elements - offset;
        const size_t n = left < per_message ? left : per_message;
        const myo_tensor_message_t message = {
            .stage = (uint8_t)stage,
            .dtype = (uint8_t)(words ? MYO_DTYPE_INT32 : MYO_DTYPE_INT8),
            .layer = layer,
            .index = index,
            .offset = (uint32_t)offset,
        };
        send(self, YIELD, MYO_MESSAGE_TENSOR, &message, sizeof message, bytes + offset * element_bytes,
             n * element_bytes);
    }
}

void myo_link_decision(void *context, const myo_patch_result_t *result) {
    myo_link_t *self = context;
    const myo_decision_t *decision = &result->decision;
    if (decision->sums != NULL) {
        myo_link_tensor(self, MYO_STAGE_DECISION, 0, result->window, decision->sums,
                        self->config.patch->config->n_outputs);
    }
    const myo_decision_message_t message = {
        .window = result->window,
        .end_sample = result->end_sample,
        .decided = decision->decided,
        .raw = decision->raw,
        .confidence = decision->confidence,
        .n_votes = decision->n_votes,
        .front_end_ticks = result->front_end_ticks,
        .network_ticks = result->network_ticks,
        .decision_ticks = result->decision_ticks,
        .latency_ticks = ticks(self) - result->end_tick,
        .aux_marks = result->aux_marks,
    };
    send(self, DROP, MYO_MESSAGE_DECISION, &message, sizeof message, NULL, 0);
}

void myo_link_quality(void *context, const myo_quality_report_t *report) {
    myo_link_t *self = context;
    const myo_quality_message_t message = {
        .period = report->period,
        .end_sample = report->end_sample,
        .n_masked = report->n_masked,
        .gated = report->is_gated,
    };
    uint8_t flags[MYO_QUALITY_MAX_CHANNELS];
    for (uint32_t channel = 0; channel < report->n_channels; channel++) {
        flags[channel] = report->channels[channel].flags;
    }
    send(self, DROP, MYO_MESSAGE_QUALITY, &message, sizeof message, flags, report->n_channels);
}
