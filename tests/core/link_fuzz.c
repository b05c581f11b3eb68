/* The whole device for a fuzzer: its input is a script of what a line, a host, a converter and a clock may
   do.

   With clang -fsanitize=fuzzer it is libFuzzer's target. With -DLINK_FUZZ_SCRIPTS and any compiler it is a
   program that runs random scripts: link_fuzz SEED N_SCRIPTS. After each script the device must serve one
   clean run. */
#define DEVICE_HARNESS_IS_PART
#include "device_harness.c"
#include "hostile_line.h"

#define ENOUGH 4096u /* bytes of a script that count */

typedef struct {
    const uint8_t *bytes;
    size_t left;
} script_t;

static struct {
    myo_frame_decoder_t decoder; /* of the device's answers */
    buffer_t answers;
    uint16_t sequence, tx_sequence;
    uint32_t n_hellos, status_samples, status_windows, status_faults;
} host;

static const settings_t DEVICES[] = {
    {.n_channels = 3,
     .window_samples = 12,
     .hop_samples = 5,
     .n_outputs = 4,
     .sample_bytes = 2,
     .adc_bits = 10,
     .vote = 3,
     .reject_below = -128,
     .input_shift = 18,
     .post_shift = 1,
     .multiplier = 1 << 24,
     .shift = 45,
     .zero_point = -3,
     .ring_frames = 32,
     .rx_bytes = 1024,
     .tx_bytes = 1024,
     .n_filtered = 3,
     .factor = 1},
    {.n_channels = 1,
     .window_samples = 1,
     .hop_samples = 1,
     .n_outputs = 1,
     .sample_bytes = 4,
     .adc_bits = 24,
     .output_kind = 1,
     .vote = 1,
     .reject_below = -128,
     .input_shift = 6,
     .post_shift = 1,
     .multiplier = 1 << 24,
     .shift = 45,
     .ring_frames = 4,
     .rx_bytes = 256,
     .tx_bytes = 1024,
     .n_filtered = 1,
     .factor = 1},
    {.n_channels = 5,
     .window_samples = 7,
     .hop_samples = 3,
     .n_outputs = 3,
     .sample_bytes = 2,
     .adc_bits = 16,
     .vote = 5,
     .reject_below = 3,
     .input_shift = 12,
     .post_shift = 1,
     .multiplier = 1 << 24,
     .shift = 45,
     .ring_frames = 16,
     .rx_bytes = 4096,
     .tx_bytes = 2048,
     .streams = 1,
     .n_filtered = 5,
     .factor = 1},
    {.n_channels = 2,
     .window_samples = 6,
     .hop_samples = 6,
     .n_outputs = 2,
     .sample_bytes = 4,
     .adc_bits = 16,
     .output_kind = 1,
     .vote = 4,
     .reject_below = -128,
     .input_shift = 12,
     .post_shift = 1,
     .multiplier = 1 << 24,
     .shift = 45,
     .ring_frames = 64,
     .rx_bytes = 512,
     .tx_bytes = 1024,
     .n_filtered = 4,
     .factor = 3},
};

static uint32_t take(script_t *script, uint32_t n_bytes) {
    uint32_t value = 0;
    for (; n_bytes > 0 && script->left > 0; n_bytes--, script->left--) {
        value = value << 8 | *script->bytes++;
    }
    return value;
}

static void listen(void) {
    flush(&host.answers);
    for (size_t i = 0; i < host.answers.length; i++) {
        myo_frame_t frame;
        const myo_frame_result_t result = myo_frame_decoder_put(&host.decoder, host.answers.bytes[i], &frame);
        if (result == MYO_FRAME_NONE) {
            continue;
        }
        if (result != MYO_FRAME_READY) {
            abort(); /* a damaged answer */
        }
        if (frame.header.type == MYO_MESSAGE_HELLO) {
            host.n_hellos++;
            host.tx_sequence = 0;
        } else if (frame.header.type == MYO_MESSAGE_STATUS) {
            myo_status_message_t status;
            memcpy(&status, frame.payload, sizeof status);
            host.status_samples = status.samples_processed;
            host.status_windows = status.windows;
            host.status_faults = status.faults;
        }
        if (frame.header.sequence != host.tx_sequence++) {
            abort(); /* the device's frames come in turn */
        }
    }
    host.answers.length = 0;
}

