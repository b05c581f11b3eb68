#include "features/myo_spectrum.h"

#include "dsp/myo_fixed_math.h"
#include "features/myo_feature_engine.h"

#define WORD_UP 512     /* words to 24 bits, the most that the transform takes */
#define MOMENT_BITS 62u /* of a sum of moments */

static size_t frame_words(const myo_spectrum_config_t *config) {
    return ((size_t)config->window * config->n_channels + 1u) / 2u; /* two int16 a word */
}

size_t myo_spectrum_memory_words(const myo_spectrum_config_t *config) {
    return myo_spectrum_scratch_words(config) + frame_words(config);
}

size_t myo_spectrum_scratch_words(const myo_spectrum_config_t *config) {
    return 2u * (size_t)config->length + config->length / 2u;
}

static bool features_fit(const myo_spectrum_config_t *config) {
    for (uint16_t k = 0; k < config->n_features; k++) {
        const myo_spectrum_feature_t *const feature = &config->features[k];
        if (feature->kind >= MYO_SPECTRUM_KINDS || feature->first_bin < 1 ||
            feature->first_bin >= feature->end_bin || feature->end_bin > config->length / 2u) {
            return false;
        }
    }
    return config->n_features > 0;
}

myo_status_t myo_spectrum_init(myo_spectrum_t *self, const myo_spectrum_config_t *config, uint32_t *memory,
                               size_t memory_words) {
    if (config == NULL || memory == NULL) {
        return MYO_ERROR_NULL;
    }
    const size_t n_scratch = myo_spectrum_scratch_words(config);
    const size_t n_frames = memory_words < n_scratch ? 0 : memory_words - n_scratch;
    return myo_spectrum_init_apart(self, config, memory + (memory_words - n_frames), n_frames, memory);
}

myo_status_t myo_spectrum_init_apart(myo_spectrum_t *self, const myo_spectrum_config_t *config,
                                     uint32_t *memory, size_t memory_words, uint32_t *scratch) {
    if (self == NULL || config == NULL || memory == NULL || scratch == NULL || config->turns == NULL ||
        config->bins == NULL || config->features == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->n_channels < 1 || config->n_channels > 64 || config->length < MYO_FFT_MIN_LENGTH ||
        config->length > MYO_FFT_MAX_LENGTH || (config->length & (config->length - 1u)) != 0 ||
        config->window < 2 || config->window > config->length || config->hop < 1 ||
        config->hop > config->window || !features_fit(config)) {
        return MYO_ERROR_CONFIG;
    }
    if (memory_words < frame_words(config)) {
        return MYO_ERROR_MEMORY;
    }
    self->config = config;
    self->z = (myo_complex_t *)scratch;
    self->powers = scratch + 2u * (size_t)config->length;
    self->frames = (int16_t *)memory;
    myo_spectrum_reset(self);
    return MYO_OK;
}

void myo_spectrum_reset(myo_spectrum_t *self) {
    self->next = 0;
    self->until_window = self->config->window;
}

/* Two channels of the window, or one and silence, as complex numbers. */
static void load_pair(const myo_spectrum_t *self, size_t channel) {
    const myo_spectrum_config_t *const config = self->config;
    const size_t stride = config->n_channels;
    const size_t second = channel + 1u < stride ? 1u : 0u;
    const int16_t *from = self->frames + self->next * stride + channel;
    const int16_t *const end = self->frames + config->window * stride + channel;
    myo_complex_t *const z = self->z;
    for (uint32_t i = 0; i < config->window; i++, from += stride) {
        if (from == end) {
            from = self->frames + channel;
        }
        const int32_t re = from[0];
        const int32_t im = second != 0 ? from[1] : 0;
        z[i] = config->taper == NULL ? (myo_complex_t){re * WORD_UP, im * WORD_UP}
                                     : (myo_complex_t){(re * config->taper[i]) >> 6,
                                                       (im * config->taper[i]) >> 6}; /* Q15 to * 512 */
    }
    for (uint32_t i = config->window; i < config->length; i++) {
        z[i] = (myo_complex_t){0, 0};
    }
}

/* Twice the two spectra, from that of their sum: the first's bin k stays at its place, the second's (its
   parts exchanged, which its power does not mind) goes to that of -k. In the order of reversed bits, -k
   stands mirrored in the block [b, 2b) of k. shifts: what brings each channel's largest part to 31 bits. */
