/* The link's messages. Generated from host_tools/myo_host/messages.py by `python -m myo_host.messages`;
   do not edit. Packed structs in the byte order of the line (little-endian); copy in and out with memcpy. */
/* clang-format off */
#ifndef MYO_MESSAGES_H
#define MYO_MESSAGES_H

#include <stdint.h>

#define MYO_PROTOCOL_VERSION 1u
#define MYO_SCHEMA_HASH 0x6ea70949u
#define MYO_MAX_PAYLOAD 512u

typedef struct __attribute__((packed)) {
    uint8_t version;
    uint8_t type; /* myo_message_type_t */
    uint16_t sequence;
} myo_frame_header_t;

typedef enum {
    MYO_MESSAGE_HELLO_REQUEST = 0x01,
    MYO_MESSAGE_START = 0x02,
    MYO_MESSAGE_SAMPLES = 0x03,
    MYO_MESSAGE_AUX_SAMPLES = 0x07,
    MYO_MESSAGE_STOP = 0x04,
    MYO_MESSAGE_STATUS_REQUEST = 0x05,
    MYO_MESSAGE_RESET = 0x06,
    MYO_MESSAGE_CALIBRATE = 0x08,
    MYO_MESSAGE_HELLO = 0x81,
    MYO_MESSAGE_CREDIT = 0x82,
    MYO_MESSAGE_TENSOR = 0x83,
    MYO_MESSAGE_DECISION = 0x84,
    MYO_MESSAGE_STATUS = 0x85,
    MYO_MESSAGE_FAULT = 0x86,
    MYO_MESSAGE_QUALITY = 0x87,
    MYO_MESSAGE_CALIBRATION = 0x88,
    MYO_MESSAGE_HEAD = 0x89,
} myo_message_type_t;

typedef enum {
    MYO_STAGE_RAW = 0,
    MYO_STAGE_FILTERED = 1,
    MYO_STAGE_INPUT = 2,
    MYO_STAGE_LAYER = 3,
    MYO_STAGE_OUTPUT = 4,
    MYO_STAGE_DECISION = 5,
    MYO_STAGE_FEATURES = 6,
    MYO_STAGE_SCORES = 7,
    MYO_STAGE_AUX = 8,
} myo_stage_t;

typedef enum {
    MYO_DTYPE_INT8 = 0,
    MYO_DTYPE_INT16 = 1,
    MYO_DTYPE_INT32 = 2,
} myo_dtype_t;

typedef enum {
    MYO_SOURCE_HOST = 0,
    MYO_SOURCE_ADC = 1,
} myo_source_t;

typedef enum {
    MYO_HELLO_REASON_REQUESTED = 0,
    MYO_HELLO_REASON_BOOT = 1,
} myo_hello_reason_t;

typedef enum {
    MYO_RESET_KIND_REBOOT = 1,
} myo_reset_kind_t;

typedef enum {
    MYO_FAULT_BAD_VERSION = 1,
    MYO_FAULT_BAD_MESSAGE = 2,
    MYO_FAULT_SAMPLE_GAP = 3,
    MYO_FAULT_RING_OVERFLOW = 4,
    MYO_FAULT_SEQUENCE_GAP = 5,
    MYO_FAULT_NOT_STARTED = 6,
    MYO_FAULT_BAD_SOURCE = 7,
    MYO_FAULT_AUX_GAP = 8,
    MYO_FAULT_AUX_LATE = 9,
} myo_fault_t;

typedef enum {
    MYO_CALIBRATION_ACTION_STATUS = 0,
    MYO_CALIBRATION_ACTION_COLLECT = 1,
    MYO_CALIBRATION_ACTION_END = 2,
    MYO_CALIBRATION_ACTION_COMMIT = 3,
    MYO_CALIBRATION_ACTION_UNDO = 4,
    MYO_CALIBRATION_ACTION_FACTORY = 5,
    MYO_CALIBRATION_ACTION_DISCARD = 6,
    MYO_CALIBRATION_ACTION_READ = 7,
} myo_calibration_action_t;

typedef enum {
    MYO_CALIBRATION_ERROR_NONE = 0,
    MYO_CALIBRATION_ERROR_BAD_ACTION = 1,
    MYO_CALIBRATION_ERROR_BAD_LABEL = 2,
    MYO_CALIBRATION_ERROR_BUSY = 3,
    MYO_CALIBRATION_ERROR_TOO_FEW = 4,
    MYO_CALIBRATION_ERROR_NOTHING_TO_UNDO = 5,
    MYO_CALIBRATION_ERROR_STORE_FAILED = 6,
} myo_calibration_error_t;

