#include "stream/myo_aux.h"

#include <string.h>

#define WEIGHT_ONE (1u << 30)

static myo_status_t check_stream(const myo_aux_config_t *config, uint32_t frame) {
    const uint64_t span = (uint64_t)config->unit * myo_front_end_decimation(&config->chain);
    if (config->rate_mhz == 0 || config->adc_bits < 1 || config->adc_bits > 24 ||
        (config->sample_bytes != 2 && config->sample_bytes != 4) ||
        config->adc_bits > 8 * config->sample_bytes || config->chain.n_channels > MYO_AUX_MAX_CHANNELS) {
        return MYO_ERROR_CONFIG;
    }
    /* A phase stays within 2^30, and one frame of the window gives at most one sample behind the stages. */
    if (config->unit == 0 || config->step == 0 || span > MYO_AUX_MAX_PHASE || config->step > span ||
        config->first > (int32_t)config->unit || config->first < -(int32_t)MYO_AUX_MAX_PHASE ||
        config->frame != frame || config->max_age > INT32_MAX) {
        return MYO_ERROR_CONFIG;
    }
    /* The weight of any phase below span is at most one. */
    const uint64_t half = config->reciprocal_shift >= 1 && config->reciprocal_shift <= 31
                              ? (uint64_t)1 << (config->reciprocal_shift - 1u)
                              : 0;
    if (half == 0 || config->shift < 1 || config->shift > 61 ||
        ((span - 1u) * config->reciprocal + half) >> config->reciprocal_shift > WEIGHT_ONE) {
        return MYO_ERROR_CONFIG;
    }
    return MYO_OK;
}

static void reset_stream(myo_aux_t *self) {
    const myo_aux_config_t *config = self->config;
    const size_t n_words = config->chain.n_channels + 2u * (size_t)myo_front_end_channels(&config->chain);
    myo_ring_reset(&self->ring);
    myo_front_end_reset(&self->chain);
    memset(self->last, 0, n_words * sizeof *self->last); /* previous and current lie behind it */
    self->phase = config->first;
    self->now = config->frame - 1u;
    self->since = 0;
    self->frames = 0;
    self->marked = 0;
    self->marks_of_block = 0;
    self->n_held = 0;
    self->n_dropped = 0;
    self->n_taken = 0;
    self->newest = 0;
    self->is_running = false;
    self->is_marked = false;
    self->marks[0] = self->marks[1] = false;
}

/* Cuts a stream's memory off the words that are left; gives how many it took, 0 where they are too few. */
static size_t place_stream(myo_aux_t *self, int32_t *words, size_t n_words) {
    const myo_front_end_config_t *const chain = &self->config->chain;
    const size_t n_in = chain->n_channels, n_out = myo_front_end_channels(chain);
    const size_t n_ring = self->config->ring_samples;
    const size_t n_block = myo_front_end_block_words(chain);
    const size_t needed = self->chain.state_words + n_block + n_in + 2u * n_out + n_ring * (n_in + 1u);
    if (needed > n_words) {
        return 0;
    }
    words += self->chain.state_words;
    self->block = words;
    self->last = self->block + n_block;
    self->previous = self->last + n_in;
    self->current = self->previous + n_out;
    int32_t *const counts = self->current + n_out;
    uint32_t *const stamps = (uint32_t *)(counts + n_ring * n_in);
    return myo_ring_init(&self->ring, counts, stamps, n_ring, (uint16_t)n_in) == MYO_OK ? needed : 0;
}

static myo_status_t init(const myo_aux_stage_config_t *config, const myo_aux_stage_memory_t *memory,
                         uint32_t frame) {
    if (config->streams == NULL || memory->streams == NULL || memory->words == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->n_streams == 0 || config->n_streams > MYO_AUX_MAX_STREAMS) {
        return MYO_ERROR_CONFIG;
    }
    if (memory->n_streams < config->n_streams) {
        return MYO_ERROR_MEMORY;
    }
    int32_t *words = memory->words;
    size_t left = memory->n_words;
    uint32_t n_channels = 0, wide = 0;
    for (uint32_t i = 0; i < config->n_streams; i++) {
        myo_aux_t *const self = &memory->streams[i];
        *self = (myo_aux_t){.config = &config->streams[i]};
        myo_status_t status = myo_front_end_init(&self->chain, &self->config->chain, words, left);
        if (status == MYO_OK) {
            status = check_stream(self->config, frame);
        }
        if (status != MYO_OK) {
            return status;
        }
        const size_t n_taken = place_stream(self, words, left);
        if (n_taken == 0) {
            return MYO_ERROR_MEMORY;
        }
        words += n_taken;
        left -= n_taken;
        self->factor = myo_front_end_decimation(&self->config->chain);
        n_channels += myo_front_end_channels(&self->config->chain);
        wide |= (uint32_t)(self->config->sample_bytes == 4) << i;
        reset_stream(self);
    }
    return n_channels == config->n_channels && wide == config->wide ? MYO_OK : MYO_ERROR_CONFIG;
}

static void reset(const myo_aux_stage_config_t *config, const myo_aux_stage_memory_t *memory) {
    for (uint32_t i = 0; i < config->n_streams; i++) {
        reset_stream(&memory->streams[i]);
    }
}

/* Frames since the sample that lies `ahead` behind the oldest came; negative: it comes later. */
static int32_t age(const myo_aux_t *self, uint32_t ahead) {
    return (int32_t)(self->now - myo_ring_peek_tick(&self->ring, ahead));
}

/* Who is told of a stream's samples. */
typedef struct {
    myo_aux_observer_t tell; /* may be NULL */
    void *context;
    uint16_t stream;
} listener_t;