static void separate(const myo_spectrum_t *self, uint32_t shifts[2]) {
    uint32_t used_1 = 1;
    uint32_t used_2 = 1;
    for (uint32_t block = 2; block < self->config->length; block *= 2u) {
        myo_complex_t *up = self->z + block;
        for (myo_complex_t *down = up + block - 1; up < self->z + 2u * block; up += 2, down -= 2) {
            const myo_complex_t a = {up->re + down->re, up->im - down->im};
            const myo_complex_t b = {up->re - down->re, up->im + down->im};
            used_1 |= (uint32_t)((a.re ^ (a.re >> 31)) | (a.im ^ (a.im >> 31)));
            used_2 |= (uint32_t)((b.re ^ (b.re >> 31)) | (b.im ^ (b.im >> 31)));
            *up = a;
            *down = b;
        }
    }
    shifts[0] = (uint32_t)__builtin_clz(used_1) - 1u;
    shifts[1] = (uint32_t)__builtin_clz(used_2) - 1u;
}

static uint32_t power_of(myo_complex_t z, uint32_t scale) {
    const int32_t re = (int32_t)((uint32_t)z.re * scale);
    const int32_t im = (int32_t)((uint32_t)z.im * scale);
    return (uint32_t)(((uint64_t)((int64_t)re * re) + (uint64_t)((int64_t)im * im)) >> 32);
}

/* Powers of one of the two channels, in the bins' order. */
static void take_powers(const myo_spectrum_t *self, size_t of_pair, uint32_t shift) {
    const uint16_t *bin = self->config->bins + 1;
    const uint32_t scale = UINT32_C(1) << shift;
    for (uint32_t block = 2; block < self->config->length; block *= 2u) {
        const myo_complex_t *from = of_pair == 0 ? self->z + block : self->z + 2u * block - 1u;
        for (uint32_t i = 0; i < block / 2u; i++) {
            self->powers[*bin++] = power_of(*from, scale);
            from = of_pair == 0 ? from + 2 : from - 2;
        }
    }
}

static uint64_t sum_powers(const uint32_t *powers, const myo_spectrum_feature_t *feature) {
    uint64_t total = 0;
#pragma GCC unroll 4
    for (uint32_t k = feature->first_bin; k < feature->end_bin; k++) {
        total += powers[k];
    }
    return total;
}

static uint64_t sum_moment(const uint32_t *powers, const myo_spectrum_feature_t *feature) {
    uint64_t total = 0;
#pragma GCC unroll 4
    for (uint32_t k = feature->first_bin; k < feature->end_bin; k++) {
        total += (uint64_t)k * powers[k];
    }
    return total;
}

static uint32_t log2_of(uint32_t length) {
    return 31u - (uint32_t)__builtin_clz(length);
}

/* Bits that are cut off a power so that a sum of k^n P[k] stays within 62 bits. */
static uint32_t moment_cut(uint32_t length, uint32_t n) {
    const uint32_t n_bits = 31u + (n + 1u) * (log2_of(length) - 1u);
    return n_bits > MOMENT_BITS ? n_bits - MOMENT_BITS : 0;
}

static uint64_t sum_high_moment(const uint32_t *powers, const myo_spectrum_feature_t *feature, uint32_t n,
                                uint32_t cut) {
    uint64_t total = 0;
    for (uint32_t k = feature->first_bin; k < feature->end_bin; k++) {
        total += (uint64_t)(n == 2u ? k * k : k * k * k) * (powers[k] >> cut);
    }
    return total;
}

static int32_t median(const uint32_t *powers, const myo_spectrum_feature_t *feature, uint32_t bits) {
    const uint64_t total = sum_powers(powers, feature);
    uint64_t below = 0;
    if (total == 0) {
        return 0;
    }
    uint32_t k = feature->first_bin;
    while (2u * (below + powers[k]) < total) {
        below += powers[k++];
    }
    const int32_t inside = myo_divide_nearest(total - 2u * below, 2u * (uint64_t)powers[k], (int32_t)bits);
    return (int32_t)((2u * k - 1u) << (bits - 1u)) + inside;
}

