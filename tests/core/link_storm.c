/* Both ends of the link on a hostile line (hostile_line.h), against a ledger of what was sent.

   usage: link_storm device SEED N_REFUSED     the whole device under the storm; prints its counts as JSON
          link_storm host SEED N_REFUSED       batches for the host's decoder on standard output: bytes of the
                                               line, bytes of the bodies to be accepted, those bodies, the
   line

   Every piece of the line goes to the device and to a model of what the link promises. After each piece the
   device's counters, what it took into its sample ring, and what it answered must be the model's. */
#define DEVICE_HARNESS_IS_PART
#include "device_harness.c"
#include "hostile_line.h"

#define WINDOW 12u
#define HOP 5u
#define N_CHANNELS 3u
#define RING_FRAMES 32u
#define FIFO_FRAMES 64u
#define BATCH_BYTES (1u << 20)
#define PROBE_EVERY 256u /* messages between two proofs that the device serves a whole run */

/* What the link promises of a device that gets one piece at a time and is served until it rests. */
typedef struct {
    uint16_t rx_sequence, tx_sequence;
    bool running;
    uint8_t source;
    uint32_t trace_mask, start, received, lost, faults, gaps, bad, told;
    uint32_t n_hellos, n_statuses, n_resets; /* answers due, resets done */
    int16_t fifo[FIFO_FRAMES][N_CHANNELS];   /* taken and not told yet */
    uint32_t fifo_from, fifo_to;
} model_t;

static struct {
    hostile_t line;
    myo_frame_decoder_t shadow, host; /* the device's own decoder once more; that of its answers */
    buffer_t answers;
    model_t model;
    uint16_t sequence;
    uint32_t base; /* what START's counters begin with */
    uint64_t n_pieces, n_whole, n_accepted, n_other_spelling, n_reached_crc, n_samples, n_windows, n_probes,
        n_wraps;
} storm;

static _Noreturn void fail(const char *what, uint64_t found, uint64_t expected) {
    (void)fprintf(stderr, "piece %llu: %s: %llu, expected %llu\n", (unsigned long long)storm.n_pieces, what,
                  (unsigned long long)found, (unsigned long long)expected);
    exit(EXIT_FAILURE);
}

static void check(const char *what, uint64_t found, uint64_t expected) {
    if (found != expected) {
        fail(what, found, expected);
    }
}

