/* The core's small parts, one operation each; numbers are little-endian, as the host is. */
#include "dsp/myo_quantize.h"
#include "dsp/myo_scale.h"
#include "dsp/myo_sos.h"
#include "harness.h"
#include "link/myo_byte_ring.h"
#include "link/myo_cobs.h"
#include "link/myo_crc32.h"
#include "link/myo_frame.h"
#include "stream/myo_decision.h"
#include "stream/myo_decision_rule.h"
#include "stream/myo_ring.h"

static uint32_t word(const uint8_t *data, size_t index) {
    uint32_t value;
    memcpy(&value, data + 4 * index, sizeof value);
    return value;
}

/* crc so far, bytes -> crc */
static void crc(const uint8_t *data, uint32_t n, buffer_t *out) {
    buffer_add_u32(out, myo_crc32(word(data, 0), data + 4, n - 4));
}

/* capacity, bytes -> frame with its zero; empty where it did not fit */
static void encode(const uint8_t *data, uint32_t n, buffer_t *out) {
    const size_t capacity = word(data, 0);
    uint8_t *frame = malloc(capacity > 0 ? capacity : 1);
    myo_cobs_encoder_t encoder;
    myo_cobs_encoder_init(&encoder, frame, capacity);
    myo_cobs_encoder_put(&encoder, data + 4, (n - 4) / 2); /* in two pieces: where they meet must not show */
    myo_cobs_encoder_put(&encoder, data + 4 + (n - 4) / 2, (n - 4) - (n - 4) / 2);
    buffer_add(out, frame, myo_cobs_encoder_finish(&encoder));
    free(frame);
}

/* capacity, line -> per result but MORE: result, length, bytes (of a frame) */
static void decode(const uint8_t *data, uint32_t n, buffer_t *out) {
    const size_t capacity = word(data, 0);
    uint8_t *frame = malloc(capacity > 0 ? capacity : 1);
    myo_cobs_decoder_t decoder;
    myo_cobs_decoder_init(&decoder, frame, capacity);
    for (uint32_t i = 4; i < n; i++) {
        const myo_cobs_result_t result = myo_cobs_decoder_put(&decoder, data[i]);
        if (result != MYO_COBS_MORE) {
            const size_t length = result == MYO_COBS_FRAME ? decoder.length : 0;
            buffer_add_u32(out, result);
            buffer_add_u32(out, (uint32_t)length);
            buffer_add(out, frame, length);
        }
    }
    free(frame);
}

/* type, sequence, head length, head | tail -> frame */
static void encode_frame(const uint8_t *data, uint32_t n, buffer_t *out) {
    uint8_t frame[MYO_FRAME_MAX_ENCODED];
    const size_t head = word(data, 2);
    buffer_add(out, frame,
               myo_frame_encode((uint8_t)word(data, 0), (uint16_t)word(data, 1), data + 12, head,
                                data + 12 + head, n - 12 - head, frame, sizeof frame));
}

/* line -> bad frames, then per frame: result, header, length, payload */
static void decode_frames(const uint8_t *data, uint32_t n, buffer_t *out) {
    myo_frame_decoder_t *decoder = malloc(sizeof *decoder);
    myo_frame_decoder_init(decoder);
    buffer_add_u32(out, 0);
    for (uint32_t i = 0; i < n; i++) {
        myo_frame_t frame;
        const myo_frame_result_t result = myo_frame_decoder_put(decoder, data[i], &frame);
        if (result == MYO_FRAME_READY || result == MYO_FRAME_OTHER) {
            buffer_add_u32(out, result);
            buffer_add(out, &frame.header, sizeof frame.header);
            buffer_add_u32(out, (uint32_t)frame.payload_bytes);
            buffer_add(out, frame.payload, frame.payload_bytes);
        }
    }
    memcpy(out->bytes, &decoder->n_bad, sizeof decoder->n_bad);
    free(decoder);
}

/* sections, input shift, post shift, blocks, block sizes, coefficients, counts -> Q31
   (status alone where init fails) */
static void filter(const uint8_t *data, uint32_t n, buffer_t *out) {
    const uint32_t n_sections = word(data, 0);
    const uint32_t n_blocks = word(data, 3);
    int32_t *coefficients = malloc(4 + 20 * n_sections);
    memcpy(coefficients, data + 4 * (4 + n_blocks), 20 * n_sections);
    const myo_sos_config_t config = {.n_sections = (uint8_t)n_sections,
                                     .post_shift = (uint8_t)word(data, 2),
                                     .coefficients = coefficients};
    int32_t *state = malloc(4 + 16 * n_sections);
    myo_sos_t sos;
    const myo_status_t status = myo_sos_init(&sos, &config, state, 4 * n_sections);
    buffer_add_u32(out, status);
    const size_t first = 4 + n_blocks + 5 * n_sections;
    const size_t n_samples = n / 4 - first;
    int32_t *x = malloc(4 + 4 * n_samples);
    int32_t *counts = malloc(4 + 4 * n_samples);
    memcpy(counts, data + 4 * first, 4 * n_samples);
    if (status == MYO_OK) { /* two channels, one after the other: every word must find its place */
        const size_t n_second = n_samples / 2;
        myo_scale_counts((int8_t)word(data, 1), counts, 2, x, n_samples - n_second);
        myo_scale_counts((int8_t)word(data, 1), counts + 1, 2, x + n_samples - n_second, n_second);
    }
    free(counts);
    size_t at = 0;
    for (uint32_t b = 0; status == MYO_OK && b < n_blocks; b++) {
        myo_sos_run(&sos, x + at, x + at, word(data, 4 + b));
        at += word(data, 4 + b);
    }
    buffer_add(out, x, status == MYO_OK ? 4 * n_samples : 0);
    free(x);
    free(state);
    free(coefficients);
}

