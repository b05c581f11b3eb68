#include "quality/myo_quality.h"

#include <string.h>

#include "quality/myo_quality_take.h"

#define RATIO_ONE (1u << 16)
#define ENERGY_LIMIT (1ull << 60)
#define NO_FLOOR (1ull << 62)
#define TRACK_SHIFT 7u /* floor and peak forget by 1/128 a period: half in 43 s of periods of 480 ms */
#define FLAG_BITS 8u
#define NEED_MAINS /* by themselves, or for the rest */                                                      \
    (MYO_QUALITY_OFF | MYO_QUALITY_MAINS | MYO_QUALITY_DUPLICATED | MYO_QUALITY_LOW_SNR)
#define UNTOLD /* such a period says nothing of noise and signal */                                          \
    (MYO_QUALITY_SATURATED | MYO_QUALITY_FLAT | MYO_QUALITY_OFF)

_Static_assert((-3 >> 1) == -2, "a right shift of a negative number must be arithmetic");

static bool is_config_right(const myo_quality_config_t *config) {
    const uint32_t n_blocks = (uint32_t)config->group_blocks * config->n_groups;
    const uint32_t group_frames = (uint32_t)config->group_blocks * config->block_frames;
    if (config->n_channels == 0 || config->n_channels > MYO_QUALITY_MAX_CHANNELS ||
        config->group_blocks > MYO_QUALITY_MAX_GROUP_BLOCKS || n_blocks == 0 || config->stride == 0 ||
        config->block_frames == 0 || config->period_looks > MYO_QUALITY_MAX_PERIOD_FRAMES ||
        n_blocks > MYO_QUALITY_MAX_PERIOD_FRAMES || n_blocks * config->block_frames != config->period_looks ||
        config->adc_bits == 0 || config->adc_bits > 24) {
        return false;
    }
    if (group_frames >> (31u - config->adc_bits) != 0 || config->mains_shift > 62u ||
        config->mains_down > 62u || config->mains_up > 4u || config->periods_on == 0 ||
        config->periods_on > MYO_QUALITY_MAX_PERIODS || config->periods_off == 0 ||
        config->periods_off > MYO_QUALITY_MAX_PERIODS || config->clip_level <= 0 ||
        config->flat_energy >= ENERGY_LIMIT || config->off_energy >= ENERGY_LIMIT ||
        config->mains_energy >= ENERGY_LIMIT || config->motion_energy >= ENERGY_LIMIT) {
        return false;
    }
    uint64_t cosines = 0;
    uint64_t sines = 0;
    for (uint32_t k = 0; k < n_blocks; k++) {
        cosines += (uint64_t)(config->cosines[k] < 0 ? -config->cosines[k] : config->cosines[k]);
        sines += (uint64_t)(config->sines[k] < 0 ? -config->sines[k] : config->sines[k]);
    }
    /* about the mean, a block's sum is at most 2^adc_bits * block_frames */
    const uint64_t largest = ((cosines > sines ? cosines : sines) * config->block_frames) << config->adc_bits;
    return largest >> config->mains_shift < 1ull << 30 && config->mains_q16 <= RATIO_ONE &&
           config->off_q16 <= RATIO_ONE && config->mains_share_q16 <= RATIO_ONE &&
           config->motion_q16 <= RATIO_ONE && config->duplicated_q16 <= RATIO_ONE &&
           config->snr_q16 <= RATIO_ONE;
}

myo_status_t myo_quality_init(myo_quality_t *self, const myo_quality_config_t *config,
                              myo_quality_channel_t *channels, size_t n_channels, int32_t *frames,
                              size_t n_words) {
    if (self == NULL || config == NULL || channels == NULL || frames == NULL || config->cosines == NULL ||
        config->sines == NULL || config->take == NULL) {
        return MYO_ERROR_NULL;
    }
    if (!is_config_right(config)) {
        return MYO_ERROR_CONFIG;
    }
    const size_t group_frames = (size_t)config->group_blocks * config->block_frames;
    if (n_channels < config->n_channels || n_words < config->n_channels * group_frames) {
        return MYO_ERROR_MEMORY;
    }
    self->config = config;
    self->channels = channels;
    self->frames = frames;
    self->clip_energy = (uint64_t)config->clip_level * (uint64_t)config->clip_level;
    myo_quality_reset(self);
    return MYO_OK;
}

static void begin_period(myo_quality_t *self) {
    const bool compares = (self->config->checks & MYO_QUALITY_DUPLICATED) != 0;
    const uint32_t half = compares ? self->config->n_channels / 2u : 0u;
    self->offset = (uint16_t)(half == 0 ? 0u : 1u + self->periods % half);
    self->group = 0;
    for (uint32_t c = 0; c < self->config->n_channels; c++) {
        myo_quality_channel_t *const channel = &self->channels[c];
        channel->energy = 0;
        channel->group_energy = 0;
        channel->difference = 0;
        channel->difference_sum = 0;
        channel->cosine = 0;
        channel->sine = 0;
        channel->sum = 0;
        channel->clipped = 0;
    }
}