static uint32_t read_u32(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static void model_start(const uint8_t *payload) {
    model_t *const m = &storm.model;
    m->running = false;
    m->trace_mask = read_u32(&payload[1]);
    m->start = m->received = m->told = storm.base;
    m->lost = m->faults = m->gaps = m->bad = 0;
    m->fifo_from = m->fifo_to = 0;
    if (payload[0] > MYO_SOURCE_ADC) {
        m->faults++;
        return;
    }
    m->source = payload[0];
    m->running = true;
}

static void model_samples(const myo_frame_t *frame) {
    model_t *const m = &storm.model;
    const size_t head = sizeof(myo_samples_message_t);
    const uint32_t first = read_u32(frame->payload);
    const uint32_t n = frame->payload[4] | (uint32_t)frame->payload[5] << 8;
    if (frame->payload_bytes != head + 2u * N_CHANNELS * n || !m->running || m->source != MYO_SOURCE_HOST) {
        m->faults++;
    } else if (first != m->received || n > RING_FRAMES) {
        m->faults++;
        m->lost += n;
    } else {
        for (uint32_t i = 0; i < n; i++, m->fifo_to++) {
            memcpy(m->fifo[m->fifo_to % FIFO_FRAMES], &frame->payload[head + 2u * N_CHANNELS * i],
                   2u * N_CHANNELS);
        }
        m->received += n;
        storm.n_samples += n;
    }
}

static bool model_is_well_formed(const myo_frame_t *frame) {
    static const int32_t SIZES[] = {
        [MYO_MESSAGE_HELLO_REQUEST] = 1, [MYO_MESSAGE_START] = 5,          [MYO_MESSAGE_SAMPLES] = 6,
        [MYO_MESSAGE_STOP] = 0,          [MYO_MESSAGE_STATUS_REQUEST] = 0, [MYO_MESSAGE_RESET] = 1};
    const uint8_t type = frame->header.type;
    if (type < MYO_MESSAGE_HELLO_REQUEST || type > MYO_MESSAGE_RESET ||
        (type == MYO_MESSAGE_RESET && frame->payload_bytes == 1 && frame->payload[0] != 1)) {
        return false;
    }
    const size_t size = (size_t)SIZES[type];
    return type == MYO_MESSAGE_SAMPLES ? frame->payload_bytes >= size : frame->payload_bytes == size;
}

static void model_serve(const myo_frame_t *frame) {
    model_t *const m = &storm.model;
    if (frame->header.sequence != m->rx_sequence && frame->header.type != MYO_MESSAGE_HELLO_REQUEST) {
        m->gaps++;
        m->faults++;
    }
    m->rx_sequence = (uint16_t)(frame->header.sequence + 1u);
    if (!model_is_well_formed(frame)) {
        m->faults++;
        return;
    }
    switch (frame->header.type) {
    case MYO_MESSAGE_HELLO_REQUEST:
        m->n_hellos++;
        break;
    case MYO_MESSAGE_START:
        model_start(frame->payload);
        break;
    case MYO_MESSAGE_SAMPLES:
        model_samples(frame);
        break;
    case MYO_MESSAGE_STOP:
        m->running = false;
        m->n_statuses++;
        break;
    case MYO_MESSAGE_STATUS_REQUEST:
        m->n_statuses++;
        break;
    default:
        m->running = false;
        m->n_resets++;
        break;
    }
}

/* RAW words are, in order, the samples that were taken; nothing else ever is. */
static void check_raw(const uint8_t *payload, size_t n) {
    model_t *const m = &storm.model;
    myo_tensor_message_t head;
    memcpy(&head, payload, sizeof head);
    check("RAW index", head.index, m->told);
    for (size_t at = sizeof head; at < n; at += 4u * N_CHANNELS, m->fifo_from++, m->told++) {
        check("samples told", m->fifo_from < m->fifo_to, true);
        for (uint32_t channel = 0; channel < N_CHANNELS; channel++) {
            const int32_t taken = m->fifo[m->fifo_from % FIFO_FRAMES][channel];
            check("sample", read_u32(&payload[at + 4u * channel]), (uint32_t)taken);
        }
    }
}

static void check_answers(void) {
    model_t *const m = &storm.model;
    flush(&storm.answers);
    for (size_t i = 0; i < storm.answers.length; i++) {
        myo_frame_t frame;
        switch (myo_frame_decoder_put(&storm.host, storm.answers.bytes[i], &frame)) {
        case MYO_FRAME_NONE:
            break;
        case MYO_FRAME_READY:
            if (frame.header.type == MYO_MESSAGE_HELLO) {
                m->tx_sequence = 0;
                m->n_hellos--;
            } else if (frame.header.type == MYO_MESSAGE_STATUS) {
                m->n_statuses--;
            } else if (frame.header.type == MYO_MESSAGE_TENSOR && frame.payload[0] == MYO_STAGE_RAW) {
                check_raw(frame.payload, frame.payload_bytes);
            } else if (frame.header.type == MYO_MESSAGE_DECISION) {
                storm.n_windows++;
            }
            check("sequence of an answer", frame.header.sequence, m->tx_sequence);
            m->tx_sequence++;
            break;
        default:
            fail("a damaged answer", frame.header.type, 0);
        }
    }
    storm.answers.length = 0;
}

static void check_device(void) {
    const model_t *const m = &storm.model;
    check("decoder's bad frames", device.link.decoder.n_bad, m->bad);
    check("faults", device.link.faults, m->faults);
    check("sequence gaps", device.link.rx_sequence_gaps, m->gaps);
    check("sequence due", device.link.rx_sequence, m->rx_sequence);
    check("running", device.link.running, m->running);
    check("samples received", myo_ring_received(&device.ring), m->received);
    check("samples processed", device.patch.samples, m->received);
    const uint32_t n_since = m->received - m->start;
    check("windows since START", device.patch.windows - m->start,
          n_since < WINDOW ? 0 : (n_since - WINDOW) / HOP + 1u);
    check("samples lost", myo_ring_lost(&device.ring), m->lost);
    check("resets", device.n_resets, m->n_resets);
    check("hellos due", m->n_hellos, 0);
    check("statuses due", m->n_statuses, 0);
    if (m->trace_mask & 1u) {
        check("samples told", m->told, m->received);
    }
}

static void check_all(void) {
    model_t *const m = &storm.model;
    check_answers();
    if (!(m->trace_mask & 1u)) {
        m->fifo_from = m->fifo_to;
        m->told = m->received;
    }
    check_device();
}

/* START puts every counter to 0. A run that began long ago has them near their ends. */
static void age_device(void) {
    atomic_store(&device.ring.head, storm.base);
    atomic_store(&device.ring.tail, storm.base);
    device.patch.hop_end += storm.base - device.patch.samples;
    device.patch.samples = storm.base;
    device.link.credit_sent = storm.base;
    device.patch.windows = storm.base;
}

/* Gives one piece and its zero to the device and to the model, and compares. */
static void give_piece(const uint8_t *piece, size_t n) {
    model_t *const m = &storm.model;
    const myo_frame_result_t truth = hostile_truth(&storm.line, piece, n);
    myo_frame_t frame;
    myo_frame_result_t result = MYO_FRAME_NONE;
    for (size_t i = 0; i <= n; i++) {
        result = myo_frame_decoder_put(&storm.shadow, i < n ? piece[i] : 0, &frame);
        check("a frame inside a piece", i < n && result != MYO_FRAME_NONE, false);
    }
    storm.n_pieces += n > 0;
    storm.n_whole += truth == MYO_FRAME_READY;
    storm.n_accepted += result == MYO_FRAME_READY;
    storm.n_reached_crc += truth == MYO_FRAME_BAD && storm.shadow.cobs.length >= 8u;
    if (result != truth) {
        if (truth == MYO_FRAME_BAD && hostile_was_sent(&storm.line, &frame)) {
            storm.n_other_spelling++; /* COBS can spell one frame in two ways */
        } else {
            fail(truth == MYO_FRAME_BAD ? "accepted wrongly" : "refused wrongly", result, truth);
        }
    }
    const uint32_t wraps = m->received;
    if (result == MYO_FRAME_READY) {
        model_serve(&frame);
    } else if (result != MYO_FRAME_NONE) {
        m->bad++;
        m->faults += result == MYO_FRAME_OTHER;
    }
    storm.n_wraps +=
        m->running && m->received < wraps && wraps > UINT32_MAX / 2u && m->received < FIFO_FRAMES;
    for (size_t i = 0; i <= n; i++) {
        myo_byte_ring_put(&device.rx, i < n ? piece[i] : 0);
    }
    const bool started = result == MYO_FRAME_READY && frame.header.type == MYO_MESSAGE_START &&
                         frame.payload_bytes == sizeof(myo_start_message_t);
    service();
    if (started) {
        age_device();
    }
    check_all();
}

/* The converter's interrupt, where it is the source. */
static void convert(void) {
    model_t *const m = &storm.model;
    int32_t frame[N_CHANNELS];
    for (uint32_t n = hostile_below(&storm.line, 8); n > 0; n--, m->fifo_to++, m->received++) {
        for (uint32_t channel = 0; channel < N_CHANNELS; channel++) {
            frame[channel] = m->fifo[m->fifo_to % FIFO_FRAMES][channel] = (int16_t)hostile_next(&storm.line);
        }
        sample((const uint8_t *)frame, sizeof frame);
        storm.n_samples++;
    }
    service();
    check_all();
}

/* Gives what is whole up to its last zero; all of it where `end`, with a zero behind it. */
static void give_line(bool end) {
    hostile_t *const line = &storm.line;
    if (end) {
        hostile_put(line, "", 1);
    }
    size_t from = 0;
    for (size_t i = 0; i < line->length; i++) {
        if (line->line[i] == 0) {
            give_piece(&line->line[from], i - from);
            from = i + 1u;
        }
    }
    memmove(line->line, &line->line[from], line->length - from);
    line->length -= from;
    if (line->length > 3000) { /* garbage without a zero: the line's owner would end it too */
        give_line(true);
    }
}

static size_t make_samples(hostile_t *line, uint8_t *payload, bool wrong) {
    const uint32_t draw = hostile_below(line, 100);
    const uint32_t n = draw < 75   ? hostile_between(line, 0, 8)
                       : draw < 97 ? hostile_between(line, 9, RING_FRAMES)
                                   : hostile_between(line, RING_FRAMES + 1u, 84);
    const uint32_t first = storm.model.received + (wrong ? hostile_between(line, 0, 20) - 10u : 0);
    memcpy(payload, &first, sizeof first);
    payload[4] = (uint8_t)n;
    payload[5] = 0;
    hostile_fill(line, &payload[6], (size_t)n * 2u * N_CHANNELS);
    return 6u + (size_t)n * 2u * N_CHANNELS;
}

/* The next message of a host that is mostly in its right mind. */
static size_t make_message(hostile_t *line, uint8_t *type, uint8_t *payload) {
    const uint32_t draw = hostile_below(line, 1000);
    if (draw < 880 && storm.model.running && storm.model.source == MYO_SOURCE_HOST) {
        *type = MYO_MESSAGE_SAMPLES;
        return make_samples(line, payload, draw < 20);
    }
    if (draw < 900 || (draw < 990 && !storm.model.running)) {
        static const uint32_t MASKS[] = {1, 1, 1, 1, 1, 1, 0, 1u << MYO_STAGE_OUTPUT | 1u, 0x7f};
        static const uint32_t BASES[] = {0, 0, UINT32_MAX - 40u, UINT32_MAX - 3u, INT32_MAX - 20u};
        *type = MYO_MESSAGE_START;
        payload[0] = draw % 16u == 0 ? MYO_SOURCE_ADC : draw % 16u == 1 ? 9 : MYO_SOURCE_HOST;
        memcpy(&payload[1], &MASKS[hostile_below(line, 9)], 4);
        storm.base = BASES[hostile_below(line, 5)];
        return 5;
    }
    if (draw < 990) {
        static const uint8_t TYPES[] = {MYO_MESSAGE_STATUS_REQUEST, MYO_MESSAGE_STATUS_REQUEST,
                                        MYO_MESSAGE_HELLO_REQUEST, MYO_MESSAGE_STOP, MYO_MESSAGE_RESET};
        *type = TYPES[hostile_below(line, 5)];
        payload[0] = MYO_PROTOCOL_VERSION;
        return *type == MYO_MESSAGE_HELLO_REQUEST || *type == MYO_MESSAGE_RESET;
    }
    *type = (uint8_t)hostile_next(line); /* a host that has lost it */
    const uint32_t n = hostile_below(line, 10) == 0 ? MYO_MAX_PAYLOAD : hostile_below(line, 20);
    hostile_fill(line, payload, n);
    return n;
}

static void send_message(bool intact, uint8_t type, const uint8_t *payload, size_t n) {
    hostile_t *const line = &storm.line;
    if (type == MYO_MESSAGE_HELLO_REQUEST) {
        storm.sequence = 0;
    } else if (!intact && hostile_below(line, 200) == 0) {
        storm.sequence = (uint16_t)(storm.sequence + hostile_next(line));
    }
    const uint16_t sequence = storm.sequence++;
    if (intact) {
        hostile_send_as(line, HOSTILE_INTACT, type, sequence, payload, n);
    } else {
        hostile_send(line, type, sequence, payload, n);
    }
}

/* Whatever came before: after one zero a hello, a start, samples and a stop are served. */
static void probe(void) {
    hostile_t *const line = &storm.line;
    storm.n_probes++;
    give_line(true);
    uint8_t payload[64] = {MYO_PROTOCOL_VERSION};
    send_message(true, MYO_MESSAGE_HELLO_REQUEST, payload, 1);
    const uint8_t start[5] = {MYO_SOURCE_HOST, 1};
    storm.base = 0;
    send_message(true, MYO_MESSAGE_START, start, sizeof start);
    give_line(false);
    for (uint32_t k = 0; k < 2; k++) {
        const uint32_t first = storm.model.received;
        memcpy(payload, &first, sizeof first);
        payload[4] = 8;
        payload[5] = 0;
        hostile_fill(line, &payload[6], 48);
        send_message(true, MYO_MESSAGE_SAMPLES, payload, 54);
        give_line(false);
    }
    send_message(true, MYO_MESSAGE_STOP, payload, 0);
    give_line(false);
    check("samples of a clean run", device.patch.samples, 16);
    check("windows of a clean run", device.patch.windows, 1);
    check("faults of a clean run", device.link.faults, 0);
}

static void make_device(void) {
    const settings_t settings = {.n_channels = N_CHANNELS,
                                 .window_samples = WINDOW,
                                 .hop_samples = HOP,
                                 .n_outputs = 4,
                                 .sample_bytes = 2,
                                 .adc_bits = 16,
                                 .vote = 3,
                                 .reject_below = -128,
                                 .input_shift = 12,
                                 .post_shift = 1,
                                 .multiplier = 1 << 24,
                                 .shift = 45,
                                 .ring_frames = RING_FRAMES,
                                 .rx_bytes = 8192,
                                 .tx_bytes = 1024,
                                 .n_filtered = N_CHANNELS,
                                 .factor = 1};
    static uint8_t packed[1024]; /* as the harness gets them, of a size that no compiler reasons about */
    memcpy(packed, &settings, sizeof settings);
    check("status of the device", init_device(packed, sizeof settings), MYO_OK);
    myo_frame_decoder_init(&storm.shadow);
    myo_frame_decoder_init(&storm.host);
}

static void print_counts(void) {
    (void)printf("{\"kinds\": {");
    for (uint32_t kind = 0; kind < HOSTILE_N_KINDS; kind++) {
        (void)printf("%s\"%s\": %llu", kind > 0 ? ", " : "", HOSTILE_NAMES[kind],
                     (unsigned long long)storm.line.counts[kind]);
    }
    (void)printf("}, \"hostile\": %llu", (unsigned long long)hostile_frames(&storm.line));
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"pieces", storm.n_pieces},
                {"refused", storm.n_pieces - storm.n_whole},
                {"whole", storm.n_whole},
                {"accepted", storm.n_accepted},
                {"other_spelling", storm.n_other_spelling},
                {"decided_by_crc", storm.n_reached_crc},
                {"samples_taken", storm.n_samples},
                {"decisions", storm.n_windows},
                {"clean_runs", storm.n_probes},
                {"counter_wraps", storm.n_wraps}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)printf(", \"%s\": %llu", rows[i].name, (unsigned long long)rows[i].value);
    }
    (void)printf("}\n");
}

