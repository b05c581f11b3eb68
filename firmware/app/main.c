/* The app: one loop over the link and the patch. Sample interrupts and serial interrupts
   fill rings behind its back. */
#include <stddef.h>
#include <stdint.h>

#include "link/myo_link.h"
#include "myo_port.h"
#include "patch_config.h"
#include "stream/myo_patch.h"

#define HISTORY_BYTES ((size_t)PATCH_VOTE * PATCH_N_OUTPUTS)

static int32_t ring_counts[PATCH_RING_FRAMES * PATCH_N_CHANNELS];
static uint32_t ring_ticks[PATCH_RING_FRAMES];
static uint8_t rx_bytes[PATCH_RX_BYTES];
static uint8_t tx_bytes[PATCH_TX_BYTES];
static int32_t front_end_state[PATCH_FRONT_END_STATE_WORDS + 1u]; /* never empty: there may be no step */
static int32_t block[MYO_BLOCK_FRAMES * PATCH_WIDEST];
/* One of both is in use; neither is ever empty. */
static int8_t window[PATCH_WINDOW_BYTES + 1u];
static myo_feature_state_t feature_states[PATCH_FEATURE_PARTS + 1u];
static uint32_t feature_sums[PATCH_FEATURE_SUMS + 1u];
static int16_t feature_frames[PATCH_FEATURE_FRAME_WORDS + 1u];
static int32_t feature_words[PATCH_FEATURE_WORDS + 1u];
static _Alignas(MYO_ARENA_ALIGNMENT) int8_t net_input[PATCH_NET_INPUT_SIZE];
static _Alignas(MYO_ARENA_ALIGNMENT) int8_t net_output[PATCH_NET_OUTPUT_SIZE];
static _Alignas(MYO_ARENA_ALIGNMENT) uint8_t net_arena[PATCH_NET_ARENA_SIZE];
#if PATCH_QUALITY_CHANNELS > 0
static myo_quality_gate_t quality;
static myo_quality_channel_t quality_channels[PATCH_QUALITY_CHANNELS];
static int32_t quality_frames[PATCH_QUALITY_WORDS];
#define QUALITY_MEMORY                                                                                       \
    {                                                                                                        \
        .state = &quality, .channels = quality_channels, .n_channels = PATCH_QUALITY_CHANNELS,               \
        .frames = quality_frames, .n_words = PATCH_QUALITY_WORDS                                             \
    }
#else
#define QUALITY_MEMORY                                                                                       \
    { 0 }
#endif
#if PATCH_N_AUX > 0
static myo_aux_t aux[PATCH_N_AUX];
static int32_t aux_words[PATCH_AUX_WORDS];
#define AUX_MEMORY                                                                                           \
    { .streams = aux, .n_streams = PATCH_N_AUX, .words = aux_words, .n_words = PATCH_AUX_WORDS }
#else
#define AUX_MEMORY                                                                                           \
    { 0 }
#endif

#if PATCH_MOTION_WORDS > 0
static myo_motion_t motion;
static int32_t motion_words[PATCH_MOTION_WORDS];
#define MOTION_MEMORY                                                                                        \
    { .state = &motion, .words = motion_words, .n_words = PATCH_MOTION_WORDS }
#else
#define MOTION_MEMORY                                                                                        \
    { 0 }
#endif
#if PATCH_CALIBRATION_WORDS > 0
#define N_WEIGHTS (PATCH_N_OUTPUTS * PATCH_CALIBRATION_WORDS)
#define N_SCRATCH (PATCH_N_OUTPUTS > PATCH_CALIBRATION_WORDS ? PATCH_N_OUTPUTS : PATCH_CALIBRATION_WORDS)
static myo_calibration_t calibration;
static int32_t
    calibration_record[MYO_CALIBRATION_RECORD_BYTES(PATCH_N_OUTPUTS, PATCH_CALIBRATION_WORDS) / 4u];
static int16_t head_weights[N_WEIGHTS];
static int32_t head_bias[PATCH_N_OUTPUTS];
static int32_t head_scratch[N_SCRATCH];
static uint16_t calibration_fresh[PATCH_N_OUTPUTS];
static int8_t head_output[PATCH_N_OUTPUTS];
#define CALIBRATION_MEMORY                                                                                   \
    {                                                                                                        \
        .state = &calibration, .record = calibration_record, .record_bytes = sizeof calibration_record,      \
        .weights = head_weights, .n_weights = N_WEIGHTS, .bias = head_bias, .n_bias = PATCH_N_OUTPUTS,       \
        .scratch = head_scratch, .n_scratch = N_SCRATCH, .fresh = calibration_fresh,                         \
        .n_fresh = PATCH_N_OUTPUTS, .output = head_output, .n_output = PATCH_N_OUTPUTS,                      \
        .store = myo_port_store()                                                                            \
    }
