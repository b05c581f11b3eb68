#include "dsp/myo_motion.h"

#include <string.h>

#define COUNT_DROP 8u /* bits of a word that the high-pass does not see */
#define REFERENCE_SHIFT 8u
#define ESTIMATE_SHIFT 12u
#define STEP_BASE (27 + (int32_t)ESTIMATE_SHIFT)
#define SUM_BITS 6u /* a sum of two 24-bit words is held times 2^6: within 31 bits */
#define LEAK_BITS 14u
#define POWER_BITS 10u
#define LARGEST_WEIGHT (1 << 30)
#define LARGEST_QUIET ((uint64_t)1 << 56)

enum { ESTIMATE, SLOPE, TARGET, LEFT, WEIGHTS }; /* of a channel's words */

static size_t channel_words(const myo_motion_config_t *config, size_t n_weights) {
    return WEIGHTS + n_weights + config->delay;
}

static void reset(const myo_motion_config_t *config, const myo_motion_memory_t *memory) {
    myo_motion_t *const self = memory->state;
    myo_front_end_reset(&self->chain);
    memset(self->past, 0, config->chain.n_channels * (config->taps + 2u) * sizeof *self->past);
    memset(self->channels, 0,
           config->n_emg * channel_words(config, self->n_weights) * sizeof *self->channels);
    self->power = config->quiet;
    self->place = 0;
    self->oldest = 0;
    self->frozen = 0;
    self->is_marked = false;
}

static myo_status_t check_config(const myo_motion_config_t *config, uint16_t n_channels) {
    const uint32_t n_references = config->chain.n_channels;
    if (n_references == 0 || n_references > MYO_MOTION_MAX_REFERENCES || config->chain.input_shift < 0 ||
        myo_front_end_channels(&config->chain) != n_references ||
        myo_front_end_decimation(&config->chain) != 1 || config->n_emg == 0 ||
        config->first < config->n_emg || config->first + n_references > n_channels) {
        return MYO_ERROR_CONFIG;
    }
    if (config->every == 0 || config->every > MYO_MOTION_MAX_EVERY || config->delay == 0 ||
        config->delay > MYO_MOTION_MAX_DELAY || config->taps == 0 || config->taps > MYO_MOTION_MAX_TAPS ||
        config->slowness > 8 || config->limit <= config->every || config->quiet == 0 ||
        config->quiet > LARGEST_QUIET) {
        return MYO_ERROR_CONFIG;
    }
    return MYO_OK;
}

static myo_status_t init(const myo_motion_config_t *config, const myo_motion_memory_t *memory,
                         uint16_t n_channels) {
    myo_motion_t *const self = memory->state;
    if (self == NULL || memory->words == NULL) {
        return MYO_ERROR_NULL;
    }
    *self = (myo_motion_t){0};
    myo_status_t status = myo_front_end_init(&self->chain, &config->chain, memory->words, memory->n_words);
    if (status == MYO_OK) {
        status = check_config(config, n_channels);
    }
    if (status != MYO_OK) {
        return status;
    }
    const size_t n_references = config->chain.n_channels, n_weights = n_references * config->taps;
    const size_t n_block = n_references * MYO_BLOCK_FRAMES, n_past = n_references * (config->taps + 2u);
    const size_t needed = self->chain.state_words + 2u * n_block + n_past + 2u * n_weights +
                          config->n_emg * channel_words(config, n_weights);
    if (needed > memory->n_words) {
        return MYO_ERROR_MEMORY;
    }
    self->counts = memory->words + self->chain.state_words;
    self->block = self->counts + n_block;
    self->past = self->block + n_block;
    self->recent = self->past + n_past;
    self->sums = self->recent + n_weights;
    self->channels = self->sums + n_weights;
    self->n_weights = (uint16_t)n_weights;
    self->reciprocal = (1u << 31) / config->every;
    while (1u << self->mean_shift < config->every) {
        self->mean_shift++;
    }
    reset(config, memory);
    return MYO_OK;
}

