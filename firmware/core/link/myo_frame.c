#include "link/myo_frame.h"

#include <string.h>

#include "link/myo_crc32.h"

size_t myo_frame_encode(uint8_t type, uint16_t sequence, const void *head, size_t head_bytes,
                        const void *tail, size_t tail_bytes, uint8_t *out, size_t out_bytes) {
    if (head_bytes > MYO_MAX_PAYLOAD || tail_bytes > MYO_MAX_PAYLOAD - head_bytes) {
        return 0;
    }
    const myo_frame_header_t header = {.version = MYO_PROTOCOL_VERSION, .type = type, .sequence = sequence};
    uint32_t crc = myo_crc32(0, &header, sizeof header);
    crc = myo_crc32(crc, head, head_bytes);
    crc = myo_crc32(crc, tail, tail_bytes);
    const uint8_t crc_bytes[MYO_FRAME_CRC_BYTES] = {(uint8_t)crc, (uint8_t)(crc >> 8), (uint8_t)(crc >> 16),
                                                    (uint8_t)(crc >> 24)};
    myo_cobs_encoder_t encoder;
    myo_cobs_encoder_init(&encoder, out, out_bytes);
    myo_cobs_encoder_put(&encoder, &header, sizeof header);
    myo_cobs_encoder_put(&encoder, head, head_bytes);
    myo_cobs_encoder_put(&encoder, tail, tail_bytes);
    myo_cobs_encoder_put(&encoder, crc_bytes, sizeof crc_bytes);
    return myo_cobs_encoder_finish(&encoder);
}

void myo_frame_decoder_init(myo_frame_decoder_t *self) {
    myo_cobs_decoder_init(&self->cobs, self->raw, sizeof self->raw);
    self->n_bad = 0;
}

static myo_frame_result_t read_frame(const myo_frame_decoder_t *self, myo_frame_t *frame) {
    const size_t length = self->cobs.length;
    if (length < sizeof frame->header + MYO_FRAME_CRC_BYTES) {
        return MYO_FRAME_BAD;
    }
    const size_t covered = length - MYO_FRAME_CRC_BYTES;
    const uint8_t *end = &self->raw[covered];
    const uint32_t crc =
        (uint32_t)end[0] | (uint32_t)end[1] << 8 | (uint32_t)end[2] << 16 | (uint32_t)end[3] << 24;
    if (crc != myo_crc32(0, self->raw, covered)) {
        return MYO_FRAME_BAD;
    }
    memcpy(&frame->header, self->raw, sizeof frame->header);
    frame->payload = &self->raw[sizeof frame->header];
    frame->payload_bytes = covered - sizeof frame->header;
    return frame->header.version == MYO_PROTOCOL_VERSION ? MYO_FRAME_READY : MYO_FRAME_OTHER;
}

myo_frame_result_t myo_frame_decoder_put(myo_frame_decoder_t *self, uint8_t byte, myo_frame_t *frame) {
    const myo_cobs_result_t cobs = myo_cobs_decoder_put(&self->cobs, byte);
    if (cobs == MYO_COBS_MORE || cobs == MYO_COBS_EMPTY) {
        return MYO_FRAME_NONE;
    }
    const myo_frame_result_t result = cobs == MYO_COBS_BAD ? MYO_FRAME_BAD : read_frame(self, frame);
    if (result != MYO_FRAME_READY) {
        self->n_bad++;
    }
    return result;
}