/* Asks for HELLO; sequence numbers of both directions start again. */
typedef struct __attribute__((packed)) {
    uint8_t protocol; /* version that the host speaks */
} myo_hello_request_message_t;
_Static_assert(sizeof(myo_hello_request_message_t) == 1, "hello_request");

/* Resets filters, window, vote and counters, and starts taking samples from a source. */
typedef struct __attribute__((packed)) {
    uint8_t source; /* Source */
    uint32_t trace_mask; /* bit 1 << Stage: stages to send as TENSOR */
} myo_start_message_t;
_Static_assert(sizeof(myo_start_message_t) == 5, "start");

/* Sample frames from the host, interleaved counts. Then: n_frames x n_channels counts, int16 or int32 as HELLO's sample_bytes says. */
typedef struct __attribute__((packed)) {
    uint32_t first_sample; /* index of the first frame since START */
    uint16_t n_frames; /* frames in this message */
} myo_samples_message_t;
_Static_assert(sizeof(myo_samples_message_t) == 6, "samples");

/* Samples of an auxiliary stream from the host, before the SAMPLES that they precede. Then: of each sample, the frames of SAMPLES before it since START, uint32, and its counts, as wide as its adc_bits ask. */
typedef struct __attribute__((packed)) {
    uint8_t stream; /* number of the stream, as in the spec */
    uint32_t first_sample; /* index of the first sample since START */
    uint16_t n_samples; /* samples in this message */
} myo_aux_samples_message_t;
_Static_assert(sizeof(myo_aux_samples_message_t) == 7, "aux_samples");

/* Resets the board. */
typedef struct __attribute__((packed)) {
    uint8_t kind; /* ResetKind */
} myo_reset_message_t;
_Static_assert(sizeof(myo_reset_message_t) == 1, "reset");

/* Calibration of a patch with [calibration]; done when all frames before it are processed, then answered by CALIBRATION. */
typedef struct __attribute__((packed)) {
    uint8_t action; /* CalibrationAction */
    uint16_t label; /* class, for COLLECT; else 0 */
} myo_calibrate_message_t;
_Static_assert(sizeof(myo_calibrate_message_t) == 3, "calibrate");

/* Who the board is, what it runs, and how much it can take; sent at boot and on request. */
typedef struct __attribute__((packed)) {
    uint8_t protocol; /* version that the board speaks */
    uint8_t reason; /* HelloReason */
    uint16_t n_channels; /* counts in a frame */
    uint32_t schema_hash; /* CRC-32 of the message description */
    uint8_t bundle_hash[32]; /* SHA-256 of the bundle that the firmware was built from */
    uint8_t board[16]; /* board name, zero-padded */
    uint32_t rate_mhz; /* sample rate, millihertz */
    uint32_t tick_hz; /* rate of the tick counter, hertz */
    uint16_t window_samples; /* frames that a decision sees, behind the front end */
    uint16_t hop_samples; /* frames between decisions, behind the front end */
    uint16_t decimation; /* frames of SAMPLES for one behind the front end */
    uint16_t n_filtered; /* channels behind the front end, auxiliary ones as well */
    uint16_t n_layers; /* layers of the network */
    uint16_t n_outputs; /* network outputs */
    uint16_t credit_frames; /* frames that may be under way */
    uint16_t max_payload; /* largest payload, bytes */
    uint8_t sample_bytes; /* bytes of a count in SAMPLES: 2 or 4 */
    uint8_t output_kind; /* 0 classes, 1 values */
    uint8_t n_aux; /* auxiliary streams */
    uint8_t aux_wide; /* bit k: a count of auxiliary stream k takes 4 bytes, else 2 */
} myo_hello_message_t;
_Static_assert(sizeof(myo_hello_message_t) == 84, "hello");

/* Flow control: frames taken out of the sample ring since START. */
typedef struct __attribute__((packed)) {
    uint32_t consumed_frames; /* cumulative, wraps */
} myo_credit_message_t;
_Static_assert(sizeof(myo_credit_message_t) == 4, "credit");

/* A piece of a stage's output. Then: elements. */
typedef struct __attribute__((packed)) {
    uint8_t stage; /* Stage */
    uint8_t dtype; /* Dtype */
    uint16_t layer; /* layer index where stage is LAYER, stream where it is AUX, else 0 */
    uint32_t index; /* first sample index for RAW and FILTERED, of the stream for AUX, else window number */
    uint32_t offset; /* elements before this piece */
} myo_tensor_message_t;
_Static_assert(sizeof(myo_tensor_message_t) == 12, "tensor");

