/* A line that harms frames, and knows which pieces between its zeros are whole.

   Every frame that is sent goes into a ledger and is put on the line intact or harmed in one of the ways
   below. Of each piece that comes out, hostile_truth says whether it is a frame that was sent: a receiver
   must accept these, and no other. */
#ifndef HOSTILE_LINE_H
#define HOSTILE_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link/myo_crc32.h"
#include "link/myo_frame.h"

#define HOSTILE_LEDGER 32u /* frames remembered; what comes out of the line is of the newest half */
#define HOSTILE_ROOM 16384u
#define HOSTILE_LONGEST 3000u
/* Of 65536, a byte: one bit of it flips, which is 1e-3 a bit. */
#define HOSTILE_FLIP_OF_65536 524u

typedef enum {
    HOSTILE_INTACT,
    HOSTILE_FLIPPED,     /* each bit with 1e-3; may stay whole */
    HOSTILE_BYTES_LOST,  /* one to eight bytes are missing */
    HOSTILE_CUT,         /* ends early, without its zero: runs into the next */
    HOSTILE_CUT_ENDED,   /* ends early, with a zero */
    HOSTILE_LOST,        /* never comes */
    HOSTILE_TWICE,       /* comes twice */
    HOSTILE_LATE,        /* comes behind the next one */
    HOSTILE_INTERRUPTED, /* random bytes in the middle */
    HOSTILE_GARBAGE,     /* random bytes before it */
    HOSTILE_SPLICED,     /* its end is that of another frame */
    HOSTILE_ZERO_INSIDE, /* a zero in the middle */
    HOSTILE_WRONG_CRC,   /* well stuffed; CRC of something else */
    HOSTILE_OVERSIZED,   /* well stuffed, CRC right, longer than the protocol allows */
    HOSTILE_RUNT,        /* well stuffed, CRC right, shorter than a header */
    HOSTILE_OTHER_VERSION,
    HOSTILE_N_KINDS
} hostile_kind_t;

static const char *const HOSTILE_NAMES[HOSTILE_N_KINDS] = {
    "intact",
    "bits flipped at 1e-3",
    "bytes lost",
    "cut, runs into the next",
    "cut",
    "lost",
    "twice",
    "late",
    "interrupted",
    "garbage before",
    "spliced",
    "zero inside",
    "wrong CRC",
    "oversized, CRC right",
    "runt, CRC right",
    "other version",
};

/* Parts of 100 in the order of the kinds. */
static const uint8_t HOSTILE_SHARES[HOSTILE_N_KINDS] = {30, 20, 5, 5, 5, 4, 5, 4, 4, 3, 5, 3, 3, 2, 1, 1};

typedef struct {
    uint8_t bytes[MYO_FRAME_MAX_ENCODED]; /* without the zero */
    size_t length;
    myo_frame_result_t result; /* of a receiver: READY, or OTHER */
} hostile_sent_t;

typedef struct {
    uint64_t state;
    hostile_sent_t ledger[HOSTILE_LEDGER];
    uint32_t n_sent;
    uint8_t held[MYO_FRAME_MAX_ENCODED + 1u]; /* a late frame, with its zero */
    size_t held_length;
    uint8_t line[HOSTILE_ROOM]; /* what comes out next, the receiver's to empty */
    size_t length;
    uint64_t counts[HOSTILE_N_KINDS];
} hostile_t;

/* splitmix64: every seed gives another line, the same one each time. */
static inline uint64_t hostile_next(hostile_t *self) {
    uint64_t z = (self->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint32_t hostile_below(hostile_t *self, uint32_t n) {
    return (uint32_t)((hostile_next(self) >> 32) * n >> 32);
}

static inline uint32_t hostile_between(hostile_t *self, uint32_t low, uint32_t high) {
    return low + hostile_below(self, high - low + 1u);
}

/* Bytes as messages have them: of any value, few values, many zeros, or long runs that fill COBS blocks. */
static inline void hostile_fill(hostile_t *self, uint8_t *bytes, size_t n) {
    const uint32_t kind = hostile_below(self, 5);
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++, word >>= 8) {
        if (i % 8 == 0) {
            word = hostile_next(self);
        }
        const uint8_t byte = (uint8_t)word;
        bytes[i] = kind == 0   ? byte
                   : kind == 1 ? (uint8_t)(byte & 3u)
                   : kind == 2 ? (uint8_t)(byte < 240 ? 0 : byte)
                   : kind == 3 ? (uint8_t)(byte | 1u)
                               : (uint8_t)0xff;
    }
}

static inline void hostile_put(hostile_t *self, const void *bytes, size_t n) {
    if (n > HOSTILE_ROOM - self->length) {
        (void)fprintf(stderr, "the hostile line is full: its receiver must take more often\n");
        exit(EXIT_FAILURE);
    }
    memcpy(&self->line[self->length], bytes, n);
    self->length += n;
}

static inline void hostile_put_random(hostile_t *self, uint32_t n) {
    uint8_t bytes[1024];
    for (uint32_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)hostile_next(self);
    }
    hostile_put(self, bytes, n);
}

