/* The patch: sample ring -> block front end -> window ring, or features -> network -> decision. Beside it the
   quality gate watches the counts: what it masks gives the network its zero point, and a window that it gates
   casts no vote. Behind the network a calibrated head may score in its place.

   The caller owns all memory. Where samples come from makes no difference behind the ring, and block sizes
   make none to any word. Windows are counted in frames behind the front end: window k is the last
   window_samples of them when window_samples + k * hop_samples have come since the start, which takes
   myo_front_end_decimation times as many samples. A network that streams is pushed every hop_samples frames,
   from before the first window on; its words are those of a run. With features a window may stand for
   several, one hop apart, whose features the network takes at once: what is said of it then holds for all of
   their frames. */
#ifndef MYO_PATCH_H
#define MYO_PATCH_H

#include <stddef.h>
#include <stdint.h>

#include "calibration/myo_calibration.h"
#include "dsp/myo_front_end.h"
#include "dsp/myo_motion.h"
#include "dsp/myo_quantize.h"
#include "link/myo_messages.h"
#include "myo_status.h"
#include "stream/myo_aux.h"
#include "stream/myo_decision.h"
#include "stream/myo_feature_stage.h"
#include "stream/myo_quality_gate.h"
#include "stream/myo_ring.h"

#define MYO_PATCH_MAX_CHANNELS MYO_STEP_MAX_CHANNELS
#define MYO_ARENA_ALIGNMENT 16u /* of the network's arena, bytes */

/* As in the generated net.h: called after each layer with its output, before its memory is used again. */
typedef void (*net_observer_t)(void *context, uint16_t layer, const int8_t *data, size_t n);

/* What the export knows about a patch; bundle/c/patch_config.c defines it. */
typedef struct {
    uint32_t rate_mhz;       /* sample rate in millihertz, above 0 */
    uint16_t window_samples; /* frames in a window, 1..; with features myo_feature_stage_span */
    uint16_t hop_samples;    /* frames between windows, 1.. */
    uint16_t n_layers;       /* layers that net_run reports */
    uint16_t n_outputs;      /* equal to net_output_size */
    uint8_t sample_bytes;    /* of a count on the link: 2 or 4 */
    uint8_t adc_bits; /* every source keeps counts in -2^(adc_bits-1) .. 2^(adc_bits-1)-1; 1..24, at most 16
                         in 2 bytes */
    uint8_t output_kind;              /* MYO_OUTPUT_CLASSES or MYO_OUTPUT_VALUES */
    uint8_t vote;                     /* windows that count in a decision, 1..MYO_VOTE_MAX */
    int8_t reject_below;              /* classes: output under which a window does not vote; -128: all vote */
    const myo_decision_rule_t *rule;  /* classes: how they are decided; NULL: by majority */
    myo_front_end_config_t front_end; /* a frame of counts must fit one SAMPLES message */
    const myo_aux_stage_config_t *aux; /* streams whose channels stand behind the front end's; NULL: none */
    const myo_motion_config_t *motion; /* what a stream tells of the EMG is subtracted; NULL: none */
    const myo_quantize_config_t *quantize;       /* one a channel of the window; with features NULL */
    const myo_feature_stage_config_t *features;  /* what the network takes; NULL: the window itself */
    const myo_quality_gate_config_t *quality;    /* NULL: every channel is taken as it is */
    const myo_calibration_config_t *calibration; /* classes only; NULL: the network's output decides */
    uint8_t bundle_hash[32];                     /* SHA-256, compared by the host */
    size_t net_input_size; /* window_samples * channels of the window, int8, time-major; with features one a
                              word of each of their windows */
    size_t net_output_size;
    size_t net_arena_size;
    void (*net_init)(void *arena); /* called before each run as well: leaves the state of pushes alone */
    void (*net_run)(void *arena, const int8_t *input, int8_t *output, net_observer_t observer, void *context);
    /* Both or neither, with features neither: net_push takes hop_samples frames, of at most a window; net_run
     * leaves its state alone. */
    void (*net_reset)(void *arena);
    void (*net_push)(void *arena, const int8_t *hop, int8_t *output);
} myo_patch_config_t;

extern const myo_patch_config_t patch_config;