/* One window's decision and what it cost. */
typedef struct __attribute__((packed)) {
    uint32_t window; /* window number since START */
    uint32_t end_sample; /* samples since START at the window's end */
    int16_t decided; /* class after the vote; -1 none */
    int16_t raw; /* class of this window alone; -1 where it was gated, and for values */
    int16_t confidence; /* int8 network output of the raw class */
    uint16_t n_votes; /* votes for the winner; for values, windows summed */
    uint32_t front_end_ticks; /* front end since the last window */
    uint32_t network_ticks; /* network */
    uint32_t decision_ticks; /* argmax and vote, or sums */
    uint32_t latency_ticks; /* from the arrival of the window's last sample in the ring to this message */
    uint8_t aux_marks; /* bit k: auxiliary stream k lacked or left out a sample that the window sees */
} myo_decision_message_t;
_Static_assert(sizeof(myo_decision_message_t) == 33, "decision");

/* Counters since START; stack since boot. */
typedef struct __attribute__((packed)) {
    uint32_t samples_received; /* frames put into the ring */
    uint32_t samples_processed; /* frames taken out of the ring */
    uint32_t samples_lost; /* frames lost: ring overflow or gap */
    uint32_t windows; /* windows decided */
    uint32_t rx_bytes_lost; /* bytes lost before the frame decoder */
    uint32_t rx_frames_bad; /* frames with a wrong COBS code, CRC, length or version */
    uint32_t rx_sequence_gaps; /* jumps in the host's sequence numbers */
    uint32_t tx_frames_dropped; /* frames that the board could not send */
    uint32_t faults; /* FAULT messages raised */
    uint32_t stack_bytes; /* stack size */
    uint32_t stack_used_bytes; /* deepest use since boot, by painting */
    uint32_t aux_held; /* auxiliary samples that were not there when due, all streams */
    uint32_t aux_dropped; /* auxiliary samples left out as they came too early for their place */
    uint32_t aux_lost; /* auxiliary samples lost: ring overflow or gap */
    uint8_t running; /* 1 while samples are taken */
} myo_status_message_t;
_Static_assert(sizeof(myo_status_message_t) == 57, "status");

/* Something that should not happen did. */
typedef struct __attribute__((packed)) {
    uint16_t code; /* Fault */
    uint16_t count; /* times since START */
    uint32_t argument0; /* see Fault */
    uint32_t argument1; /* see Fault */
} myo_fault_message_t;
_Static_assert(sizeof(myo_fault_message_t) == 12, "fault");

/* What is wrong with each channel, after each period of a patch with [quality]. Then: n_channels flags, uint8: 1 saturated, 2 flat, 4 off, 8 mains, 16 motion, 32 duplicated, 64 low_snr. */
typedef struct __attribute__((packed)) {
    uint32_t period; /* period number since START */
    uint32_t end_sample; /* samples since START at the period's end */
    uint16_t n_masked; /* channels behind the front end that are masked from here on */
    uint8_t gated; /* 1 where windows that end from here on cast no vote */
} myo_quality_message_t;
_Static_assert(sizeof(myo_quality_message_t) == 11, "quality");

/* The answer to CALIBRATE: how calibration stands. Then: of each class, uint16: windows that the head is made of or will be, and those of them since the last commit. */
typedef struct __attribute__((packed)) {
    uint8_t action; /* CalibrationAction that it answers */
    uint8_t error; /* CalibrationError */
    int16_t collecting; /* class that is being collected; -1 none */
    uint32_t sequence; /* of the head in use; 0: none, the network decides */
    uint8_t foreign; /* 1: the store holds another bundle's head, which is refused */
    uint8_t outlives_power; /* 1: the board's store outlives power; 0: a reset, and no more */
    uint32_t left_out; /* windows of spans that were not summed: signal quality, or the class was full */
    uint32_t sample; /* samples since START when it was done */
    uint32_t work_ticks; /* what doing it took */
    uint16_t n_words; /* words of an embedding */
} myo_calibration_message_t;
_Static_assert(sizeof(myo_calibration_message_t) == 24, "calibration");

/* A piece of what the head in use is made of, before the CALIBRATION that answers READ. Then: bytes of the record: sums int32 (n_outputs, n_words), then windows of each class uint16, then zeros. */
typedef struct __attribute__((packed)) {
    uint32_t sequence; /* of the head; 0 none */
    uint32_t offset; /* bytes before this piece */
} myo_head_message_t;
_Static_assert(sizeof(myo_head_message_t) == 8, "head");

#endif
