/* The front end: counts of the sensor, frame by frame, through a chain of steps to words, channel by channel.

   Steps may change the number of channels (myo_matrix.h) and the rate (myo_decimate.h). Everything here is
   caller-owned; one function works at a time. ISR-safe: no. */
#ifndef MYO_FRONT_END_H
#define MYO_FRONT_END_H

#include "dsp/myo_step.h"

#define MYO_FRONT_END_MAX_STEPS 32u

/* What the export knows; bundle/c/patch_config.c defines it. */
typedef struct {
    const myo_step_t *steps; /* n_steps; may be NULL if there is none */
    uint8_t n_steps;         /* 0: counts are only shifted; at most MYO_FRONT_END_MAX_STEPS */
    int8_t input_shift;      /* a count enters as count << input_shift; negative: arithmetic right; -31..31 */
    uint16_t n_channels;     /* counts in a frame, 1..MYO_STEP_MAX_CHANNELS */
} myo_front_end_config_t;

typedef struct {
    const myo_front_end_config_t *config;
    int32_t *state; /* of all steps, one after the other; caller's */
    size_t state_words;
} myo_front_end_t;

/* Channels behind the chain. */
uint16_t myo_front_end_channels(const myo_front_end_config_t *config);

/* Frames of counts for one behind the chain. */
uint32_t myo_front_end_decimation(const myo_front_end_config_t *config);

/* Words of a block: MYO_BLOCK_FRAMES for each channel where the chain is widest. */
size_t myo_front_end_block_words(const myo_front_end_config_t *config);

/* Validates config, whose steps have to fit together, and clears the state. config and state must outlive
   self. */
myo_status_t myo_front_end_init(myo_front_end_t *self, const myo_front_end_config_t *config, int32_t *state,
                                size_t state_words);

/* As if no sample had come. */
void myo_front_end_reset(myo_front_end_t *self);

/* Takes n_frames frames of counts (1..MYO_BLOCK_FRAMES, counts[frame * n_channels + channel]) and leaves in
   block, planar, the frames that they give. Returns how many: of a whole stream, frame k of the result is
   complete with frame (k + 1) * decimation - 1 of the counts. */
uint32_t myo_front_end_run(myo_front_end_t *self, const int32_t *counts, int32_t *block, uint32_t n_frames);

#endif