#else
#define CALIBRATION_MEMORY                                                                                   \
    { 0 }
#endif
static int8_t history[HISTORY_BYTES];
static int32_t sums[PATCH_N_OUTPUTS];

static myo_ring_t ring;
static myo_byte_ring_t rx, tx;
static myo_patch_t patch;
static myo_link_t link;

static uint32_t on_ticks(void *context) {
    (void)context;
    return myo_port_ticks();
}

static uint32_t on_work_ticks(void *context) {
    (void)context;
    return myo_port_work_ticks();
}

static void on_send(void *context) {
    (void)context;
    myo_port_send();
}

static void on_wait(void *context) {
    (void)context;
    myo_port_idle();
}

static bool on_adc_start(void *context) {
    (void)context;
#if PATCH_N_AUX > 0
    for (uint32_t i = 0; i < PATCH_N_AUX; i++) {
        const myo_aux_config_t *const stream = &patch_config.aux->streams[i];
        if (!myo_port_aux_start(i, &aux[i].ring, stream->rate_mhz, patch_config.rate_mhz, stream->adc_bits)) {
            return false;
        }
    }
#endif
    return myo_port_adc_start(&ring, patch_config.rate_mhz, patch_config.adc_bits);
}

static void on_adc_stop(void *context) {
    (void)context;
    myo_port_adc_stop();
}

static void on_reset(void *context) {
    (void)context;
    myo_port_reset();
}

static uint32_t on_stack_used(void *context) {
    (void)context;
    return myo_port_stack_used();
}

static myo_status_t init_patch(void) {
    const myo_patch_memory_t memory = {
        .ring = &ring,
        .front_end_state = front_end_state,
        .front_end_state_words = PATCH_FRONT_END_STATE_WORDS,
        .block = block,
        .block_words = sizeof block / sizeof block[0],
        .window = window,
        .window_bytes = sizeof window,
        .features = {.states = feature_states,
                     .n_states = PATCH_FEATURE_PARTS,
                     .sums = feature_sums,
                     .n_sums = PATCH_FEATURE_SUMS,
                     .frames = feature_frames,
                     .n_frame_words = PATCH_FEATURE_FRAME_WORDS,
                     .words = feature_words,
                     .n_words = PATCH_FEATURE_WORDS},
        .quality = QUALITY_MEMORY,
        .aux = AUX_MEMORY,
        .motion = MOTION_MEMORY,
        .calibration = CALIBRATION_MEMORY,
        .input = net_input,
        .input_bytes = sizeof net_input,
        .output = net_output,
        .output_bytes = sizeof net_output,
        .arena = net_arena,
        .arena_bytes = sizeof net_arena,
        .history = history,
        .history_bytes = sizeof history,
        .sums = sums,
        .n_sums = sizeof sums / sizeof sums[0],
    };
    const myo_patch_hooks_t hooks = {
        .context = &link,
        .work_ticks = on_work_ticks,
        .tensor = myo_link_tensor,
        .decision = myo_link_decision,
        .quality = PATCH_QUALITY_CHANNELS > 0 ? myo_link_quality : NULL,
    };
    const myo_status_t status =
        myo_ring_init(&ring, ring_counts, ring_ticks, PATCH_RING_FRAMES, PATCH_N_CHANNELS);
    return status == MYO_OK ? myo_patch_init(&patch, &patch_config, &memory, &hooks) : status;
}

static myo_status_t init_link(void) {
    const myo_link_config_t config = {
        .board = myo_port_name,
        .tick_hz = myo_port_tick_hz(),
        .stack_bytes = myo_port_stack_bytes(),
        .rx = &rx,
        .tx = &tx,
        .patch = &patch,
        .hooks = {.ticks = on_ticks,
                  .send = on_send,
                  .wait = on_wait,
                  .adc_start = on_adc_start,
                  .adc_stop = on_adc_stop,
                  .reset = on_reset,
                  .stack_used = on_stack_used},
    };
    return myo_link_init(&link, &config);
}

static void require(myo_status_t status) {
    if (status != MYO_OK) {
        myo_port_halt(status);
    }
}

int main(void) {
    require(myo_byte_ring_init(&rx, rx_bytes, sizeof rx_bytes));
    require(myo_byte_ring_init(&tx, tx_bytes, sizeof tx_bytes));
    myo_port_init(&rx, &tx);
    require(init_patch());
    require(init_link());
    myo_link_hello(&link, MYO_HELLO_REASON_BOOT);
    for (;;) {
        const bool served = myo_link_poll(&link);
        const bool processed = myo_patch_process(&patch) > 0;
        if (!served && !processed) {
            myo_port_idle();
        }
    }
}
