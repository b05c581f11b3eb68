/* Features and their integer mathematics, one operation each; numbers are little-endian, as the host is. */
#include "dsp/myo_fixed_math.h"
#include "feature_kinds.h"
#include "features/myo_features.h"
#include "features/myo_features_template.h"
#include "features/myo_normalize.h"
#include "harness.h"

typedef struct { /* as Head in feature_case.py */
    int32_t n_channels, window, hop, blocks_per_hop, n_blocks, first_middle_block, end_middle_block;
    int32_t n_features, n_components, needs, n_lags, order, n_bins, bin_range, bin_multiplier, bin_shift;
    int32_t threshold_zc, threshold_ssc, threshold_wamp;
    int32_t n_pushes, missing_words, is_special;
} head_t;

/* What a generated config does: everything known when compiling. */
#define SPECIAL_NEEDS                                                                                        \
    (MYO_SUM_ABS | MYO_SUM_X | MYO_SUM_SQUARE | MYO_SUM_LOG | MYO_SUM_WL | MYO_SUM_ZC | MYO_SUM_SSC)
MYO_FEATURES_SPECIALIZE(SPECIAL_NEEDS, 3, 0, 0, 4, 5, 5, 0)

/* head, block lengths (u16), features (kind, transform, shift, 0), frames of each push (i32; -1 resets),
   words (i16) -> status, then every window's words. */
static void features(const uint8_t *data, uint32_t n, buffer_t *out) {
    head_t head;
    memcpy(&head, data, sizeof head);
    data += sizeof head;
    uint16_t *lengths = malloc(sizeof *lengths * (size_t)head.blocks_per_hop + 1u);
    memcpy(lengths, data, sizeof *lengths * (size_t)head.blocks_per_hop);
    data += sizeof *lengths * (size_t)head.blocks_per_hop;
    myo_feature_t *rows = malloc(sizeof *rows * (size_t)head.n_features + 1u);
    for (int32_t k = 0; k < head.n_features; k++, data += 4) {
        rows[k] = (myo_feature_t){.kind = feature_kinds[data[0]], .transform = data[1], .shift = data[2]};
    }
    int32_t *pushes = malloc(4u * (size_t)head.n_pushes + 1u);
    memcpy(pushes, data, 4u * (size_t)head.n_pushes);
    data += 4u * (size_t)head.n_pushes;
    (void)n;
    const myo_features_config_t config = {
        .n_channels = (uint16_t)head.n_channels,
        .window = (uint16_t)head.window,
        .hop = (uint16_t)head.hop,
        .blocks_per_hop = (uint16_t)head.blocks_per_hop,
        .block_lengths = lengths,
        .n_blocks = (uint16_t)head.n_blocks,
        .first_middle_block = (uint16_t)head.first_middle_block,
        .end_middle_block = (uint16_t)head.end_middle_block,
        .n_features = (uint16_t)head.n_features,
        .n_components = (uint16_t)head.n_components,
        .features = rows,
        .needs = (uint32_t)head.needs,
        .n_lags = (uint8_t)head.n_lags,
        .order = (uint8_t)head.order,
        .n_bins = (uint8_t)head.n_bins,
        .bin_shift = (uint8_t)head.bin_shift,
        .bin_range = (uint16_t)head.bin_range,
        .bin_multiplier = (uint32_t)head.bin_multiplier,
        .threshold_zc = head.threshold_zc,
        .threshold_ssc = head.threshold_ssc,
        .threshold_wamp = head.threshold_wamp,
        .accumulate = head.is_special ? accumulate : myo_features_accumulate_any,
        .sum_window = head.is_special ? sum_window : myo_features_sum_any,
    };
    const size_t memory_words = myo_features_memory_words(&config) - (size_t)head.missing_words;
    uint32_t *memory = malloc(memory_words * sizeof *memory + 1u);
    myo_features_t self;
    const myo_status_t status = myo_features_init(&self, &config, memory, memory_words);
    buffer_add_u32(out, status);
    const size_t n_words = (size_t)head.n_components * (size_t)head.n_channels;
    int32_t *words = malloc(n_words * sizeof *words + 1u);
    for (int32_t k = 0; status == MYO_OK && k < head.n_pushes; k++) {
        if (pushes[k] < 0) {
            myo_features_reset(&self);
            continue;
        }
        const size_t size = (size_t)pushes[k] * (size_t)head.n_channels * sizeof(int16_t);
        int16_t *block = malloc(size + 2u); /* of its size: the sanitizer sees a read beyond */
        memcpy(block, data, size);
        data += size;
        const int16_t *frames = block;
        size_t n_frames = (size_t)pushes[k];
        while (myo_features_push(&self, &frames, &n_frames, words)) {
            buffer_add(out, words, n_words * sizeof *words);
        }
        free(block);
    }
    free(words);
    free(memory);
    free(pushes);
    free(rows);
    free(lengths);
}

