/* Removal of motion artefacts behind front end and auxiliary streams: an adaptive filter from one stream.

   The stream's channels, high-passed, are the reference. Every `every` frames its last `taps` samples make an
   estimate of the artefact in each EMG channel: a sum of references of 24 bits by weights of 31, at most
   2^23 * 2^30 * 256. The estimate is interpolated linearly over the frames up to the next and subtracted
   from EMG that is `delay` frames late. As often the weights learn from the mean of what was left, by a
   normalised LMS step of a power of two; they leak by 2^-14 a step and stop at +-2^30. Estimates and what is
   left stop at `limit`, so that no word leaves what the front end was proved for. While the stream is marked
   (myo_aux.h), and until the marked samples have left the taps, nothing is learnt.

   A pause, and how frames are cut into blocks, change no word. A patch without it does not link this: its
   config has no myo_motion_config_t. The twin is pipeline/myo_pipeline/motion_twin.py. ISR-safe: no. */
#ifndef MYO_MOTION_H
#define MYO_MOTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dsp/myo_front_end.h"
#include "myo_status.h"

#define MYO_MOTION_MAX_EVERY 256u
#define MYO_MOTION_MAX_DELAY 4096u
#define MYO_MOTION_MAX_TAPS 16u
#define MYO_MOTION_MAX_REFERENCES 16u

typedef struct myo_motion_functions myo_motion_functions_t;

/* What the export knows; bundle/c/patch_config.c defines it. */
typedef struct {
    myo_front_end_config_t chain; /* the reference's high-pass; its counts are the upper 24 bits of words */
    uint16_t n_emg;               /* channels, 1..; they stand first in a block */
    uint16_t first;               /* the reference's first channel in a block, n_emg.. */
    uint16_t every;               /* frames, 1..MYO_MOTION_MAX_EVERY */
    uint16_t delay;               /* frames, 1..MYO_MOTION_MAX_DELAY */
    uint8_t stream;               /* whose marks count */
    uint8_t taps;                 /* 1..MYO_MOTION_MAX_TAPS */
    uint8_t slowness;             /* steps of 2^-slowness, 0..8 */
    int32_t limit;                /* above every */
    uint64_t quiet;               /* least power of the reference that steps are divided by, 1..2^56 */
    const myo_motion_functions_t *functions; /* &myo_motion_functions */
} myo_motion_config_t;

/* The state beside the caller's words. */
typedef struct {
    myo_front_end_t chain;
    int32_t *counts;   /* of the references in a block, frame by frame */
    int32_t *block;    /* of the chain */
    int32_t *past;     /* of each reference its last taps + 2 samples, newest first */
    int32_t *recent;   /* of each the last taps */
    int32_t *sums;     /* of each the sums of neighbours that what was left goes with, times 2^6 */
    int32_t *channels; /* of each EMG channel: estimate, slope, target, left, weights, line */
    uint64_t power;
    uint32_t reciprocal; /* 2^31 / every */
    uint16_t place;      /* frames since the last estimate */
    uint16_t oldest;     /* place of the oldest frame in each line */
    uint16_t n_weights;
    uint8_t frozen; /* estimates to come before weights learn again */
    uint8_t mean_shift;
    bool is_marked; /* a frame since the last estimate was */
} myo_motion_t;

/* Memory that the caller owns. */
typedef struct {
    myo_motion_t *state;
    int32_t *words; /* as MotionConfig.memory_words counts them */
    size_t n_words;
} myo_motion_memory_t;

/* The stage's functions: a config names them, so that they are linked where there is one. */
struct myo_motion_functions {
    /* Validates config and memory against a block of n_channels, and starts. */
    myo_status_t (*init)(const myo_motion_config_t *config, const myo_motion_memory_t *memory,
                         uint16_t n_channels);
    /* As if nothing had come. */
    void (*reset)(const myo_motion_config_t *config, const myo_motion_memory_t *memory);
    /* Takes n_frames (1..MYO_BLOCK_FRAMES) of a planar block, in place. marks: bit i for frame i. */
    void (*run)(const myo_motion_config_t *config, const myo_motion_memory_t *memory, int32_t *block,
                uint32_t n_frames, uint32_t marks);
};

extern const myo_motion_functions_t myo_motion_functions;

#endif
