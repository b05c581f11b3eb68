/* A step of the front end: a block of words of all channels in, a block out, in place.

   A block is planar: channel c's words stand at block[c * MYO_BLOCK_FRAMES]. A word stands for word * 2^-e
   counts, with an exponent e that the export chooses for each step so that no word and no sum can leave its
   range for any input of the sensor's range. What a step gives depends on the samples alone, never on how
   they were cut into blocks. State that is all zero is the state before the first sample. */
#ifndef MYO_STEP_H
#define MYO_STEP_H

#include <stddef.h>
#include <stdint.h>

#include "myo_status.h"

#define MYO_BLOCK_FRAMES 32u /* frames that go through the front end at once, at most */
#define MYO_STEP_MAX_CHANNELS 64u

typedef struct myo_step myo_step_t;

/* What is the same for all steps of a kind. Each kernel's header declares its own; a patch links only the
   kinds that its steps point to. */
typedef struct {
    /* Whether the step's config and channels are in range. */
    myo_status_t (*check)(const myo_step_t *step);
    /* Words of state that a step needs, of all channels. */
    size_t (*count_state)(const myo_step_t *step);
    /* Takes n_frames (1..MYO_BLOCK_FRAMES) of n_in channels and returns the frames of n_out channels that it
       gives, at most as many. */
    uint32_t (*run)(const myo_step_t *step, int32_t *state, int32_t *block, uint32_t n_frames);
} myo_step_kind_t;

struct myo_step {
    const myo_step_kind_t *kind;
    const void *config;  /* of the kind; NULL where it has none */
    uint16_t n_in;       /* channels, 1..MYO_STEP_MAX_CHANNELS */
    uint16_t n_out;      /* the same */
    uint16_t decimation; /* frames taken for one given, 1.. */
    int8_t align;        /* before it words are shifted left by this, or right by -align, rounded half up */
};

/* For kinds that leave channels and rate as they are: whether the step does. */
static inline myo_status_t myo_step_check_plain(const myo_step_t *step) {
    return step->n_in == step->n_out && step->decimation == 1 ? MYO_OK : MYO_ERROR_CONFIG;
}

static inline size_t myo_step_no_state(const myo_step_t *step) {
    (void)step;
    return 0;
}

/* The low word of sum >> shift, shift 0..31: half of what a 64-bit shift by a variable takes. */
static inline int32_t myo_step_narrow(int64_t sum, uint32_t shift) {
    const uint32_t low = (uint32_t)sum, high = (uint32_t)((uint64_t)sum >> 32);
    return (int32_t)(low >> shift | high << 1 << (31u - shift)); /* two shifts: by 32 would be undefined */
}

#endif