static void serve_all(void) {
    service();
    listen();
}

static void put_bytes(const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        myo_byte_ring_put(&device.rx, bytes[i]);
    }
}

static void put_frame(uint8_t version, uint8_t type, uint16_t sequence, const uint8_t *payload, size_t n) {
    uint8_t frame[HOSTILE_LONGEST];
    put_bytes(frame, hostile_encode(version, type, sequence, payload, n, 0, frame));
}

static void say(uint8_t type, const uint8_t *payload, size_t n) {
    if (type == MYO_MESSAGE_HELLO_REQUEST) {
        host.sequence = 0;
    }
    put_frame(MYO_PROTOCOL_VERSION, type, host.sequence++, payload, n);
}

/* A SAMPLES message in its turn; its frames are what the script holds, then zeros. */
static void say_samples(script_t *script, uint32_t n) {
    uint8_t payload[MYO_MAX_PAYLOAD] = {0};
    const uint32_t frame_bytes = device.settings.n_channels * device.settings.sample_bytes;
    const uint32_t most = (MYO_MAX_PAYLOAD - 6u) / frame_bytes;
    n = n < most ? n : most;
    const uint32_t first = myo_ring_received(&device.ring);
    memcpy(payload, &first, sizeof first);
    payload[4] = (uint8_t)n;
    for (uint32_t i = 0; i < n * frame_bytes; i++) {
        payload[6u + i] = (uint8_t)take(script, 1);
    }
    say(MYO_MESSAGE_SAMPLES, payload, 6u + n * frame_bytes);
}

static void convert(script_t *script, uint32_t n) {
    int32_t frame[8] = {0};
    const int32_t full = (int32_t)1 << (device.settings.adc_bits - 1u);
    for (; n > 0 && device.adc; n--) {
        for (uint32_t channel = 0; channel < device.settings.n_channels; channel++) {
            frame[channel] = (int32_t)(take(script, 3) % (2u * (uint32_t)full)) - full;
        }
        sample((const uint8_t *)frame, 4u * device.settings.n_channels);
    }
}

/* The counters of a run that began long ago. */
static void age(uint32_t samples) {
    if (myo_ring_used(&device.ring) == 0) {
        atomic_store(&device.ring.head, samples);
        atomic_store(&device.ring.tail, samples);
        device.patch.hop_end += samples - device.patch.samples;
        device.patch.samples = samples;
        device.link.credit_sent = samples;
    }
}

static void step(script_t *script) {
    uint8_t bytes[MYO_MAX_PAYLOAD + 64u];
    const uint32_t operation = take(script, 1);
    const uint32_t n = take(script, 1);
    switch (operation % 12u) {
    case 0: /* bytes as they are */
    case 1:
        for (uint32_t i = 0; i < n; i++) {
            bytes[i] = (uint8_t)take(script, 1);
        }
        put_bytes(bytes, n);
        break;
    case 2: /* a well made frame of any content */
    case 3: {
        const uint8_t type = (uint8_t)take(script, 1);
        const uint16_t sequence = (n & 1u) != 0 ? (uint16_t)take(script, 2) : host.sequence++;
        const uint32_t n_payload = n == 0xff ? sizeof bytes : n / 4u;
        for (uint32_t i = 0; i < n_payload; i++) {
            bytes[i] = (uint8_t)take(script, 1);
        }
        put_frame((n & 2u) != 0 ? (uint8_t)(n >> 2) : MYO_PROTOCOL_VERSION, type, sequence, bytes, n_payload);
        break;
    }
    case 4:
    case 5:
        say_samples(script, n % 48u);
        break;
    case 6: {
        const uint8_t start[5] = {(uint8_t)(n % 3u), (uint8_t)take(script, 1)};
        say(MYO_MESSAGE_START, start, sizeof start);
        break;
    }
    case 7: {
        static const uint8_t TYPES[] = {MYO_MESSAGE_STOP, MYO_MESSAGE_STATUS_REQUEST,
                                        MYO_MESSAGE_HELLO_REQUEST, MYO_MESSAGE_RESET};
        const uint8_t one = 1;
        say(TYPES[n % 4u], &one, n % 4u >= 2u);
        break;
    }
    case 8:
        convert(script, n);
        break;
    case 9: /* the line stalls after so many bytes, or flows again */
        device.budget = n == 0xff ? UINT32_MAX : n;
        break;
    case 10:
        age(take(script, 4));
        break;
    default:
        serve_all();
        break;
    }
}