void myo_quality_reset(myo_quality_t *self) {
    memset(self->channels, 0, self->config->n_channels * sizeof *self->channels);
    for (uint32_t c = 0; c < self->config->n_channels; c++) {
        self->channels[c].floor = NO_FLOOR;
    }
    self->periods = 0;
    self->skip = (uint16_t)(self->config->stride - 1u);
    self->frame = 0;
    begin_period(self);
}

/* floor(sum^2 / n) for |sum| < 2^38 and n up to 2^14, whose square need not fit. */
static uint64_t square_over(int64_t sum, uint32_t n) {
    const uint64_t size = (uint64_t)(sum < 0 ? -sum : sum);
    const uint64_t mean =
        size >> 32 == 0 ? (uint32_t)size / n : size / n; /* short division where it will do */
    const uint64_t left = size - mean * n;
    return mean * mean * n + 2u * mean * left + (uint32_t)(left * left) / n;
}

/* floor(value * ratio) for ratio_q16 up to one. */
static uint64_t portion(uint64_t value, uint32_t ratio_q16) {
    return (value >> 16) * ratio_q16 + ((value & 0xFFFFu) * ratio_q16 >> 16);
}

void myo_quality_take_any(myo_quality_t *self, const int32_t *x, uint32_t n) {
    const myo_quality_config_t *config = self->config;
    const myo_quality_shape_t shape = {.n_channels = config->n_channels,
                                       .stride = config->stride,
                                       .block_frames = config->block_frames,
                                       .group_blocks = config->group_blocks,
                                       .clip_level = config->clip_level,
                                       .is_narrow = config->adc_bits <= 16,
                                       .clips = true,
                                       .compares = true,
                                       .tunes = true};
    myo_quality_take(self, x, n, shape);
}

static uint64_t square_shifted(int64_t sum, uint32_t shift) {
    const int64_t shifted = sum >> shift;
    return (uint64_t)(shifted * shifted);
}

/* What a period of one channel says by itself. */
static uint32_t flag_channel(const myo_quality_config_t *config, myo_quality_channel_t *channel) {
    const uint64_t of_mean = square_over(channel->sum, config->period_looks);
    const uint64_t total = channel->energy - of_mean;
    const uint64_t baseline = channel->group_energy > of_mean ? channel->group_energy - of_mean : 0;
    const int32_t n_blocks = (int32_t)config->group_blocks * config->n_groups;
    const int64_t mean = channel->sum / n_blocks;
    const uint64_t squares =
        (config->checks & NEED_MAINS) == 0
            ? 0
            : square_shifted(channel->cosine - mean * config->cosine_sum, config->mains_shift) +
                  square_shifted(channel->sine - mean * config->sine_sum, config->mains_shift);
    const uint64_t mains = portion(squares >> config->mains_down, config->mains_q16) << config->mains_up;
    const uint64_t above = total > baseline ? total - baseline : 0;
    channel->rest = above > mains ? above - mains : 0;
    uint32_t flags = channel->clipped >= config->clip_count ? MYO_QUALITY_SATURATED : 0u;
    if (above <= config->flat_energy) {
        flags |= MYO_QUALITY_FLAT;
    }
    if (mains > config->mains_energy && mains > portion(above, config->mains_share_q16)) {
        const bool is_off = total > config->off_energy && channel->rest <= portion(total, config->off_q16);
        flags |= is_off ? MYO_QUALITY_MAINS | MYO_QUALITY_OFF : MYO_QUALITY_MAINS;
    }
    if (baseline > config->motion_energy && baseline > portion(total, config->motion_q16)) {
        flags |= MYO_QUALITY_MOTION;
    }
    return flags;
}

/* True where channel c was equal to its partner of this period. */
static bool is_equal(const myo_quality_t *self, uint32_t c, uint32_t partner) {
    const myo_quality_config_t *config = self->config;
    const myo_quality_channel_t *const a = &self->channels[c];
    const myo_quality_channel_t *const b = &self->channels[partner];
    const uint32_t n_blocks = (uint32_t)config->group_blocks * config->n_groups;
    const uint64_t energy = a->difference - square_over(a->difference_sum, n_blocks);
    return ((a->recent | b->recent) & MYO_QUALITY_FLAT) == 0 &&
           energy * config->block_frames <= portion(a->rest + b->rest, config->duplicated_q16);
}