/* One window's result, handed to the decision hook. */
typedef struct {
    uint32_t window;     /* number since the start */
    uint32_t end_sample; /* samples of the sensor since the start at the window's end */
    uint32_t end_tick;   /* tick at which the window's last frame arrived in the ring */
    myo_decision_t decision;
    uint32_t front_end_ticks; /* since the last window; without the hooks' time */
    uint32_t network_ticks;   /* without the hooks' time */
    uint32_t decision_ticks;
    uint8_t aux_marks; /* bit k: a frame of the window is marked in auxiliary stream k, see myo_aux.h */
} myo_patch_result_t;

/* What the patch tells while it works. A hook may block: its time is in none of the result's ticks. */
typedef struct {
    void *context;
    /* Ticks of work: a counter that need not run while interrupts are served. */
    uint32_t (*work_ticks)(void *context);
    /* A stage's output, of a stage in the trace mask. Elements are int32 for RAW, FILTERED, FEATURES and AUX,
       int8 otherwise; index is the first frame for RAW (of the sensor) and FILTERED (behind the front end),
       the sample for AUX, whose stream is the layer, else the window. data is valid during the call. */
    void (*tensor)(void *context, myo_stage_t stage, uint16_t layer, uint32_t index, const void *data,
                   size_t n_elements);
    void (*decision)(void *context, const myo_patch_result_t *result);
    /* The end of a quality period; may be NULL where the config has no gate. */
    void (*quality)(void *context, const myo_quality_report_t *report);
} myo_patch_hooks_t;

/* Memory that the caller owns; sizes in elements. It must outlive the patch. */
typedef struct {
    myo_ring_t *ring;         /* as wide as a frame of counts */
    int32_t *front_end_state; /* as its steps count it */
    size_t front_end_state_words;
    myo_aux_stage_memory_t aux; /* all of it may be NULL where there are no streams */
    myo_motion_memory_t motion; /* all of it may be NULL where there is none */
    int32_t *block; /* myo_front_end_block_words, and MYO_BLOCK_FRAMES for each channel of the window */
    size_t block_words;
    int8_t *window; /* net_input_size; with features none, and may be NULL */
    size_t window_bytes;
    myo_feature_stage_memory_t features;  /* all of it may be NULL where there are none */
    myo_quality_gate_memory_t quality;    /* the same */
    myo_calibration_memory_t calibration; /* the same */
    int8_t *input;                        /* net_input_size */
    size_t input_bytes;
    int8_t *output; /* net_output_size */
    size_t output_bytes;
    void *arena; /* net_arena_size, aligned to MYO_ARENA_ALIGNMENT */
    size_t arena_bytes;
    int8_t *history; /* values: vote * n_outputs; classes: may be NULL */
    size_t history_bytes;
    int32_t *sums; /* values: n_outputs; classes: may be NULL */
    size_t n_sums;
} myo_patch_memory_t;

typedef struct {
    const myo_patch_config_t *config;
    myo_patch_memory_t memory;
    myo_patch_hooks_t hooks;
    myo_decision_state_t decision;
    uint32_t trace_mask; /* bit 1 << myo_stage_t */
    myo_front_end_t front_end;
    uint32_t decimation;      /* samples for one frame behind the front end */
    uint16_t n_channels;      /* of the window: the front end's, then those of each auxiliary stream */
    uint32_t samples;         /* frames taken since the start */
    uint32_t frames;          /* that the front end gave since the start */
    uint32_t hop_end;         /* samples at which the next window or push is complete */
    uint32_t windows;         /* windows decided since the start */
    uint32_t front_end_ticks; /* since the last window */
    uint32_t hook_ticks;      /* spent in hooks during this block's streams or this window's network */
    uint16_t gated_windows;   /* from this one on, that hold features of a gated one and cast no vote */
    uint16_t window_row;      /* row of the window ring that the next frame takes: the oldest */
} myo_patch_t;

/* Validates config against itself and against memory, copies memory and hooks, and starts.
   config must outlive self. */
myo_status_t myo_patch_init(myo_patch_t *self, const myo_patch_config_t *config,
                            const myo_patch_memory_t *memory, const myo_patch_hooks_t *hooks);

/* Starts again from sample 0: front end, gate, window, votes and the ring are empty. Only while no producer
 * runs.
 */
void myo_patch_start(myo_patch_t *self, uint32_t trace_mask);

/* Takes at most one block off the ring, never beyond a window's or a quality period's end, and runs the
   window that it completes. Returns the frames taken; 0: the ring is empty. Not reentrant: do not call it
   from a hook. */
uint32_t myo_patch_process(myo_patch_t *self);

#endif