/* Gives the oldest sample of the ring back. */
static void release_sample(myo_aux_t *self, const listener_t *listener) {
    if (listener->tell != NULL) {
        const size_t n_channels = self->config->chain.n_channels;
        int32_t sample[1u + MYO_AUX_MAX_CHANNELS];
        sample[0] = (int32_t)myo_ring_peek_tick(&self->ring, 0);
        memcpy(&sample[1], myo_ring_peek(&self->ring, 0), n_channels * sizeof sample[0]);
        listener->tell(listener->context, listener->stream, self->n_taken, sample, n_channels + 1u);
    }
    myo_ring_release(&self->ring, 1);
    self->n_taken++;
}

/* Takes the sample that is due, or holds the last one. */
static void take_sample(myo_aux_t *self, const listener_t *listener) {
    const myo_aux_config_t *config = self->config;
    while (myo_ring_used(&self->ring) > 1u && age(self, 1) >= 0 && age(self, 0) > (int32_t)config->max_age) {
        release_sample(self, listener);
        self->n_dropped++;
        self->is_marked = true;
    }
    if (myo_ring_used(&self->ring) > 0 && age(self, 0) >= 0) {
        const size_t n_bytes = config->chain.n_channels * sizeof *self->last;
        memcpy(self->last, myo_ring_peek(&self->ring, 0), n_bytes);
        release_sample(self, listener);
    } else {
        self->n_held++;
        self->is_marked = true;
    }
}

/* Gives a sample to the stages. */
static void push_sample(myo_aux_t *self) {
    const size_t n_out = myo_front_end_channels(&self->config->chain);
    const uint32_t n_given = myo_front_end_run(&self->chain, self->last, self->block, 1);
    self->since = self->since + 1u == self->factor ? 0 : self->since + 1u;
    if (n_given == 0) {
        return;
    }
    for (size_t channel = 0; channel < n_out; channel++) {
        const int32_t word = self->block[channel * MYO_BLOCK_FRAMES];
        self->previous[channel] = self->is_running ? self->current[channel] : word;
        self->current[channel] = word;
    }
    self->marks[1] = self->marks[0];
    self->marks[0] = self->is_marked;
    self->is_marked = false;
    self->is_running = true;
}

/* Words between the last two samples behind the stages; 0 before the first. */
static void interpolate(const myo_aux_t *self, int32_t *out) {
    const myo_aux_config_t *config = self->config;
    const size_t n_out = myo_front_end_channels(&config->chain);
    uint32_t newer = 0;
    if (self->is_running) {
        const uint32_t phase = self->since * config->unit + (uint32_t)self->phase;
        const uint64_t half = (uint64_t)1 << (config->reciprocal_shift - 1u);
        newer = (uint32_t)(((uint64_t)phase * config->reciprocal + half) >> config->reciprocal_shift);
    }
    const int32_t older = (int32_t)(WEIGHT_ONE - newer);
    const int64_t half = (int64_t)1 << (config->shift - 1u);
    for (size_t channel = 0; channel < n_out; channel++) {
        /* At most 2^31 * 2^30 of both, as their weights sum to one, and half of 2^61. */
        const int64_t sum =
            (int64_t)self->previous[channel] * older + (int64_t)self->current[channel] * (int32_t)newer;
        out[channel * MYO_BLOCK_FRAMES] = (int32_t)((sum + half) >> config->shift);
    }
}

static void run(const myo_aux_stage_config_t *config, const myo_aux_stage_memory_t *memory, int32_t *block,
                uint32_t n_frames, myo_aux_observer_t observer, void *context) {
    for (uint32_t i = 0; i < config->n_streams; i++) {
        myo_aux_t *const self = &memory->streams[i];
        const listener_t listener = {.tell = observer, .context = context, .stream = (uint16_t)i};
        const int32_t unit = (int32_t)self->config->unit;
        self->marks_of_block = 0;
        for (uint32_t frame = 0; frame < n_frames; frame++) {
            self->phase += (int32_t)self->config->step;
            while (self->phase >= unit) {
                self->phase -= unit;
                take_sample(self, &listener);
                push_sample(self);
            }
            interpolate(self, &block[frame]);
            self->now += self->config->frame;
            self->frames++;
            if (self->is_marked || self->marks[0] || self->marks[1]) {
                self->marked = self->frames;
                self->marks_of_block |= 1u << frame;
            }
        }
        block += (size_t)myo_front_end_channels(&self->config->chain) * MYO_BLOCK_FRAMES;
    }
}

static uint8_t list_marks(const myo_aux_stage_config_t *config, const myo_aux_stage_memory_t *memory,
                          uint32_t n_frames) {
    uint32_t marks = 0;
    for (uint32_t i = 0; i < config->n_streams; i++) {
        const myo_aux_t *const self = &memory->streams[i];
        marks |= (uint32_t)(self->marked > 0 && self->frames - self->marked < n_frames) << i;
    }
    return (uint8_t)marks;
}

static void count(const myo_aux_stage_config_t *config, const myo_aux_stage_memory_t *memory,
                  uint32_t counts[3]) {
    counts[0] = counts[1] = counts[2] = 0;
    for (uint32_t i = 0; i < config->n_streams; i++) {
        counts[0] += memory->streams[i].n_held;
        counts[1] += memory->streams[i].n_dropped;
        counts[2] += myo_ring_lost(&memory->streams[i].ring);
    }
}

const myo_aux_functions_t myo_aux_functions = {.init = init,
                                               .reset = reset,
                                               .run = run,
                                               .list_marks = list_marks,
                                               .count = count,
                                               .serve = myo_aux_serve};
