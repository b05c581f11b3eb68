/* Frames of the link: COBS(header | payload | crc32) 0x00. See myo_messages.h for the
   header and the messages. */
#ifndef MYO_FRAME_H
#define MYO_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "link/myo_cobs.h"
#include "link/myo_messages.h"

#define MYO_FRAME_CRC_BYTES 4u
#define MYO_FRAME_MAX_RAW (sizeof(myo_frame_header_t) + MYO_MAX_PAYLOAD + MYO_FRAME_CRC_BYTES)
#define MYO_FRAME_MAX_ENCODED (MYO_COBS_MAX_ENCODED(MYO_FRAME_MAX_RAW) + 1u) /* with the zero */

/* Writes one frame with the payload head | tail to out and returns its length; 0 where the payload exceeds
   MYO_MAX_PAYLOAD or out is too small (MYO_FRAME_MAX_ENCODED bytes always do). tail may be NULL where
   tail_bytes is 0. */
size_t myo_frame_encode(uint8_t type, uint16_t sequence, const void *head, size_t head_bytes,
                        const void *tail, size_t tail_bytes, uint8_t *out, size_t out_bytes);

typedef struct {
    myo_frame_header_t header;
    const uint8_t *payload; /* in the decoder, until its next byte; not aligned */
    size_t payload_bytes;
} myo_frame_t;

typedef enum {
    MYO_FRAME_NONE,  /* no frame yet */
    MYO_FRAME_READY, /* *frame is a frame of this protocol version */
    MYO_FRAME_OTHER, /* *frame is a whole frame, its CRC right, of another version */
    MYO_FRAME_BAD    /* something ended that is no frame; the next byte starts afresh */
} myo_frame_result_t;

typedef struct {
    uint8_t raw[MYO_FRAME_MAX_RAW];
    myo_cobs_decoder_t cobs;
    uint32_t n_bad; /* BAD and OTHER results since it was last cleared */
} myo_frame_decoder_t;

/* The decoder points into itself: do not copy or move it. */
void myo_frame_decoder_init(myo_frame_decoder_t *self);

/* Takes one byte off the line; whatever comes, it is in step again after the next zero. ISR-safe: no. */
myo_frame_result_t myo_frame_decoder_put(myo_frame_decoder_t *self, uint8_t byte, myo_frame_t *frame);

#endif