static void compare_channels(myo_quality_t *self) {
    const uint32_t n_channels = self->config->n_channels;
    for (uint32_t c = 0; c < n_channels; c++) {
        const uint32_t bit = 1u << (self->offset - 1u);
        uint32_t *const equal_to = &self->channels[c].equal_to;
        *equal_to &= ~bit;
        *equal_to |= is_equal(self, c, (c + self->offset) % n_channels) ? bit : 0;
    }
    for (uint32_t c = 0; c < n_channels; c++) {
        for (uint32_t far = 1; self->channels[c].equal_to >> (far - 1u) != 0; far++) {
            if ((self->channels[c].equal_to >> (far - 1u) & 1u) != 0) {
                self->channels[c].recent |= MYO_QUALITY_DUPLICATED;
                self->channels[(c + far) % n_channels].recent |= MYO_QUALITY_DUPLICATED;
            }
            if (far == MYO_QUALITY_MAX_CHANNELS / 2u) {
                break; /* a shift by 32 is undefined */
            }
        }
    }
}

static bool is_snr_low(const myo_quality_config_t *config, myo_quality_channel_t *channel) {
    if ((channel->recent & UNTOLD) == 0) {
        const uint64_t floor = channel->floor + (channel->floor >> TRACK_SHIFT) + 1u;
        const uint64_t peak = channel->peak - (channel->peak >> TRACK_SHIFT);
        if (channel->n_tracked < config->settle_periods) {
            channel->n_tracked++;
        }
        channel->floor = channel->rest < floor ? channel->rest : floor;
        channel->peak = channel->rest > peak ? channel->rest : peak;
    }
    return channel->n_tracked >= config->settle_periods &&
           portion(channel->peak, config->snr_q16) <= channel->floor;
}

static void end_period(myo_quality_t *self) {
    const myo_quality_config_t *config = self->config;
    for (uint32_t c = 0; c < config->n_channels; c++) {
        myo_quality_channel_t *const channel = &self->channels[c];
        channel->recent = channel->recent << FLAG_BITS | flag_channel(config, channel);
    }
    if (self->offset != 0) {
        compare_channels(self);
    }
    for (uint32_t c = 0; c < config->n_channels; c++) {
        myo_quality_channel_t *const channel = &self->channels[c];
        channel->recent |= is_snr_low(config, channel) ? MYO_QUALITY_LOW_SNR : 0u;
        uint32_t lasting = channel->recent;
        uint32_t any = channel->recent;
        for (uint32_t k = 1; k < config->periods_on; k++) {
            lasting &= channel->recent >> k * FLAG_BITS;
        }
        for (uint32_t k = 1; k < config->periods_off; k++) {
            any |= channel->recent >> k * FLAG_BITS;
        }
        channel->lasting = (uint8_t)((channel->lasting | lasting) & any);
        channel->flags = channel->lasting & config->checks;
    }
    self->periods++;
    begin_period(self);
}

bool myo_quality_push(myo_quality_t *self, const int32_t **frames, size_t *n_frames) {
    const myo_quality_config_t *config = self->config;
    const uint32_t stride = config->stride;
    const uint32_t group_frames = (uint32_t)config->group_blocks * config->block_frames;
    while (*n_frames > self->skip) {
        const uint32_t beyond = (uint32_t)*n_frames - self->skip - 1u;
        const uint32_t ready = stride == 1u ? beyond + 1u : beyond / stride + 1u;
        const uint32_t left = group_frames - self->frame;
        const uint32_t n = ready < left ? ready : left;
        config->take(self, *frames + (size_t)self->skip * config->n_channels, n);
        const size_t n_passed = self->skip + (size_t)(n - 1u) * stride + 1u;
        *frames += n_passed * config->n_channels;
        *n_frames -= n_passed;
        self->skip = (uint16_t)(stride - 1u);
        if (n < left) {
            continue;
        }
        if (++self->group == config->n_groups) {
            end_period(self);
            return true;
        }
    }
    self->skip = (uint16_t)(self->skip - *n_frames);
    *frames += *n_frames * config->n_channels;
    *n_frames = 0;
    return false;
}

uint32_t myo_quality_left(const myo_quality_t *self) {
    const myo_quality_config_t *config = self->config;
    const uint32_t group_frames = (uint32_t)config->group_blocks * config->block_frames;
    const uint32_t looks = config->period_looks - (self->group * group_frames + self->frame);
    return (looks - 1u) * config->stride + self->skip + 1u;
}

uint64_t myo_quality_mask(const myo_quality_t *self, uint32_t flags) {
    uint64_t mask = 0;
    for (uint32_t c = 0; c < self->config->n_channels; c++) {
        mask |= (uint64_t)((self->channels[c].flags & flags) != 0) << c;
    }
    return mask;
}