/* The references of the block's estimates through the high-pass, all at once. */
static void filter_references(const myo_motion_config_t *config, myo_motion_t *self, const int32_t *block,
                              uint32_t n_frames) {
    const uint32_t n_references = config->chain.n_channels;
    uint32_t n = 0;
    for (uint32_t frame = config->every - 1u - self->place; frame < n_frames; frame += config->every, n++) {
        for (uint32_t k = 0; k < n_references; k++) {
            self->counts[n * n_references + k] =
                block[(config->first + k) * MYO_BLOCK_FRAMES + frame] >> COUNT_DROP;
        }
    }
    if (n > 0) {
        (void)myo_front_end_run(&self->chain, self->counts, self->block, n);
    }
}

/* Frames leave the line and come in, less the estimate. Limits: what is left lies within +-limit because the
   estimate is kept within limit of the word, and this way no difference overflows. */
static void subtract(const myo_motion_config_t *config, const myo_motion_t *self, int32_t *channel,
                     int32_t *line, int32_t *x, uint32_t n) {
    const int32_t limit = config->limit, slope = channel[SLOPE];
    const uint32_t mean_shift = self->mean_shift;
    int32_t estimate = channel[ESTIMATE], left = channel[LEFT];
    for (uint32_t i = 0; i < n; i++) {
        const int32_t late = line[i];
        line[i] = x[i];
        estimate += slope;
        int32_t taken = estimate;
        if (late >= 0) {
            taken = taken < late - limit ? late - limit : taken;
        } else {
            taken = taken > late + limit ? late + limit : taken;
        }
        x[i] = late - taken;
        left += x[i] >> mean_shift;
    }
    channel[ESTIMATE] = estimate;
    channel[LEFT] = left;
}

/* One reference sample of each channel in; recent samples and sums of neighbours beside each other. Gives the
   power of the sums. */
static uint64_t take_references(const myo_motion_config_t *config, myo_motion_t *self, uint32_t number) {
    const uint32_t taps = config->taps;
    int32_t *past = self->past, *recent = self->recent, *sums = self->sums;
    uint64_t power = 0;
    for (uint32_t k = 0; k < config->chain.n_channels; k++) {
        memmove(past + 1, past, (taps + 1u) * sizeof *past);
        past[0] =
            (self->block[k * MYO_BLOCK_FRAMES + number] + (1 << (REFERENCE_SHIFT - 1u))) >> REFERENCE_SHIFT;
        for (uint32_t tap = 0; tap < taps; tap++) {
            const int32_t sum = past[tap + 1u] + past[tap + 2u];
            power += (uint64_t)((int64_t)sum * sum);
            *recent++ = past[tap];
            *sums++ = sum * (1 << SUM_BITS);
        }
        past += taps + 2u;
    }
    return power;
}

static uint32_t count_bits(uint64_t value) {
    const uint32_t high = (uint32_t)(value >> 32), low = (uint32_t)value;
    return high != 0 ? 64u - (uint32_t)__builtin_clz(high) : 32u - (uint32_t)__builtin_clz(low | 1u);
}

/* A sum of references by weights, rounded; the first addend is what rounding adds. */
#define NO_SUM ((int64_t)1 << (ESTIMATE_SHIFT - 1u))

static int64_t sum_references(const myo_motion_t *self, const int32_t *weights) {
    const int32_t *const recent = self->recent;
    int64_t total = NO_SUM;
    for (uint32_t i = 0; i < self->n_weights; i++) {
        total += (int64_t)weights[i] * recent[i];
    }
    return total;
}

