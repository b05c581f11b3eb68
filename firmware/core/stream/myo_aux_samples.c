/* Auxiliary samples off the link. */
#include <string.h>

#include "link/myo_messages.h"
#include "stream/myo_aux.h"

static uint32_t read_u32(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* The stages are proved for the converter's range. A sensor cannot leave it; a host can. */
static int32_t limit_count(int32_t count, uint8_t adc_bits) {
    const int32_t full_scale = (int32_t)1 << (adc_bits - 1u);
    return count >= full_scale ? full_scale - 1 : count < -full_scale ? -full_scale : count;
}

static const uint8_t *read_sample(const myo_aux_config_t *config, const uint8_t *bytes, int32_t *counts) {
    for (uint16_t channel = 0; channel < config->chain.n_channels; channel++) {
        const int32_t count = config->sample_bytes == 2
                                  ? (int16_t)(uint16_t)((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8)
                                  : (int32_t)read_u32(bytes);
        counts[channel] = limit_count(count, config->adc_bits);
        bytes += config->sample_bytes;
    }
    return bytes;
}

/* Whether stamps never fall, from that of the newest sample and from the frames that have come on. */
static bool check_stamps(const myo_aux_t *self, const uint8_t *samples, uint32_t n_samples,
                         size_t sample_bytes, uint32_t n_frames, uint32_t arguments[2]) {
    uint32_t least = (int32_t)(self->newest - n_frames) > 0 ? self->newest : n_frames;
    for (uint32_t i = 0; i < n_samples; i++) {
        const uint32_t stamp = read_u32(samples + i * sample_bytes);
        if ((int32_t)(stamp - least) < 0) {
            arguments[0] = stamp;
            arguments[1] = least;
            return false;
        }
        least = stamp;
    }
    return true;
}

uint16_t myo_aux_serve(const myo_aux_stage_config_t *config, const myo_aux_stage_memory_t *memory,
                       uint32_t n_frames, const uint8_t *payload, size_t n_bytes, uint32_t arguments[2]) {
    myo_aux_samples_message_t head;
    memcpy(&head, payload, sizeof head);
    payload += sizeof head;
    n_bytes -= sizeof head;
    arguments[0] = MYO_MESSAGE_AUX_SAMPLES;
    arguments[1] = (uint32_t)n_bytes;
    if (head.stream >= config->n_streams) {
        return MYO_FAULT_BAD_MESSAGE;
    }
    const myo_aux_config_t *const stream = &config->streams[head.stream];
    myo_aux_t *const self = &memory->streams[head.stream];
    const size_t sample_bytes = sizeof(uint32_t) + (size_t)stream->chain.n_channels * stream->sample_bytes;
    if (n_bytes != head.n_samples * sample_bytes) {
        return MYO_FAULT_BAD_MESSAGE;
    }
    /* All or nothing: a hole inside a message could not be named. */
    const uint32_t expected = myo_ring_received(&self->ring);
    uint16_t fault = 0;
    if (head.first_sample != expected) {
        arguments[0] = expected;
        arguments[1] = head.first_sample;
        fault = MYO_FAULT_AUX_GAP;
    } else if (!check_stamps(self, payload, head.n_samples, sample_bytes, n_frames, arguments)) {
        fault = MYO_FAULT_AUX_LATE;
    } else if (head.n_samples > myo_ring_space(&self->ring)) {
        arguments[0] = head.n_samples;
        arguments[1] = myo_ring_lost(&self->ring) + head.n_samples;
        fault = MYO_FAULT_RING_OVERFLOW;
    }
    if (fault != 0) {
        myo_ring_lose(&self->ring, head.n_samples);
        return fault;
    }
    for (uint32_t i = 0; i < head.n_samples; i++) {
        self->newest = read_u32(payload);
        payload = read_sample(stream, payload + sizeof(uint32_t), myo_ring_reserve(&self->ring));
        myo_ring_commit(&self->ring, self->newest);
    }
    return 0;
}