/* COBS(version type sequence payload crc ^ crc_error) and a zero, of any length up to HOSTILE_LONGEST. */
static inline size_t hostile_encode(uint8_t version, uint8_t type, uint16_t sequence, const uint8_t *payload,
                                    size_t n, uint32_t crc_error, uint8_t *out) {
    const uint8_t head[4] = {version, type, (uint8_t)sequence, (uint8_t)(sequence >> 8)};
    const uint32_t crc = myo_crc32(myo_crc32(0, head, sizeof head), payload, n) ^ crc_error;
    const uint8_t tail[4] = {(uint8_t)crc, (uint8_t)(crc >> 8), (uint8_t)(crc >> 16), (uint8_t)(crc >> 24)};
    myo_cobs_encoder_t encoder;
    myo_cobs_encoder_init(&encoder, out, HOSTILE_LONGEST);
    myo_cobs_encoder_put(&encoder, head, sizeof head);
    myo_cobs_encoder_put(&encoder, payload, n);
    myo_cobs_encoder_put(&encoder, tail, sizeof tail);
    return myo_cobs_encoder_finish(&encoder);
}

static inline void hostile_note(hostile_t *self, const uint8_t *encoded, size_t length,
                                myo_frame_result_t result) {
    hostile_sent_t *sent = &self->ledger[self->n_sent++ % HOSTILE_LEDGER];
    memcpy(sent->bytes, encoded, length - 1u);
    sent->length = length - 1u;
    sent->result = result;
}

static inline hostile_kind_t hostile_choose(hostile_t *self) {
    uint32_t draw = hostile_below(self, 100);
    uint32_t kind = 0;
    while (draw >= HOSTILE_SHARES[kind]) {
        draw -= HOSTILE_SHARES[kind++];
    }
    return (hostile_kind_t)kind;
}

static inline void hostile_put_flipped(hostile_t *self, const uint8_t *frame, size_t n) {
    uint8_t bytes[MYO_FRAME_MAX_ENCODED];
    memcpy(bytes, frame, n);
    for (size_t i = 0; i < n; i++) {
        const uint64_t draw = hostile_next(self);
        if ((draw & 0xffffu) < HOSTILE_FLIP_OF_65536) {
            bytes[i] ^= (uint8_t)(1u << (draw >> 61));
        }
    }
    hostile_put(self, bytes, n);
}

/* Frames that nobody may take although they are well made. */
static inline void hostile_put_foreign(hostile_t *self, hostile_kind_t kind, uint8_t type, uint16_t sequence,
                                       const uint8_t *payload, size_t n) {
    uint8_t out[HOSTILE_LONGEST];
    size_t length;
    if (kind == HOSTILE_OVERSIZED) {
        uint8_t longer[2048];
        const uint32_t n_longer =
            hostile_below(self, 2) ? MYO_MAX_PAYLOAD + 1u : hostile_between(self, MYO_MAX_PAYLOAD + 1u, 2048);
        hostile_fill(self, longer, n_longer);
        length = hostile_encode(MYO_PROTOCOL_VERSION, type, sequence, longer, n_longer, 0, out);
    } else if (kind == HOSTILE_RUNT) { /* up to 3 bytes, and their CRC */
        uint8_t body[7];
        const uint32_t n_body = hostile_below(self, 4);
        hostile_fill(self, body, n_body);
        const uint32_t crc = myo_crc32(0, body, n_body);
        memcpy(&body[n_body], &crc, sizeof crc);
        myo_cobs_encoder_t encoder;
        myo_cobs_encoder_init(&encoder, out, sizeof out);
        myo_cobs_encoder_put(&encoder, body, n_body + sizeof crc);
        length = myo_cobs_encoder_finish(&encoder);
    } else if (kind == HOSTILE_OTHER_VERSION) {
        const uint8_t version = (uint8_t)(MYO_PROTOCOL_VERSION + hostile_between(self, 1, 255));
        length = hostile_encode(version, type, sequence, payload, n, 0, out);
        hostile_note(self, out, length, MYO_FRAME_OTHER);
    } else {
        const uint32_t error = hostile_below(self, 2) ? 1u << hostile_below(self, 32)
                                                      : hostile_between(self, 1, UINT32_MAX - 1u);
        length = hostile_encode(MYO_PROTOCOL_VERSION, type, sequence, payload, n, error, out);
    }
    hostile_put(self, out, length);
}