/* Whatever came before, the device serves this. */
static void expect_clean_run(void) {
    static const uint8_t HELLO[] = {MYO_PROTOCOL_VERSION}, START[5] = {MYO_SOURCE_HOST};
    script_t zeros = {0};
    device.budget = UINT32_MAX;
    serve_all();
    put_bytes((const uint8_t[]){0}, 1);
    serve_all();
    host.n_hellos = 0;
    say(MYO_MESSAGE_HELLO_REQUEST, HELLO, sizeof HELLO);
    serve_all();
    say(MYO_MESSAGE_START, START, sizeof START);
    serve_all();
    for (uint32_t i = 0; i < 20; i++) {
        say_samples(&zeros, 1);
        serve_all();
    }
    say(MYO_MESSAGE_STOP, NULL, 0);
    serve_all();
    const settings_t *const s = &device.settings;
    const uint32_t n_windows = (20u / s->factor - s->window_samples) / s->hop_samples + 1u;
    if (host.n_hellos != 1 || host.status_samples != 20 || host.status_faults != 0 ||
        host.status_windows != n_windows) {
        abort(); /* the link is wedged, or kept something */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    script_t script = {.bytes = data, .left = size < ENOUGH ? size : ENOUGH};
    static uint8_t packed[1024]; /* as the harness gets them */
    const settings_t settings = DEVICES[take(&script, 1) % (sizeof DEVICES / sizeof DEVICES[0])];
    memcpy(packed, &settings, sizeof settings);
    if (init_device(packed, sizeof settings) != MYO_OK) {
        abort();
    }
    myo_frame_decoder_init(&host.decoder);
    device.line.length = 0;
    host.sequence = host.tx_sequence = 0;
    while (script.left > 0) {
        step(&script);
    }
    expect_clean_run();
    return 0;
}

#ifdef LINK_FUZZ_SCRIPTS
int main(int n_arguments, char **arguments) {
    if (n_arguments != 3) {
        (void)fprintf(stderr, "usage: link_fuzz SEED N_SCRIPTS\n");
        return 2;
    }
    static hostile_t random;
    random.state = strtoull(arguments[1], NULL, 10);
    const unsigned long n_scripts = strtoul(arguments[2], NULL, 10);
    for (unsigned long i = 0; i < n_scripts; i++) {
        uint8_t script[1024];
        const uint32_t n = hostile_between(&random, 1, sizeof script);
        hostile_fill(&random, script, n);
        for (uint32_t k = 0; k < n; k++) { /* a fuzzer would find this mixture; chance does not */
            if (hostile_below(&random, 4) == 0) {
                script[k] = (uint8_t)hostile_below(&random, 24);
            }
        }
        (void)LLVMFuzzerTestOneInput(script, n);
    }
    while (device.n_memory > 0) {
        free(device.memory[--device.n_memory]);
    }
    free(device.line.bytes);
    free(host.answers.bytes);
    return EXIT_SUCCESS;
}
#endif