/* multiplier, shift, zero point, x_q31... -> int8 by word and by block... */
static void quantize(const uint8_t *data, uint32_t n, buffer_t *out) {
    const myo_quantize_config_t config = {.multiplier = (int32_t)word(data, 0),
                                          .shift = (uint8_t)word(data, 1),
                                          .zero_point = (int8_t)word(data, 2)};
    const size_t n_words = n / 4 - 3;
    int32_t *x_q31 = malloc(4 + 4 * n_words);
    int8_t *strided = malloc(1 + 3 * n_words);
    memcpy(x_q31, data + 12, 4 * n_words);
    myo_quantize_block(&config, x_q31, strided, 3, n_words);
    for (size_t i = 0; i < n_words; i++) {
        const int8_t both[] = {myo_quantize_run(&config, x_q31[i]), strided[3 * i]};
        buffer_add(out, both, 2);
    }
    free(strided);
    free(x_q31);
}

/* kind, vote, reject, outputs, start index (values of int8 outputs follow) -> per window: decided, raw,
   confidence, votes (int16), sums (int32, values only) */
static void decide(const uint8_t *data, uint32_t n, buffer_t *out) {
    const uint16_t n_outputs = (uint16_t)word(data, 3);
    const myo_decision_config_t config = {.output_kind = (uint8_t)word(data, 0),
                                          .vote = (uint8_t)word(data, 1),
                                          .reject_below = (int8_t)word(data, 2),
                                          .n_outputs = n_outputs};
    int8_t *history = malloc((size_t)config.vote * n_outputs + 1);
    int32_t *sums = malloc(4u * n_outputs + 4u);
    myo_decision_state_t state;
    const myo_status_t status =
        myo_decision_init(&state, &config, history, (size_t)config.vote * n_outputs, sums, n_outputs);
    buffer_add_u32(out, status);
    for (size_t at = 16; status == MYO_OK && at + n_outputs <= n; at += n_outputs) {
        const myo_decision_t decision = myo_decision_run(&state, (const int8_t *)data + at);
        const int16_t values[4] = {decision.decided, decision.raw, decision.confidence,
                                   (int16_t)decision.n_votes};
        buffer_add(out, values, sizeof values);
        if (decision.sums != NULL) {
            buffer_add(out, decision.sums, 4u * n_outputs);
        }
    }
    free(sums);
    free(history);
}

/* method, debounce, dwell, gain, leak, vote, reject, outputs; then per window one byte (0: abstains, 1: runs,
   2: after a reset) and its int8 outputs -> status, then per window: decided, raw, confidence, votes (int16),
   sums (int32, 0 of the majority) */
static void decide_by_rule(const uint8_t *data, uint32_t n, buffer_t *out) {
    const myo_decision_method_t *const methods[] = {NULL, &myo_decision_average, &myo_decision_bayes};
    const uint16_t n_outputs = (uint16_t)word(data, 7);
    const uint32_t is_held = word(data, 1) != 1 || word(data, 2) != 1;
    const myo_decision_rule_t rule = {.method = methods[word(data, 0)],
                                      .hold = is_held ? myo_decision_hold : NULL,
                                      .debounce = (uint8_t)word(data, 1),
                                      .dwell = (uint8_t)word(data, 2),
                                      .gain_q32 = word(data, 3),
                                      .leak_q32 = word(data, 4)};
    const myo_decision_config_t config = {.output_kind = MYO_OUTPUT_CLASSES,
                                          .vote = (uint8_t)word(data, 5),
                                          .reject_below = (int8_t)word(data, 6),
                                          .n_outputs = n_outputs,
                                          .rule = &rule};
    const size_t history_bytes = (size_t)config.vote * n_outputs;
    int8_t *history = malloc(history_bytes + 1);
    int32_t *sums = malloc(4u * n_outputs + 4u);
    myo_decision_state_t state;
    const myo_status_t status = myo_decision_init(&state, &config, history, history_bytes, sums, n_outputs);
    buffer_add_u32(out, status);
    for (size_t at = 32; status == MYO_OK && at + 1 + n_outputs <= n; at += 1u + n_outputs) {
        if (data[at] == 2) {
            myo_decision_reset(&state);
        }
        const myo_decision_t decision = data[at] == 0
                                            ? myo_decision_abstain(&state)
                                            : myo_decision_run(&state, (const int8_t *)data + at + 1);
        const int16_t values[4] = {decision.decided, decision.raw, decision.confidence,
                                   (int16_t)decision.n_votes};
        buffer_add(out, values, sizeof values);
        buffer_add(out, sums, 4u * n_outputs);
    }
    free(sums);
    free(history);
}