/* Sends one frame, harmed as kind says. */
static inline void hostile_send_as(hostile_t *self, hostile_kind_t kind, uint8_t type, uint16_t sequence,
                                   const uint8_t *payload, size_t n) {
    uint8_t frame[MYO_FRAME_MAX_ENCODED];
    const size_t length = myo_frame_encode(type, sequence, payload, n, NULL, 0, frame, sizeof frame);
    const uint32_t n_near = self->n_sent < HOSTILE_LEDGER / 2u ? self->n_sent : HOSTILE_LEDGER / 2u;
    const uint32_t n_back = 1u + hostile_below(self, n_near); /* 1, whose slot is empty, before the first */
    const hostile_sent_t *other = &self->ledger[(self->n_sent - n_back) % HOSTILE_LEDGER];
    const uint32_t at = hostile_below(self, (uint32_t)length);
    const uint8_t zero = 0;
    self->counts[kind]++;
    const bool release = kind != HOSTILE_LATE && self->held_length > 0;
    switch (kind) {
    case HOSTILE_SPLICED: /* noted behind it: the other is another, and their ends may be the same bytes */
        hostile_put(self, frame, at);
        if (other->length > 0) {
            const uint32_t from = hostile_below(self, (uint32_t)other->length);
            hostile_put(self, &other->bytes[from], other->length - from);
        }
        hostile_put(self, &zero, 1);
        hostile_note(self, frame, length, MYO_FRAME_READY);
        break;
    case HOSTILE_WRONG_CRC:
    case HOSTILE_OVERSIZED:
    case HOSTILE_RUNT:
    case HOSTILE_OTHER_VERSION:
        hostile_put_foreign(self, kind, type, sequence, payload, n);
        break;
    default:
        hostile_note(self, frame, length, MYO_FRAME_READY);
        break;
    }
    switch (kind) {
    case HOSTILE_INTACT:
        hostile_put(self, frame, length);
        break;
    case HOSTILE_FLIPPED:
        hostile_put_flipped(self, frame, length);
        break;
    case HOSTILE_BYTES_LOST: {
        const size_t left = length - at;
        const size_t n_lost = hostile_between(self, 1, 8);
        hostile_put(self, frame, at);
        hostile_put(self, &frame[at + (n_lost < left ? n_lost : left)],
                    left - (n_lost < left ? n_lost : left));
        break;
    }
    case HOSTILE_CUT:
        hostile_put(self, frame, at);
        break;
    case HOSTILE_CUT_ENDED:
        hostile_put(self, frame, at);
        hostile_put(self, &zero, 1);
        break;
    case HOSTILE_TWICE:
        hostile_put(self, frame, length);
        hostile_put(self, frame, length);
        break;
    case HOSTILE_LATE:
        if (self->held_length > 0) {
            hostile_put(self, self->held, self->held_length);
        }
        memcpy(self->held, frame, length);
        self->held_length = length;
        break;
    case HOSTILE_INTERRUPTED:
        hostile_put(self, frame, at);
        hostile_put_random(self, hostile_between(self, 1, 12));
        hostile_put(self, &frame[at], length - at);
        break;
    case HOSTILE_GARBAGE:
        hostile_put_random(self, hostile_between(self, 1, hostile_below(self, 10) == 0 ? 1000 : 30));
        hostile_put(self, frame, length);
        break;
    case HOSTILE_ZERO_INSIDE:
        hostile_put(self, frame, at);
        hostile_put(self, &zero, 1);
        hostile_put(self, &frame[at], length - at);
        break;
    default:
        break;
    }
    if (release) {
        hostile_put(self, self->held, self->held_length);
        self->held_length = 0;
    }
}

static inline void hostile_send(hostile_t *self, uint8_t type, uint16_t sequence, const uint8_t *payload,
                                size_t n) {
    hostile_send_as(self, hostile_choose(self), type, sequence, payload, n);
}

/* Frames that were not put on the line as they are. */
static inline uint64_t hostile_frames(const hostile_t *self) {
    uint64_t n = 0;
    for (uint32_t kind = HOSTILE_INTACT + 1u; kind < HOSTILE_N_KINDS; kind++) {
        n += self->counts[kind];
    }
    return n;
}

/* What a piece between two zeros is: READY or OTHER for a frame that was sent, NONE for no bytes, else BAD.
 */
static inline myo_frame_result_t hostile_truth(const hostile_t *self, const uint8_t *piece, size_t n) {
    if (n == 0) {
        return MYO_FRAME_NONE;
    }
    for (uint32_t i = 0; i < HOSTILE_LEDGER; i++) {
        const hostile_sent_t *sent = &self->ledger[i];
        if (sent->length == n && memcmp(sent->bytes, piece, n) == 0) {
            return sent->result;
        }
    }
    return MYO_FRAME_BAD;
}

/* Whether a frame that was taken off a piece of another spelling is one that was sent. */
static inline bool hostile_was_sent(const hostile_t *self, const myo_frame_t *frame) {
    uint8_t encoded[HOSTILE_LONGEST];
    const size_t length = hostile_encode(frame->header.version, frame->header.type, frame->header.sequence,
                                         frame->payload, frame->payload_bytes, 0, encoded);
    return hostile_truth(self, encoded, length - 1u) != MYO_FRAME_BAD;
}

#endif
