/* The board's end of the link: takes messages off the serial line, feeds the patch, sends what it tells.

   With the host as source nothing is dropped: where the line is slower than the patch, the patch waits, and
   credits bound what is under way meanwhile. With the ADC as source time does not wait: tensors and decisions
   that do not fit are dropped and counted, decisions last. */
#ifndef MYO_LINK_H
#define MYO_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/myo_byte_ring.h"
#include "link/myo_frame.h"
#include "link/myo_messages.h"
#include "myo_status.h"
#include "stream/myo_patch.h"

#define MYO_LINK_N_FAULTS 10u /* fault codes have a counter each: above the largest myo_fault_t */
#define MYO_LINK_TX_RESERVE                                                                                  \
    128u /* bytes of the tx ring that tensors leave to decisions where nothing waits */

/* What the link needs of the board. */
typedef struct {
    void *context;
    uint32_t (*ticks)(void *context); /* free-running counter, tick_hz */
    void (*send)(void *context);      /* the tx ring holds bytes */
    void (*wait)(void *context);      /* the tx ring is full: sleep until something happened */
    bool (*adc_start)(void *context); /* samples into the patch's ring from now on; false: no such source */
    void (*adc_stop)(void *context);  /* no sample after it returns */
    void (*reset)(void *context);     /* resets the board; need not return */
    uint32_t (*stack_used)(void *context); /* deepest use since boot, bytes */
} myo_link_hooks_t;

typedef struct {
    const char *board;    /* at most 16 characters are sent */
    uint32_t tick_hz;     /* of ticks */
    uint32_t stack_bytes; /* 0: the board does not measure its stack */
    myo_byte_ring_t
        *rx; /* consumer: the link; room for a whole credit in any message sizes keeps the line lossless */
    myo_byte_ring_t *tx; /* producer: the link; at least MYO_FRAME_MAX_ENCODED + MYO_LINK_TX_RESERVE bytes */
    myo_patch_t *patch;  /* initialised, with myo_link_tensor, myo_link_decision and myo_link_quality as hooks
                            and the link as context */
    myo_link_hooks_t hooks;
} myo_link_config_t;

typedef struct {
    myo_link_config_t config;
    myo_frame_decoder_t decoder;
    uint8_t frame[MYO_FRAME_MAX_ENCODED]; /* the frame that is being sent */
    uint16_t tx_sequence;
    uint16_t rx_sequence; /* expected */
    bool running;         /* samples are taken */
    bool stopping;        /* STOP came: STATUS follows when the ring is empty */
    bool calibrating;     /* CALIBRATE came: it is done when the ring is empty */
    myo_calibrate_message_t calibrate;
    uint8_t source;       /* myo_source_t of the run */
    uint32_t credit_sent; /* frames that the last CREDIT named */
    uint32_t rx_sequence_gaps;
    uint32_t rx_bytes_lost_before; /* rx ring's counter at START */
    uint32_t ring_lost_seen;       /* of the sample ring's counter, reported */
    uint32_t tx_frames_dropped;
    uint32_t faults;
    uint16_t fault_counts[MYO_LINK_N_FAULTS];
} myo_link_t;

/* Validates and copies config; rings and patch must outlive self. Do not copy or move self. */
myo_status_t myo_link_init(myo_link_t *self, const myo_link_config_t *config);

/* Sends HELLO; sequence numbers start again. */
void myo_link_hello(myo_link_t *self, myo_hello_reason_t reason);

/* Serves what has come and sends what is due. Returns whether there was anything to do. Not reentrant. */
bool myo_link_poll(myo_link_t *self);

/* The patch's hooks; context is the link. */
void myo_link_tensor(void *context, myo_stage_t stage, uint16_t layer, uint32_t index, const void *data,
                     size_t n_elements);
void myo_link_decision(void *context, const myo_patch_result_t *result);
void myo_link_quality(void *context, const myo_quality_report_t *report);

#endif
