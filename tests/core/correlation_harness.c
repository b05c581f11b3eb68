/* Correlation around the ring, one operation; numbers are little-endian, as the host is. */
#include "features/myo_correlation.h"
#include "harness.h"

typedef struct { /* as ask in test_correlation.py */
    int32_t n_channels, window, hop, reach, n_pushes, missing_words;
} head_t;

static void *copy(const uint8_t **data, size_t size) {
    void *found = malloc(size + 1u);
    memcpy(found, *data, size);
    *data += size;
    return found;
}

/* head, frames of each push (i32; -1 resets), words (i16) -> status, words of memory, then every window's
 * words
 */
static void correlation(const uint8_t *data, buffer_t *out) {
    head_t head;
    memcpy(&head, data, sizeof head);
    data += sizeof head;
    int32_t *pushes = copy(&data, 4u * (size_t)head.n_pushes);
    const myo_correlation_config_t config = {
        .n_channels = (uint16_t)head.n_channels,
        .window = (uint16_t)head.window,
        .hop = (uint16_t)head.hop,
        .reach = (uint8_t)head.reach,
    };
    const size_t asked = myo_correlation_memory_words(&config);
    const size_t memory_words = asked - (asked > 0 ? (size_t)head.missing_words : 0);
    uint32_t *memory = malloc(memory_words * sizeof *memory + 1u);
    memset(memory, 0xA5, memory_words * sizeof *memory);
    myo_correlation_t self;
    const myo_status_t status = myo_correlation_init(&self, &config, memory, memory_words);
    buffer_add_u32(out, status);
    buffer_add_u32(out, (uint32_t)asked);
    const size_t n_words = (size_t)head.reach * (size_t)head.n_channels;
    int32_t *words = malloc(n_words * sizeof *words + 1u);
    for (int32_t k = 0; status == MYO_OK && k < head.n_pushes; k++) {
        if (pushes[k] < 0) {
            myo_correlation_reset(&self);
            continue;
        }
        size_t n_frames = (size_t)pushes[k];
        int16_t *block = copy(&data, n_frames * (size_t)head.n_channels * sizeof(int16_t));
        const int16_t *frames = block;
        while (myo_correlation_push(&self, &frames, &n_frames, words)) {
            buffer_add(out, words, n_words * sizeof *words);
        }
        free(block);
    }
    free(words);
    free(memory);
    free(pushes);
}

int main(void) {
    buffer_t out = {0};
    uint8_t *data;
    uint32_t n;
    while (harness_read(&data, &n) != EOF) {
        correlation(data, &out);
        harness_answer(&out);
        free(data);
    }
    free(out.bytes);
    return 0;
}