/* The same by weights that first take a step from what was left: one pass over both. */
static int64_t learn(const myo_motion_config_t *config, const myo_motion_t *self, int32_t *weights,
                     int32_t left, int32_t power_bits) {
    const uint32_t magnitude = (uint32_t)(left ^ left >> 31);
    const int32_t free_bits = __builtin_clz(magnitude | 1u) - 1;
    const int32_t wanted = power_bits + config->slowness + free_bits - STEP_BASE;
    const uint32_t shift = wanted < 0 ? 0 : wanted > 31 ? 31u : (uint32_t)wanted;
    const int32_t scaled = (int32_t)((uint32_t)left << free_bits);
    const int32_t half = (int32_t)(1u << shift >> 1);
    const int32_t *const sums = self->sums, *const recent = self->recent;
    int64_t total = NO_SUM;
    for (uint32_t i = 0; i < self->n_weights; i++) {
        const int32_t product = (int32_t)(((int64_t)sums[i] * scaled) >> 32); /* within 30 bits */
        int32_t w = weights[i];
        w += ((product + half) >> shift) - ((w + (1 << (LEAK_BITS - 1u))) >> LEAK_BITS);
        /* Beyond +-2^30 the two highest bits differ: 2^30 - 1 with the sign's bits is the end that was
         * passed. */
        w = (w ^ (int32_t)((uint32_t)w << 1)) < 0 ? (w >> 31) ^ (LARGEST_WEIGHT - 1) : w;
        weights[i] = w;
        total += (int64_t)w * recent[i];
    }
    return total;
}

/* The estimate of the frames up to the next one, from the last one's on. */
static void aim(const myo_motion_config_t *config, const myo_motion_t *self, int32_t *channel,
                int64_t total) {
    const int64_t most =
        config->limit - config->every; /* cut bits of the slope then never lead beyond limit */
    total >>= ESTIMATE_SHIFT;
    const int32_t target = (int32_t)(total > most ? most : total < -most ? -most : total);
    const int32_t from = channel[TARGET];
    channel[LEFT] = 0;
    channel[ESTIMATE] = from;
    channel[TARGET] = target;
    channel[SLOPE] = (int32_t)((((int64_t)target - from) * self->reciprocal) >> 31);
}

static void renew(const myo_motion_config_t *config, myo_motion_t *self, uint32_t number) {
    const uint64_t power = take_references(config, self, number);
    const size_t n_words = channel_words(config, self->n_weights);
    if (self->is_marked) {
        self->frozen = (uint8_t)(config->taps + 2u);
        self->is_marked = false;
    }
    const bool learns = self->frozen == 0;
    if (learns) {
        const uint64_t fallen = self->power - (self->power >> POWER_BITS);
        const uint64_t larger = power > fallen ? power : fallen;
        self->power = larger > config->quiet ? larger : config->quiet;
    } else {
        self->frozen--;
    }
    const int32_t power_bits = (int32_t)count_bits(self->power);
    for (uint32_t k = 0; k < config->n_emg; k++) {
        int32_t *const channel = &self->channels[k * n_words];
        int32_t *const weights = &channel[WEIGHTS];
        aim(config, self, channel,
            learns ? learn(config, self, weights, channel[LEFT], power_bits) : sum_references(self, weights));
    }
}

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static void run(const myo_motion_config_t *config, const myo_motion_memory_t *memory, int32_t *block,
                uint32_t n_frames, uint32_t marks) {
    myo_motion_t *const self = memory->state;
    const size_t n_words = channel_words(config, self->n_weights), line = WEIGHTS + self->n_weights;
    filter_references(config, self, block, n_frames);
    uint32_t number = 0;
    for (uint32_t at = 0; at < n_frames;) {
        const uint32_t left = smaller(n_frames - at, (uint32_t)config->every - self->place);
        const uint32_t n = smaller(left, (uint32_t)config->delay - self->oldest);
        for (uint32_t k = 0; k < config->n_emg; k++) {
            int32_t *const channel = &self->channels[k * n_words];
            subtract(config, self, channel, &channel[line + self->oldest], &block[k * MYO_BLOCK_FRAMES + at],
                     n);
        }
        self->oldest = (uint16_t)(self->oldest + n == config->delay ? 0 : self->oldest + n);
        self->is_marked = self->is_marked || (marks >> at << (32u - n)) != 0;
        self->place = (uint16_t)(self->place + n);
        at += n;
        if (self->place == config->every) {
            self->place = 0;
            renew(config, self, number++);
        }
    }
}

const myo_motion_functions_t myo_motion_functions = {.init = init, .reset = reset, .run = run};
