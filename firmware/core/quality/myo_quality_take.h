/* What the signal quality does with every sample, which costs most of it. Inline: where sizes are constants,
   as in the generated quality_config.c, blocks are unrolled and what is not looked for is left out. The
   results are the same to the bit, with constants or without, with the DSP extension or without. */
#ifndef MYO_QUALITY_TAKE_H
#define MYO_QUALITY_TAKE_H

#include <string.h>

#include "quality/myo_quality.h"

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#include <arm_acle.h>
#define MYO_QUALITY_DSP 1
#else
#define MYO_QUALITY_DSP 0
#endif

#define MYO_QUALITY_INLINE static inline __attribute__((always_inline))

/* What myo_quality_take is specialised to. */
typedef struct {
    uint32_t n_channels;
    uint32_t stride;
    uint32_t block_frames;
    uint32_t group_blocks;
    int32_t clip_level;
    bool is_narrow; /* counts fit int16 */
    bool clips;     /* samples at the ends are counted */
    bool compares;  /* channels are compared with each other */
    bool tunes;     /* the energy of the mains is wanted */
} myo_quality_shape_t;

/* Adds n counts of one channel, row words apart, to *sum; gives their energy. */
MYO_QUALITY_INLINE int64_t myo_quality_sum(const int32_t *x, uint32_t row, uint32_t n, int32_t *sum,
                                           int64_t energy, bool is_narrow) {
    int32_t total = 0;
    uint32_t i = 0;
#if MYO_QUALITY_DSP
    for (; is_narrow && i + 2u <= n; i += 2u, x += 2u * row) {
        const int16x2_t pair = (int16x2_t)(((uint32_t)x[0] & 0xFFFFu) | (uint32_t)x[row] << 16);
        total = __smlad(pair, 0x00010001, total);
        energy = __smlald(pair, pair, energy);
    }
#else
    (void)is_narrow;
#endif
    for (; i < n; i++, x += row) {
        total += *x;
        energy += (int64_t)*x * *x; /* signed: gcc makes one SMLAL of it */
    }
    *sum = total;
    return energy;
}

/* floor(sum^2 / n) for n up to MYO_QUALITY_MAX_PERIOD_FRAMES: no division of 64 bits. */
MYO_QUALITY_INLINE uint64_t myo_quality_square_over(int32_t sum, uint32_t n) {
    const uint32_t size = sum < 0 ? 0u - (uint32_t)sum : (uint32_t)sum;
    const uint32_t mean = size / n;
    const uint32_t left = size - mean * n;
    return (uint64_t)mean * (size + left) + left * left / n; /* mean^2 n + 2 mean left + left^2 / n */
}

/* Sums of one channel over a group's blocks. */
MYO_QUALITY_INLINE void myo_quality_sum_group(const myo_quality_t *self, myo_quality_channel_t *channel,
                                              const int32_t *x, myo_quality_shape_t shape) {
    int32_t sums[MYO_QUALITY_MAX_GROUP_BLOCKS];
    int64_t energy = 0;
    const int32_t *at = x;
#pragma GCC unroll 1 /* the block inside is unrolled: more of them at once do not fit the registers */
    for (uint32_t k = 0; k < shape.group_blocks; k++, at += shape.block_frames * shape.n_channels) {
        energy = myo_quality_sum(at, shape.n_channels, shape.block_frames, &sums[k], energy, shape.is_narrow);
    }
    const uint32_t first = self->group * shape.group_blocks;
    const int16_t *const cosines = &self->config->cosines[first];
    const int16_t *const sines = &self->config->sines[first];
    int64_t cosine = channel->cosine;
    int64_t sine = channel->sine;
    int32_t group = 0;
#pragma GCC unroll 16
    for (uint32_t k = 0; k < shape.group_blocks; k++) {
        group += sums[k];
        if (shape.tunes) {
            cosine += (int64_t)sums[k] * cosines[k];
            sine += (int64_t)sums[k] * sines[k];
        }
    }
    channel->cosine = cosine;
    channel->sine = sine;
    channel->energy += (uint64_t)energy;
    channel->sum += group;
    channel->group_energy += myo_quality_square_over(group, shape.group_blocks * shape.block_frames);
    /* always in groups with a sample at the ends, seldom else */
    if (shape.clips && (uint64_t)energy >= self->clip_energy) {
        uint32_t n_clipped = 0;
        for (uint32_t i = 0; i < shape.group_blocks * shape.block_frames; i++) {
            const int32_t count = x[i * shape.n_channels];
            n_clipped += (count < 0 ? -1 - count : count) >= shape.clip_level;
        }
        channel->clipped += n_clipped;
    }
}

/* Compares the first frames of a group's blocks of a channel with its partner's, which lies `partner` words
 * on. */
MYO_QUALITY_INLINE void myo_quality_compare(myo_quality_channel_t *channel, const int32_t *x,
                                            ptrdiff_t partner, myo_quality_shape_t shape) {
    const int32_t *const y = x + partner;
    int64_t difference = (int64_t)channel->difference;
    int32_t sum = 0; /* of words of 25 bits, as many as fit a group's sum */
    for (uint32_t k = 0, i = 0; k < shape.group_blocks; k++, i += shape.block_frames * shape.n_channels) {
        const int32_t step = x[i] - y[i];
        difference += (int64_t)step * step;
        sum += step;
    }
    channel->difference = (uint64_t)difference;
    channel->difference_sum += sum;
}

/* Keeps n frames that are looked at, 1.., the first at x; where they complete the group, adds it to the
   channels' sums. ISR-safe: no. */
MYO_QUALITY_INLINE void myo_quality_take(myo_quality_t *self, const int32_t *x, uint32_t n,
                                         myo_quality_shape_t shape) {
    int32_t *kept = &self->frames[self->frame * shape.n_channels];
    for (uint32_t i = 0; i < n; i++, kept += shape.n_channels, x += shape.n_channels * shape.stride) {
        memcpy(kept, x, shape.n_channels * sizeof *x);
    }
    self->frame = (uint16_t)(self->frame + n);
    if (self->frame < shape.group_blocks * shape.block_frames) {
        return;
    }
    self->frame = 0;
    ptrdiff_t partner = (ptrdiff_t)self->offset;
    for (uint32_t c = 0; c < shape.n_channels; c++) {
        myo_quality_channel_t *const channel = &self->channels[c];
        myo_quality_sum_group(self, channel, &self->frames[c], shape);
        if (shape.compares && self->offset != 0) {
            if (c + self->offset ==
                shape.n_channels) { /* from here on partners are the first channels again */
                partner -= (ptrdiff_t)shape.n_channels;
            }
            myo_quality_compare(channel, &self->frames[c], partner, shape);
        }
    }
}

#endif
