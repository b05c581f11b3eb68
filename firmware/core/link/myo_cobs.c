#include "link/myo_cobs.h"

#define FULL_BLOCK 0xffu /* code of 254 bytes with no zero behind them */

static void append(myo_cobs_encoder_t *self, uint8_t byte) {
    if (self->length == self->capacity) {
        self->overflow = true;
        return;
    }
    self->out[self->length++] = byte;
}

static void open_block(myo_cobs_encoder_t *self) {
    self->code_at = self->length;
    append(self, 0);
}

static void close_block(myo_cobs_encoder_t *self) {
    if (!self->overflow) {
        self->out[self->code_at] = (uint8_t)(self->length - self->code_at);
    }
}

void myo_cobs_encoder_init(myo_cobs_encoder_t *self, uint8_t *out, size_t capacity) {
    *self = (myo_cobs_encoder_t){.out = out, .capacity = capacity};
    open_block(self);
}

void myo_cobs_encoder_put(myo_cobs_encoder_t *self, const void *data, size_t n) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < n && !self->overflow; i++) {
        /* A full block is closed only when a byte follows it: a frame never ends in an
           empty block for nothing. */
        if (self->length - self->code_at == FULL_BLOCK) {
            close_block(self);
            open_block(self);
        }
        if (bytes[i] == 0) {
            close_block(self);
            open_block(self);
        } else {
            append(self, bytes[i]);
        }
    }
}

size_t myo_cobs_encoder_finish(myo_cobs_encoder_t *self) {
    close_block(self);
    append(self, 0);
    return self->overflow ? 0 : self->length;
}

static void restart(myo_cobs_decoder_t *self) {
    self->length = 0;
    self->remaining = 0;
    self->started = false;
    self->owes_zero = false;
    self->overflow = false;
}

void myo_cobs_decoder_init(myo_cobs_decoder_t *self, uint8_t *out, size_t capacity) {
    self->out = out;
    self->capacity = capacity;
    restart(self);
}

static void emit(myo_cobs_decoder_t *self, uint8_t byte) {
    if (self->length == self->capacity) {
        self->overflow = true;
        return;
    }
    self->out[self->length++] = byte;
}

static myo_cobs_result_t end_frame(myo_cobs_decoder_t *self) {
    if (!self->started) {
        return MYO_COBS_EMPTY;
    }
    const bool bad = self->overflow || self->remaining > 0;
    const size_t length = self->length;
    restart(self);
    self->length = length; /* the caller reads it; the next code byte starts it again */
    return bad ? MYO_COBS_BAD : MYO_COBS_FRAME;
}

myo_cobs_result_t myo_cobs_decoder_put(myo_cobs_decoder_t *self, uint8_t byte) {
    if (byte == 0) {
        return end_frame(self);
    }
    if (!self->started) {
        self->started = true;
        self->length = 0;
    }
    if (self->remaining > 0) {
        self->remaining--;
        emit(self, byte);
        return MYO_COBS_MORE;
    }
    if (self->owes_zero) {
        emit(self, 0);
    }
    self->remaining = (uint8_t)(byte - 1u);
    self->owes_zero = byte != FULL_BLOCK;
    return MYO_COBS_MORE;
}