/* n, bits, zero point, then n each of means, fractions, multipliers, shifts, words -> status, outputs (i8 or
 * i16) */
static void normalization(const uint8_t *data, buffer_t *out) {
    int32_t head[3];
    memcpy(head, data, sizeof head);
    const size_t n = (size_t)head[0];
    const int32_t *const rest = (const int32_t *)(const void *)(data + sizeof head);
    myo_normalize_t *constants = malloc(n * sizeof *constants + 1u);
    int32_t *words = malloc(n * sizeof *words + 1u);
    for (size_t k = 0; k < n; k++) {
        constants[k] = (myo_normalize_t){rest[k], rest[n + k], rest[2u * n + k], (uint8_t)rest[3u * n + k]};
        words[k] = rest[4u * n + k];
    }
    const myo_status_t status = myo_normalize_check(constants, n);
    buffer_add_u32(out, status);
    const size_t size = n * (size_t)head[1] / 8u;
    void *outputs = malloc(size + 1u);
    if (status == MYO_OK && head[1] == 8) {
        myo_normalize_int8(constants, words, n, (int8_t)head[2], outputs);
    } else if (status == MYO_OK) {
        myo_normalize_int16(constants, words, n, outputs);
    }
    buffer_add(out, outputs, status == MYO_OK ? size : 0);
    free(outputs);
    free(words);
    free(constants);
}

static uint64_t number(const uint8_t *data, size_t index) {
    uint64_t value;
    memcpy(&value, data + 8u * index, sizeof value);
    return value;
}

/* operation on 64-bit numbers, as many as it takes -> i32 each */
static void mathematics(int operation, const uint8_t *data, uint32_t n, buffer_t *out) {
    const uint32_t n_arguments = operation == 'd' ? 3u : operation == 'r' || operation == 'x' ? 2u : 1u;
    for (uint32_t k = 0; k + n_arguments <= n / 8u; k += n_arguments) {
        switch (operation) {
        case 'l':
            buffer_add_u32(out, myo_log2_q16_u64(number(data, k)));
            break;
        case 's':
            buffer_add_u32(out, myo_sqrt_nearest(number(data, k)));
            break;
        case 'd':
            buffer_add_u32(out, (uint32_t)myo_divide_nearest(number(data, k), number(data, k + 1u),
                                                             (int32_t)number(data, k + 2u)));
            break;
        case 'e':
            buffer_add_u32(out, (uint32_t)myo_exp2_q30((int32_t)number(data, k)));
            break;
        case 'r':
            buffer_add_u32(
                out, (uint32_t)myo_shift_nearest((int64_t)number(data, k), (uint32_t)number(data, k + 1u)));
            break;
        default: /* 'x': x_q31 and shift -> word */
            buffer_add_u32(
                out, (uint32_t)myo_features_word((int32_t)number(data, k), (uint32_t)number(data, k + 1u)));
            break;
        }
    }
}

int main(void) {
    buffer_t out = {0};
    uint8_t *data;
    uint32_t n;
    for (int operation; (operation = harness_read(&data, &n)) != EOF;) {
        if (operation == 'f') {
            features(data, n, &out);
        } else if (operation == 'n') {
            normalization(data, &out);
        } else {
            mathematics(operation, data, n, &out);
        }
        harness_answer(&out);
        free(data);
    }
    free(out.bytes);
    return 0;
}
