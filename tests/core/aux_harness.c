/* Auxiliary streams: one operation; numbers are little-endian words, as the host is.

   X: streams, words of memory, frame, events; per stream input shift, channels, rate, adc_bits, sample_bytes,
   ring_samples, unit, step, first, frame, max_age, reciprocal, reciprocal_shift, shift, steps and its steps;
   per event a kind, a stream, a number and what belongs to it: 0 a sample, whose stamp the number is, with
   its counts; 1 that many frames of the window; 2 a reset; 3 nothing, but `now` of all streams moves on by
   the number, as if as many frames had gone by
   -> status; per run each stream's mark and words, frame by frame; then held, dropped and lost of each. */
#include "harness.h"
#include "step_reader.h"
#include "stream/myo_aux.h"

#define MOST_OUT 64u

typedef struct {
    int32_t input_shift, n_channels, rate_mhz, adc_bits, sample_bytes, ring_samples, unit, step, first, frame,
        max_age, reciprocal, reciprocal_shift, shift, n_steps;
} stream_t;

static void add_run(const myo_aux_stage_config_t *config, const myo_aux_stage_memory_t *own_memory,
                    uint32_t n_frames, buffer_t *out) {
    static int32_t block[MYO_AUX_MAX_STREAMS * MOST_OUT * MYO_BLOCK_FRAMES];
    uint32_t before[MYO_AUX_MAX_STREAMS];
    for (uint32_t i = 0; i < config->n_streams; i++) {
        before[i] = own_memory->streams[i].frames;
    }
    myo_aux_functions.run(config, own_memory, block, n_frames, NULL, NULL);
    const int32_t *words = block;
    for (uint32_t i = 0; i < config->n_streams; i++) {
        const uint32_t n_out = myo_front_end_channels(&config->streams[i].chain);
        const uint32_t marked = own_memory->streams[i].marked;
        buffer_add_u32(out, marked > before[i] ? marked - before[i] : 0);
        for (uint32_t k = 0; k < n_frames * n_out; k++) {
            buffer_add(out, &words[k % n_out * MYO_BLOCK_FRAMES + k / n_out], 4);
        }
        words += n_out * MYO_BLOCK_FRAMES;
    }
}

static void run_streams(const int32_t *data, buffer_t *out) {
    const uint32_t n_streams = (uint32_t)data[0], n_events = (uint32_t)data[3];
    const size_t n_words = (size_t)data[1];
    const uint32_t frame = (uint32_t)data[2];
    static myo_step_t steps[MAX_STEPS];
    myo_aux_config_t configs_of[MYO_AUX_MAX_STREAMS];
    uint32_t n_steps = 0, n_channels = 0, wide = 0;
    data += 4;
    for (uint32_t i = 0; i < n_streams; i++) {
        stream_t s;
        memcpy(&s, data, sizeof s);
        data = read_steps(data + sizeof s / sizeof *data, steps, n_steps, (uint32_t)s.n_steps);
        configs_of[i] = (myo_aux_config_t){
            .chain = {.steps = s.n_steps > 0 ? &steps[n_steps] : NULL,
                      .n_steps = (uint8_t)s.n_steps,
                      .input_shift = (int8_t)s.input_shift,
                      .n_channels = (uint16_t)s.n_channels},
            .rate_mhz = (uint32_t)s.rate_mhz,
            .adc_bits = (uint8_t)s.adc_bits,
            .sample_bytes = (uint8_t)s.sample_bytes,
            .ring_samples = (uint16_t)s.ring_samples,
            .unit = (uint32_t)s.unit,
            .step = (uint32_t)s.step,
            .first = s.first,
            .frame = (uint16_t)s.frame,
            .max_age = (uint32_t)s.max_age,
            .reciprocal = (uint32_t)s.reciprocal,
            .reciprocal_shift = (uint8_t)s.reciprocal_shift,
            .shift = (uint8_t)s.shift,
        };
        n_steps += (uint32_t)s.n_steps;
        n_channels += myo_front_end_channels(&configs_of[i].chain);
        wide |= (uint32_t)(s.sample_bytes == 4) << i;
    }
    const myo_aux_stage_config_t config = {.streams = configs_of,
                                           .n_streams = (uint8_t)n_streams,
                                           .wide = (uint8_t)wide,
                                           .n_channels = (uint16_t)n_channels,
                                           .functions = &myo_aux_functions};
    int32_t *words = malloc(4 * n_words + 1); /* not cleared: init does */
    memset(words, 0x5a, 4 * n_words);
    myo_aux_t streams[MYO_AUX_MAX_STREAMS];
    const myo_aux_stage_memory_t own_memory = {
        .streams = streams, .n_streams = MYO_AUX_MAX_STREAMS, .words = words, .n_words = n_words};
    const myo_status_t status = myo_aux_functions.init(&config, &own_memory, frame);
    buffer_add_u32(out, status);
    for (uint32_t k = 0; k < n_events && status == MYO_OK; k++) {
        const int32_t kind = data[0];
        myo_aux_t *const stream = &streams[data[1]];
        const uint32_t number = (uint32_t)data[2];
        data += 3;
        if (kind == 0) {
            int32_t *slot = myo_ring_reserve(&stream->ring);
            if (slot != NULL) {
                memcpy(slot, data, 4u * stream->ring.n_channels);
                myo_ring_commit(&stream->ring, number);
            }
            data += stream->ring.n_channels;
        } else if (kind == 1) {
            add_run(&config, &own_memory, number, out);
        } else if (kind == 2) {
            myo_aux_functions.reset(&config, &own_memory);
        } else {
            for (uint32_t i = 0; i < n_streams; i++) {
                streams[i].now += number;
            }
        }
    }
    for (uint32_t i = 0; i < n_streams && status == MYO_OK; i++) {
        buffer_add_u32(out, streams[i].n_held);
        buffer_add_u32(out, streams[i].n_dropped);
        buffer_add_u32(out, myo_ring_lost(&streams[i].ring));
    }
    free(words);
    free_steps();
}

int main(void) {
    return harness_serve('X', run_streams);
}
