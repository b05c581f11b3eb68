/* Consistent Overhead Byte Stuffing: bytes without zeros, so that a zero can end a frame.

   Cheshire and Baker, IEEE/ACM Transactions on Networking 7(2), 1999, doi:10.1109/90.769765.
   Both directions work byte by byte: the encoder into a buffer, the decoder from a line that may start
   anywhere. */
#ifndef MYO_COBS_H
#define MYO_COBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most bytes that n bytes encode to, without the zero behind them. */
#define MYO_COBS_MAX_ENCODED(n) ((n) + ((n) + 253u) / 254u + ((n) == 0u ? 1u : 0u))

typedef struct {
    uint8_t *out;    /* caller's */
    size_t capacity; /* of out */
    size_t length;   /* bytes written, the open block's code byte included */
    size_t code_at;  /* where the open block's code byte goes */
    bool overflow;   /* out was too small: what it holds is no frame */
} myo_cobs_encoder_t;

void myo_cobs_encoder_init(myo_cobs_encoder_t *self, uint8_t *out, size_t capacity);
void myo_cobs_encoder_put(myo_cobs_encoder_t *self, const void *data, size_t n);

/* Closes the last block, appends the zero, and returns the frame's length with it; 0 after an overflow. */
size_t myo_cobs_encoder_finish(myo_cobs_encoder_t *self);

typedef enum {
    MYO_COBS_MORE,  /* no frame yet */
    MYO_COBS_FRAME, /* out[0..length) is a frame; it stays until the next byte is put */
    MYO_COBS_EMPTY, /* a zero with nothing before it: idle line */
    MYO_COBS_BAD    /* the zero came inside a block, or the frame did not fit */
} myo_cobs_result_t;

typedef struct {
    uint8_t *out;      /* caller's */
    size_t capacity;   /* of out */
    size_t length;     /* bytes decoded */
    uint8_t remaining; /* bytes of the open block still to come */
    bool started;      /* a byte came since the last zero */
    bool owes_zero;    /* the closed block stands for a zero, if another block follows */
    bool overflow;     /* the frame is too long; skip to the next zero */
} myo_cobs_decoder_t;

void myo_cobs_decoder_init(myo_cobs_decoder_t *self, uint8_t *out, size_t capacity);

/* Takes one byte off the line. After any result but MORE the decoder is ready for the next frame. */
myo_cobs_result_t myo_cobs_decoder_put(myo_cobs_decoder_t *self, uint8_t byte);

#endif