static int storm_device(uint64_t n_refused) {
    make_device();
    for (uint64_t n = 0; storm.n_pieces - storm.n_whole < n_refused; n++) {
        uint8_t payload[MYO_MAX_PAYLOAD], type;
        const size_t n_payload = make_message(&storm.line, &type, payload);
        send_message(false, type, payload, n_payload);
        give_line(false);
        if (storm.model.running && storm.model.source == MYO_SOURCE_ADC) {
            convert();
        }
        if (n % PROBE_EVERY == 0) {
            probe();
        }
    }
    print_counts();
    while (device.n_memory > 0) {
        free(device.memory[--device.n_memory]);
    }
    free(device.line.bytes);
    free(storm.answers.bytes);
    return EXIT_SUCCESS;
}

static void write_batch(buffer_t *line, buffer_t *bodies) {
    const uint32_t lengths[2] = {(uint32_t)line->length, (uint32_t)bodies->length};
    (void)fwrite(lengths, sizeof lengths, 1, stdout);
    (void)fwrite(bodies->bytes, 1, bodies->length, stdout);
    if (fwrite(line->bytes, 1, line->length, stdout) != line->length) {
        exit(EXIT_FAILURE); /* who reads has gone */
    }
    line->length = bodies->length = 0;
}

/* Moves the line into a batch, and the bodies that must be accepted of it. */
static void take_line(buffer_t *line, buffer_t *bodies) {
    hostile_t *const from = &storm.line;
    for (size_t i = 0; i < from->length; i++) {
        static uint8_t piece[2u * HOSTILE_ROOM];
        static size_t n;
        myo_frame_t frame;
        const uint8_t byte = from->line[i];
        const myo_frame_result_t result = myo_frame_decoder_put(&storm.shadow, byte, &frame);
        if (byte != 0) {
            piece[n < sizeof piece - 1u ? n++ : n] = byte;
            continue;
        }
        const myo_frame_result_t truth = hostile_truth(from, piece, n);
        storm.n_pieces += n > 0;
        storm.n_reached_crc += truth == MYO_FRAME_BAD && storm.shadow.cobs.length >= 8u;
        n = 0;
        bool whole = truth == MYO_FRAME_READY;
        if (truth == MYO_FRAME_BAD && result == MYO_FRAME_READY && hostile_was_sent(from, &frame)) {
            storm.n_other_spelling++;
            whole = true;
        }
        storm.n_whole += whole;
        if (whole) {
            const uint16_t length = (uint16_t)(sizeof frame.header + frame.payload_bytes);
            buffer_add(bodies, &length, sizeof length);
            buffer_add(bodies, storm.shadow.raw, length);
        }
    }
    buffer_add(line, from->line, from->length);
    from->length = 0;
}

