/* Auxiliary streams: other sensors at their own rates, resampled onto the window's frames.

   A stream's source puts samples into a ring, each stamped with the frames of the EMG sensor that came before
   it: the patch's own count, taken where the sample arrives. A sample waits in the ring until it is due, goes
   through the stream's own stages, and the two last samples behind these are interpolated linearly at every
   frame of the window. When a sample is due follows from an exact phase of two integers that never drifts;
   a pause, and how frames are cut into blocks, change no word.

   Sample m belongs to frame m * unit / step of the EMG sensor and is due lag frames later. One that is not
   there by then is replaced by the sample before it (held). One that has waited for more than max_age frames
   when it is due, with another one behind it, is left out (dropped): so the sample that is taken in a place
   arrived between one sample's time before it and lag frames after it, however the sensor's clock runs,
   stalls or catches up. Frames that a held or dropped sample touches are marked.

   A patch without streams does not link this: its config has no myo_aux_stage_config_t. The twin is
   pipeline/myo_pipeline/aux_stream.py. ISR-safe: no, but for the ring's producer side. */
#ifndef MYO_AUX_H
#define MYO_AUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dsp/myo_front_end.h"
#include "myo_status.h"
#include "stream/myo_ring.h"

#define MYO_AUX_MAX_STREAMS 4u
#define MYO_AUX_MAX_CHANNELS 16u
#define MYO_AUX_MAX_PHASE (1u << 29)

/* One stream; bundle/c/patch_config.c defines it. */
typedef struct {
    myo_front_end_config_t chain; /* its own stages; at most MYO_AUX_MAX_CHANNELS in, any number out */
    uint32_t rate_mhz;            /* samples a second in millihertz, above 0 */
    uint8_t adc_bits;             /* every source keeps counts in this many bits, 1..24 */
    uint8_t sample_bytes;         /* of a count on the link: 2 or 4 */
    uint16_t ring_samples;        /* a power of two */
    uint32_t unit;                /* phase of one sample, 1.. */
    uint32_t step;                /* phase of one frame of the window, 1.. */
    int32_t first;                /* phase before the first frame of the window */
    uint16_t frame;               /* frames of the EMG sensor for one of the window, 1.. */
    uint32_t max_age;             /* frames of the EMG sensor, below 2^31 */
    uint32_t reciprocal;          /* weight = (phase * reciprocal + half) >> reciprocal_shift, Q30 */
    uint8_t reciprocal_shift;     /* 1..31 */
    uint8_t shift;                /* of the interpolation's sum to a word, 1..61 */
} myo_aux_config_t;

/* One stream's state. */
typedef struct {
    const myo_aux_config_t *config;
    myo_ring_t ring; /* tick of a sample: frames of the EMG sensor before it */
    myo_front_end_t chain;
    int32_t *block;    /* of the chain */
    int32_t *last;     /* the sample that was taken last */
    int32_t *previous; /* behind the stages: the one before the newest */
    int32_t *current;  /* and the newest */
    int32_t phase;
    uint32_t now;            /* frame of the EMG sensor with which the window's next frame is complete */
    uint32_t factor;         /* samples for one behind the stages */
    uint32_t since;          /* samples since the last one behind the stages */
    uint32_t frames;         /* of the window since the start */
    uint32_t marked;         /* as many when the last one was marked, with it; 0: none was */
    uint32_t marks_of_block; /* bit i: frame i of the block that was run last is marked */
    uint32_t n_held;         /* samples held since the start */
    uint32_t n_dropped;      /* samples left out since the start */
    uint32_t n_taken;        /* samples that have left the ring since the start, those left out among them */
    uint32_t newest;         /* stamp of the newest sample off the link */
    bool is_running;         /* there is a current one */
    bool is_marked; /* a sample of the next one behind the stages was held or came after a dropped one */
    bool marks[2];  /* the same of current and previous */
} myo_aux_t;

/* Told of every sample that leaves its ring, in order, before it is used: its number since the start, its
   stamp and its counts, n words in all, valid during the call. */
typedef void (*myo_aux_observer_t)(void *context, uint16_t stream, uint32_t number, const int32_t *sample,
                                   size_t n);

typedef struct myo_aux_functions myo_aux_functions_t;

/* All streams of a patch. */
typedef struct {
    const myo_aux_config_t *streams;
    uint8_t n_streams;                    /* 1..MYO_AUX_MAX_STREAMS */
    uint8_t wide;                         /* bit k: sample_bytes of stream k is 4 */
    uint16_t n_channels;                  /* behind all streams' stages */
    const myo_aux_functions_t *functions; /* &myo_aux_functions */
} myo_aux_stage_config_t;

/* Memory that the caller owns. */
typedef struct {
    myo_aux_t *streams; /* n_streams */
    size_t n_streams;
    int32_t *words; /* myo_aux_stage_words: rings, states and blocks of all streams */
    size_t n_words;
} myo_aux_stage_memory_t;

/* The stage's functions: a config names them, so that they are linked where there is one. */
struct myo_aux_functions {
    /* Validates config and memory, and starts. frame: of the patch's front end. */
    myo_status_t (*init)(const myo_aux_stage_config_t *config, const myo_aux_stage_memory_t *memory,
                         uint32_t frame);
    /* As if nothing had come; the rings are empty. Only while no producer runs. */
    void (*reset)(const myo_aux_stage_config_t *config, const myo_aux_stage_memory_t *memory);
    /* Goes on by n_frames (..MYO_BLOCK_FRAMES) of the window: words go to block, planar, stream by stream.
       The observer may be NULL. */
    void (*run)(const myo_aux_stage_config_t *config, const myo_aux_stage_memory_t *memory, int32_t *block,
                uint32_t n_frames, myo_aux_observer_t observer, void *context);
    /* Gives the streams that have a marked one among the last n_frames of the window: bit k for stream k. */
    uint8_t (*list_marks)(const myo_aux_stage_config_t *config, const myo_aux_stage_memory_t *memory,
                          uint32_t n_frames);
    /* Sums over the streams since the start: samples held, dropped, and lost before their ring. */
    void (*count)(const myo_aux_stage_config_t *config, const myo_aux_stage_memory_t *memory,
                  uint32_t counts[3]);
    /* myo_aux_serve. */
    uint16_t (*serve)(const myo_aux_stage_config_t *config, const myo_aux_stage_memory_t *memory,
                      uint32_t n_frames, const uint8_t *payload, size_t n_bytes, uint32_t arguments[2]);
};

/* Takes the payload of an AUX_SAMPLES message, at least as long as its fixed part, when n_frames of the EMG
   sensor have come. Gives 0, or a myo_fault_t with its arguments, and then takes none of it. */
uint16_t myo_aux_serve(const myo_aux_stage_config_t *config, const myo_aux_stage_memory_t *memory,
                       uint32_t n_frames, const uint8_t *payload, size_t n_bytes, uint32_t arguments[2]);

extern const myo_aux_functions_t myo_aux_functions;

#endif