/* capacity, channels, steps: positive pushes that many frames, negative takes that many -> used, contiguous,
   lost and the frames taken (their tick and counts, which are tick * 16 + channel) */
static void ring(const uint8_t *data, uint32_t n, buffer_t *out) {
    const uint32_t capacity = word(data, 0);
    const uint16_t n_channels = (uint16_t)word(data, 1);
    int32_t *counts = malloc((size_t)capacity * n_channels * 4 + 1);
    uint32_t *ticks = malloc((size_t)capacity * 4 + 1);
    myo_ring_t self;
    const myo_status_t status = myo_ring_init(&self, counts, ticks, capacity, n_channels);
    buffer_add_u32(out, status);
    uint32_t tick = 0;
    for (size_t i = 2; status == MYO_OK && i < n / 4; i++) {
        const int32_t step = (int32_t)word(data, i);
        for (int32_t k = 0; k < step; k++, tick++) {
            int32_t *frame = myo_ring_reserve(&self);
            for (uint16_t c = 0; frame != NULL && c < n_channels; c++) {
                frame[c] = (int32_t)(tick * 16 + c);
            }
            if (frame != NULL) {
                myo_ring_commit(&self, tick);
            }
        }
        uint32_t n_take = step < 0 ? (uint32_t)-step : 0;
        n_take = n_take < myo_ring_used(&self) ? n_take : myo_ring_used(&self);
        buffer_add_u32(out, n_take);
        for (uint32_t k = 0; k < n_take; k++) {
            buffer_add_u32(out, myo_ring_peek_tick(&self, k));
            buffer_add(out, myo_ring_peek(&self, k), 4u * n_channels);
        }
        myo_ring_release(&self, n_take);
        buffer_add_u32(out, myo_ring_used(&self));
        buffer_add_u32(out, myo_ring_contiguous(&self));
        buffer_add_u32(out, myo_ring_lost(&self));
    }
    free(ticks);
    free(counts);
}

/* capacity, steps (count > 0: put bytes one by one; 0x40000000 + count: write at once; negative: take) ->
   taken bytes, lost */
static void byte_ring(const uint8_t *data, uint32_t n, buffer_t *out) {
    const uint32_t capacity = word(data, 0);
    uint8_t *bytes = malloc(capacity + 1u);
    myo_byte_ring_t self;
    const myo_status_t status = myo_byte_ring_init(&self, bytes, capacity);
    buffer_add_u32(out, status);
    uint8_t next = 0;
    for (size_t i = 1; status == MYO_OK && i < n / 4; i++) {
        const int32_t step = (int32_t)word(data, i);
        if (step >= 0x40000000) {
            uint8_t block[256];
            const size_t count = (size_t)(step - 0x40000000);
            for (size_t k = 0; k < count; k++) {
                block[k] = (uint8_t)(next + k);
            }
            if (myo_byte_ring_write(&self, block, count)) {
                next = (uint8_t)(next + count);
            }
            continue;
        }
        for (int32_t k = 0; k < step; k++) {
            myo_byte_ring_put(&self, next++);
        }
        uint8_t byte;
        for (int32_t k = step; k < 0 && myo_byte_ring_take(&self, &byte); k++) {
            buffer_add(out, &byte, 1);
        }
    }
    if (status == MYO_OK) {
        buffer_add_u32(out, (uint32_t)myo_byte_ring_used(&self));
        buffer_add_u32(out, myo_byte_ring_lost(&self));
    }
    free(bytes);
}

int main(void) {
    buffer_t out = {0};
    uint8_t *data;
    uint32_t n;
    for (int operation; (operation = harness_read(&data, &n)) != EOF;) {
        switch (operation) {
        case 'c':
            crc(data, n, &out);
            break;
        case 'e':
            encode(data, n, &out);
            break;
        case 'd':
            decode(data, n, &out);
            break;
        case 'E':
            encode_frame(data, n, &out);
            break;
        case 'D':
            decode_frames(data, n, &out);
            break;
        case 's':
            filter(data, n, &out);
            break;
        case 'q':
            quantize(data, n, &out);
            break;
        case 'v':
            decide(data, n, &out);
            break;
        case 'V':
            decide_by_rule(data, n, &out);
            break;
        case 'r':
            ring(data, n, &out);
            break;
        case 'b':
            byte_ring(data, n, &out);
            break;
        default:
            return 2;
        }
        harness_answer(&out);
        free(data);
    }
    free(out.bytes);
    return 0;
}