static int32_t peak(const uint32_t *powers, const myo_spectrum_feature_t *feature) {
    uint32_t largest = 0;
    uint32_t place = 0;
    for (uint32_t k = feature->first_bin; k < feature->end_bin; k++) {
        if (powers[k] > largest) {
            largest = powers[k];
            place = k;
        }
    }
    return (int32_t)place;
}

/* log2 of a sum of powers, without the channel's exponent. */
static int32_t log_of(uint64_t sum, uint32_t shift) {
    return (int32_t)myo_log2_q16_u64(sum > 1u ? sum : 1u) - (int32_t)(2u * shift << 16);
}

static int32_t feature_word(const myo_spectrum_t *self, const myo_spectrum_feature_t *feature,
                            uint32_t shift) {
    const uint32_t *const powers = self->powers;
    const uint32_t length = self->config->length;
    const uint32_t bits = 32u - log2_of(length);
    switch ((myo_spectrum_kind_t)feature->kind) {
    case MYO_SPECTRUM_MOMENT_1:
        return log_of(sum_moment(powers, feature), shift);
    case MYO_SPECTRUM_MOMENT_2:
    case MYO_SPECTRUM_MOMENT_3: {
        const uint32_t n = feature->kind == MYO_SPECTRUM_MOMENT_2 ? 2u : 3u;
        const uint32_t cut = moment_cut(length, n);
        return log_of(sum_high_moment(powers, feature, n, cut), shift) + (int32_t)(cut << 16);
    }
    case MYO_SPECTRUM_MEAN:
        return myo_divide_nearest(sum_moment(powers, feature), sum_powers(powers, feature), (int32_t)bits);
    case MYO_SPECTRUM_MEDIAN:
        return median(powers, feature, bits);
    case MYO_SPECTRUM_PEAK:
        return peak(powers, feature);
    default:
        return log_of(sum_powers(powers, feature), shift);
    }
}

static void finish_window(const myo_spectrum_t *self, int32_t *words) {
    const myo_spectrum_config_t *const config = self->config;
    for (size_t channel = 0; channel < config->n_channels; channel += 2u) {
        uint32_t shifts[2];
        load_pair(self, channel);
        myo_fft(self->z, config->length, config->turns);
        separate(self, shifts);
        for (size_t of_pair = 0; of_pair < 2u && channel + of_pair < config->n_channels; of_pair++) {
            take_powers(self, of_pair, shifts[of_pair]);
            for (size_t k = 0; k < config->n_features; k++) {
                words[k * config->n_channels + channel + of_pair] =
                    feature_word(self, &config->features[k], shifts[of_pair]);
            }
        }
    }
}

bool myo_spectrum_push(myo_spectrum_t *self, const int16_t **frames, size_t *n_frames, int32_t *words) {
    const myo_spectrum_config_t *const config = self->config;
    while (*n_frames > 0) {
        const size_t n_words = config->n_channels;
        for (size_t k = 0; k < n_words; k++) {
            self->frames[self->next * n_words + k] = (*frames)[k];
        }
        *frames += n_words;
        *n_frames -= 1u;
        self->next = (uint16_t)(self->next + 1u == config->window ? 0 : self->next + 1u);
        self->until_window = (uint16_t)(self->until_window - 1u);
        if (self->until_window == 0) {
            finish_window(self, words);
            self->until_window = config->hop;
            return true;
        }
    }
    return false;
}

static myo_feature_shape_t engine_shape(const void *config) {
    const myo_spectrum_config_t *const own = config;
    return (myo_feature_shape_t){own->n_channels, own->window, own->hop, own->n_features};
}

static size_t engine_memory_words(const void *config) {
    return frame_words(config);
}

static size_t engine_scratch_words(const void *config) {
    return myo_spectrum_scratch_words(config);
}

static myo_status_t engine_init(void *state, const void *config, uint32_t *memory, size_t memory_words,
                                uint32_t *scratch) {
    return myo_spectrum_init_apart(state, config, memory, memory_words, scratch);
}

static void engine_reset(void *state) {
    myo_spectrum_reset(state);
}

static bool engine_push(void *state, const int16_t **frames, size_t *n_frames, int32_t *words) {
    return myo_spectrum_push(state, frames, n_frames, words);
}

const myo_feature_engine_t myo_spectrum_engine = {engine_shape, engine_memory_words, engine_scratch_words,
                                                  engine_init,  engine_reset,        engine_push};
