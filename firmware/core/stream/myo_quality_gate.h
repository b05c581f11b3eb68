/* The quality gate of a patch: raw counts -> flags of each channel -> masked channels, and windows that cast
   no vote.

   From the frame after a period's end on, a channel of the sensor with one of mask_flags is masked, and with
   it every channel behind the front end that is made of it. Where more than max_masked of these are masked,
   windows are gated. A patch without [quality] does not link it: its config has no myo_quality_gate_config_t.
   The twin is pipeline/myo_pipeline/quality_gate.py. */
#ifndef MYO_QUALITY_GATE_H
#define MYO_QUALITY_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "myo_status.h"
#include "quality/myo_quality.h"
#include "stream/myo_decision.h"

typedef struct myo_quality_gate_functions myo_quality_gate_functions_t;

/* What the export knows of it; bundle/c/patch_config.c defines one. */
typedef struct {
    const myo_quality_config_t *quality;
    const uint64_t
        *reach; /* one a channel of the sensor; bit k: channel k behind the front end is made of it */
    uint16_t max_masked;                           /* more masked channels behind the front end: no vote */
    uint8_t mask_flags;                            /* MYO_QUALITY_..., that mask a channel */
    const myo_quality_gate_functions_t *functions; /* &myo_quality_gate_functions */
} myo_quality_gate_config_t;

typedef struct {
    myo_quality_t quality;
    uint64_t masked;   /* bit k: channel k behind the front end */
    uint16_t n_masked; /* bits in it */
} myo_quality_gate_t;

/* Memory that the caller owns; sizes in elements. */
typedef struct {
    myo_quality_gate_t *state;
    myo_quality_channel_t *channels; /* one a channel of the sensor */
    size_t n_channels;
    int32_t *frames; /* channels of the sensor * group_blocks * block_frames */
    size_t n_words;
} myo_quality_gate_memory_t;

/* What a period's end tells. */
typedef struct {
    uint32_t period;                       /* number since the start */
    uint32_t end_sample;                   /* samples of the sensor since the start at its end */
    uint16_t n_masked;                     /* channels behind the front end that are masked from here on */
    bool is_gated;                         /* windows that end from here on cast no vote */
    uint16_t n_channels;                   /* of the sensor */
    const myo_quality_channel_t *channels; /* flags of each; valid during the call */
} myo_quality_report_t;

/* The gate's functions: a config names them, so that they are linked where there is one. */
struct myo_quality_gate_functions {
    /* Validates config, for n_channels of the sensor and n_behind channels behind the front end, and memory,
       and starts. ISR-safe: no. */
    myo_status_t (*init)(const myo_quality_gate_config_t *config, const myo_quality_gate_memory_t *memory,
                         uint16_t n_channels, uint16_t n_behind);
    /* The next frame is the first: nothing is masked. ISR-safe: no. */
    void (*reset)(const myo_quality_gate_memory_t *memory);
    /* Frames that are missing to the period's end, at least one. ISR-safe: no. */
    uint32_t (*left)(const myo_quality_gate_memory_t *memory);
    /* Takes frames of counts (n_frames * n_channels), never beyond the period's end. True where it was
       reached: state->masked is new. ISR-safe: no. */
    bool (*push)(const myo_quality_gate_config_t *config, const myo_quality_gate_memory_t *memory,
                 const int32_t *counts, size_t n_frames);
    /* myo_decision_abstain, which a patch without a gate need not have. */
    myo_decision_t (*abstain)(myo_decision_state_t *decision);
};

extern const myo_quality_gate_functions_t myo_quality_gate_functions;

#endif
