/* Signal quality; numbers are little-endian, as the host is. */
#include "harness.h"
#include "quality/myo_quality.h"

typedef struct { /* as in quality_case.py */
    int64_t n_channels, adc_bits, block_frames, group_blocks, n_groups, period_looks, stride;
    int64_t cosine_sum, sine_sum, mains_shift, mains_down, mains_up, mains_q16, clip_level, clip_count;
    int64_t flat_energy, off_energy, mains_energy, motion_energy;
    int64_t off_q16, mains_share_q16, motion_q16, duplicated_q16, snr_q16;
    int64_t settle_periods, periods_on, periods_off, checks;
    int64_t n_pushes, n_missing;
} head_t;

/* head, cosines and sines (i16), frames of each push (i32; -1 resets), counts (i32)
   -> status, then of every period the mask of all flags (u64) and each channel's flags (u8) */
static void quality(const uint8_t *data, buffer_t *out) {
    head_t head;
    memcpy(&head, data, sizeof head);
    data += sizeof head;
    const size_t n_blocks = (size_t)(head.group_blocks * head.n_groups);
    const size_t n_channels = (size_t)head.n_channels;
    int16_t *waves = malloc(4u * n_blocks + 1u);
    memcpy(waves, data, 4u * n_blocks);
    data += 4u * n_blocks;
    int32_t *pushes = malloc(4u * (size_t)head.n_pushes + 1u);
    memcpy(pushes, data, 4u * (size_t)head.n_pushes);
    data += 4u * (size_t)head.n_pushes;
    const myo_quality_config_t config = {
        .n_channels = (uint16_t)head.n_channels,
        .period_looks = (uint16_t)head.period_looks,
        .stride = (uint16_t)head.stride,
        .take = myo_quality_take_any,
        .block_frames = (uint16_t)head.block_frames,
        .group_blocks = (uint16_t)head.group_blocks,
        .n_groups = (uint16_t)head.n_groups,
        .adc_bits = (uint8_t)head.adc_bits,
        .mains_shift = (uint8_t)head.mains_shift,
        .mains_down = (uint8_t)head.mains_down,
        .mains_up = (uint8_t)head.mains_up,
        .periods_on = (uint8_t)head.periods_on,
        .periods_off = (uint8_t)head.periods_off,
        .checks = (uint8_t)head.checks,
        .settle_periods = (uint16_t)head.settle_periods,
        .cosines = waves,
        .sines = waves + n_blocks,
        .cosine_sum = (int32_t)head.cosine_sum,
        .sine_sum = (int32_t)head.sine_sum,
        .clip_level = (int32_t)head.clip_level,
        .clip_count = (uint32_t)head.clip_count,
        .flat_energy = (uint64_t)head.flat_energy,
        .off_energy = (uint64_t)head.off_energy,
        .mains_energy = (uint64_t)head.mains_energy,
        .motion_energy = (uint64_t)head.motion_energy,
        .mains_q16 = (uint32_t)head.mains_q16,
        .off_q16 = (uint32_t)head.off_q16,
        .mains_share_q16 = (uint32_t)head.mains_share_q16,
        .motion_q16 = (uint32_t)head.motion_q16,
        .duplicated_q16 = (uint32_t)head.duplicated_q16,
        .snr_q16 = (uint32_t)head.snr_q16,
    };
    myo_quality_channel_t *channels = malloc(n_channels * sizeof *channels + 1u);
    const size_t n_sums =
        n_channels * (size_t)(head.group_blocks * head.block_frames) - (size_t)head.n_missing;
    int32_t *blocks = malloc(n_sums * sizeof *blocks + 1u);
    myo_quality_t self;
    const myo_status_t status = myo_quality_init(&self, &config, channels, n_channels, blocks, n_sums);
    buffer_add_u32(out, status);
    for (int64_t k = 0; status == MYO_OK && k < head.n_pushes; k++) {
        if (pushes[k] < 0) {
            myo_quality_reset(&self);
            continue;
        }
        const size_t size = (size_t)pushes[k] * n_channels * sizeof(int32_t);
        int32_t *copy = malloc(size + 1u); /* of its size: the sanitizer sees a read beyond */
        memcpy(copy, data, size);
        data += size;
        const int32_t *frames = copy;
        size_t n_frames = (size_t)pushes[k];
        while (myo_quality_push(&self, &frames, &n_frames)) {
            const uint64_t mask = myo_quality_mask(&self, 0xFFu);
            buffer_add(out, &mask, sizeof mask);
            for (size_t c = 0; c < n_channels; c++) {
                buffer_add(out, &channels[c].flags, 1u);
            }
        }
        free(copy);
    }
    free(blocks);
    free(channels);
    free(pushes);
    free(waves);
}

int main(void) {
    buffer_t out = {0};
    uint8_t *data;
    uint32_t n;
    while (harness_read(&data, &n) != EOF) {
        quality(data, &out);
        harness_answer(&out);
        free(data);
    }
    free(out.bytes);
    return 0;
}