static int storm_host(uint64_t n_refused) {
    buffer_t line = {0}, bodies = {0};
    myo_frame_decoder_init(&storm.shadow);
    while (storm.n_pieces - storm.n_whole < n_refused) {
        uint8_t payload[MYO_MAX_PAYLOAD];
        const uint32_t draw = hostile_below(&storm.line, 100);
        const uint32_t n = draw < 80   ? hostile_below(&storm.line, 64)
                           : draw < 95 ? hostile_below(&storm.line, 300)
                                       : hostile_between(&storm.line, 480, MYO_MAX_PAYLOAD);
        hostile_fill(&storm.line, payload, n);
        hostile_send(&storm.line, (uint8_t)hostile_between(&storm.line, 0x80, 0x88), storm.sequence++,
                     payload, n);
        take_line(&line, &bodies);
        if (line.length > BATCH_BYTES) {
            write_batch(&line, &bodies);
        }
    }
    write_batch(&line, &bodies);
    write_batch(&line, &bodies); /* empty: the end; the counts follow */
    print_counts();
    free(line.bytes);
    free(bodies.bytes);
    return EXIT_SUCCESS;
}

int main(int n_arguments, char **arguments) {
    if (n_arguments != 4) {
        (void)fprintf(stderr, "usage: link_storm device|host SEED N_REFUSED\n");
        return 2;
    }
    storm.line.state = strtoull(arguments[2], NULL, 10);
    const uint64_t n_refused = strtoull(arguments[3], NULL, 10);
    return strcmp(arguments[1], "device") == 0 ? storm_device(n_refused) : storm_host(n_refused);
}
