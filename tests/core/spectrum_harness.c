/* Transform and spectral features, one operation each; numbers are little-endian, as the host is. */
#include "dsp/myo_fft.h"
#include "harness.h"
#include "stream/myo_feature_stage.h"

/* length (u32), turns (3/4 length x 2 i32), complex numbers (i32) -> their transforms, one after the other */
static void transform(const uint8_t *data, uint32_t n, buffer_t *out) {
    uint32_t length;
    memcpy(&length, data, sizeof length);
    const size_t turns_size = 6u * (size_t)length;
    myo_complex_t *turns = malloc(turns_size);
    memcpy(turns, data + 4, turns_size);
    const size_t size = 8u * (size_t)length;
    for (size_t at = 4u + turns_size; at + size <= n; at += size) {
        myo_complex_t *z = malloc(size);
        memcpy(z, data + at, size);
        myo_fft(z, length, turns);
        buffer_add(out, z, size);
        free(z);
    }
    free(turns);
}

typedef struct { /* as ask_spectrum in test_spectrum.py */
    int32_t n_channels, window, hop, length, has_taper, n_features, n_pushes, missing_words;
    int32_t outer_window, outer_hop, n_segments; /* of a window's segments; n_segments 0: none */
} head_t;

static void *copy(const uint8_t **data, size_t size) {
    void *found = malloc(size + 1u);
    memcpy(found, *data, size);
    *data += size;
    return found;
}

/* head, taper, turns, bins, features (3 x u16), frames of each push (i32; -1 resets), words (i16) -> status,
   then every window's words */
static void spectrum(const uint8_t *data, buffer_t *out) {
    head_t head;
    memcpy(&head, data, sizeof head);
    data += sizeof head;
    const size_t length = (size_t)head.length;
    int16_t *taper = copy(&data, head.has_taper ? 2u * (size_t)head.window : 0);
    myo_complex_t *turns = copy(&data, 6u * length);
    uint16_t *bins = copy(&data, length);
    myo_spectrum_feature_t *features = copy(&data, 6u * (size_t)head.n_features);
    int32_t *pushes = copy(&data, 4u * (size_t)head.n_pushes);
    const myo_spectrum_config_t config = {
        .n_channels = (uint16_t)head.n_channels,
        .window = (uint16_t)head.window,
        .hop = (uint16_t)head.hop,
        .length = (uint16_t)head.length,
        .taper = head.has_taper ? taper : NULL,
        .turns = turns,
        .bins = bins,
        .n_features = (uint16_t)head.n_features,
        .features = features,
    };
    const myo_stft_config_t stft = {.segment = &config,
                                    .window = (uint16_t)head.outer_window,
                                    .hop = (uint16_t)head.outer_hop,
                                    .n_segments = (uint16_t)head.n_segments};
    const bool is_stft = head.n_segments != 0;
    const myo_feature_engine_t *const engine = is_stft ? &myo_stft_engine : &myo_spectrum_engine;
    const void *const engine_config = is_stft ? (const void *)&stft : &config;
    const size_t memory_words = engine->memory_words(engine_config) - (size_t)head.missing_words;
    uint32_t *memory = malloc(memory_words * sizeof *memory + 1u);
    const size_t scratch_bytes = engine->scratch_words(engine_config) * sizeof *memory;
    uint32_t *scratch = malloc(scratch_bytes);
    myo_feature_state_t self;
    const myo_status_t status = engine->init(&self, engine_config, memory, memory_words, scratch);
    buffer_add_u32(out, status);
    const size_t n_words = (size_t)engine->shape(engine_config).n_components * (size_t)head.n_channels;
    int32_t *words = malloc(n_words * sizeof *words + 1u);
    for (int32_t k = 0; status == MYO_OK && k < head.n_pushes; k++) {
        if (pushes[k] < 0) {
            engine->reset(&self);
            continue;
        }
        memset(scratch, 0xA5, scratch_bytes); /* others use it between pushes */
        size_t n_frames = (size_t)pushes[k];
        int16_t *block = copy(&data, n_frames * (size_t)head.n_channels * sizeof(int16_t));
        const int16_t *frames = block;
        while (engine->push(&self, &frames, &n_frames, words)) {
            buffer_add(out, words, n_words * sizeof *words);
        }
        free(block);
    }
    free(words);
    free(memory);
    free(scratch);
    free(pushes);
    free(features);
    free(bins);
    free(turns);
    free(taper);
}

int main(void) {
    buffer_t out = {0};
    uint8_t *data;
    uint32_t n;
    for (int operation; (operation = harness_read(&data, &n)) != EOF;) {
        if (operation == 't') {
            transform(data, n, &out);
        } else {
            spectrum(data, &out);
        }
        harness_answer(&out);
        free(data);
    }
    free(out.bytes);
    return 0;
}
