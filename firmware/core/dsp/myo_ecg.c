#include "dsp/myo_ecg.h"

#include <stdbool.h>
#include <string.h>

#define LEAST_SCALE 12u /* sixteenths of the mean beat */
#define MOST_SCALE 20u
#define SCALE_SHIFT 8u /* of words before products: 2^12 of 2^44, times 39, stay below 2^62 */

typedef struct {
    uint32_t n_seen; /* samples of learning */
    uint32_t since;  /* samples since a beat's start, at most learn + 1 */
    uint32_t due;    /* since, when its window is complete; 0: not known yet */
    uint32_t sum;    /* of the last search magnitudes */
    uint32_t level;  /* that beats reach */
    uint32_t peak;   /* that this beat reached */
    uint32_t n_beats;
    uint32_t oldest;           /* place of the oldest sample in each channel's line */
    uint32_t oldest_magnitude; /* the same of the magnitudes */
} head_t;

_Static_assert(sizeof(head_t) == MYO_ECG_HEAD_WORDS * sizeof(int32_t), "the head's words");

static uint32_t window_of(const myo_ecg_config_t *config) {
    return (uint32_t)config->before + config->after;
}

static uint32_t search_of(const myo_ecg_config_t *config) {
    return (config->after - 1u) / 2u;
}

static myo_status_t check(const myo_step_t *step) {
    const myo_ecg_config_t *config = step->config;
    if (config == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->before < 1 || config->after < 5 || window_of(config) > MYO_ECG_MAX_WINDOW ||
        config->reference >= step->n_in || config->log2_beats > 10 || config->magnitude_shift > 12 ||
        search_of(config) >> config->magnitude_shift != 0 ||
        config->refractory < search_of(config) + config->after || config->learn <= config->refractory ||
        config->learn > INT32_MAX) {
        return MYO_ERROR_CONFIG;
    }
    return myo_step_check_plain(step);
}

static size_t count_state(const myo_step_t *step) {
    const myo_ecg_config_t *config = step->config;
    return MYO_ECG_HEAD_WORDS + 2u * search_of(config) + 1u + (size_t)2u * window_of(config) * step->n_in;
}

/* Samples from the search's first to the largest magnitude, the first of equals. */
static uint32_t find_largest(const uint32_t *magnitudes, uint32_t n, uint32_t oldest) {
    uint32_t largest = 0, found = 0;
    for (uint32_t i = 0, at = oldest; i < n; i++, at = at + 1u == n ? 0u : at + 1u) {
        if (magnitudes[at] > largest || i == 0) {
            largest = magnitudes[at];
            found = i;
        }
    }
    return found;
}

/* Takes a sample of the reference; true if a beat's window is complete with it. */
static bool find_beat(const myo_ecg_config_t *config, head_t *head, uint32_t *magnitudes, int32_t word) {
    const uint32_t search = search_of(config), n_magnitudes = 2u * search + 1u;
    const uint32_t magnitude = (uint32_t)(word < 0 ? -word : word) >> config->magnitude_shift;
    const uint32_t newest = head->oldest_magnitude;
    const uint32_t left = newest + search + 1u; /* the one that leaves the sum, search samples old */
    head->sum += magnitude - magnitudes[left >= n_magnitudes ? left - n_magnitudes : left];
    magnitudes[newest] = magnitude;
    head->oldest_magnitude = newest + 1u == n_magnitudes ? 0u : newest + 1u;
    if (head->n_seen < config->learn) {
        head->n_seen++;
        head->level = head->sum > head->level ? head->sum : head->level;
        head->since = config->refractory;
        return false;
    }
    head->since += head->since <= config->learn ? 1u : 0u;
    if (head->since > config->refractory && head->sum > 3u * (head->level >> 3)) {
        head->since = 0;
        head->due = 0;
        head->peak = head->sum;
    } else if (head->since > config->learn) {
        head->level -= head->level >> 10;
    }
    if ((head->since <= search || head->since <= head->due) && head->sum > head->peak) {
        head->peak = head->sum;
    }
    if (head->since == search) {
        const uint32_t largest = find_largest(magnitudes, n_magnitudes, head->oldest_magnitude);
        head->due = largest + config->after - 1u - search;
    }
    if (head->due == 0 || head->since != head->due) {
        return false;
    }
    head->level += (uint32_t)(((int32_t)head->peak - (int32_t)head->level) >> 3);
    return true;
}

/* Samples of the line leave, those of x come in; the line's oldest stands at from. */
static void exchange(int32_t *line, int32_t *x, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const int32_t waited = line[i];
        line[i] = x[i];
        x[i] = waited;
    }
}

typedef struct {
    int64_t likeness, energy;
} sums_t;

static void add_sums(sums_t *sums, const int32_t *line, const int32_t *mean, uint32_t n) {
    int64_t likeness = sums->likeness, energy = sums->energy;
    for (uint32_t i = 0; i < n; i++) {
        const int32_t m = mean[i] >> SCALE_SHIFT;
        likeness += (int64_t)m * (line[i] >> SCALE_SHIFT);
        energy += (int64_t)m * m;
    }
    *sums = (sums_t){likeness, energy};
}

static void subtract(int32_t *line, int32_t *mean, uint32_t n, int32_t scale, uint32_t weight) {
    const int32_t half = (int32_t)(1u << weight >> 1);
    for (uint32_t i = 0; i < n; i++) {
        const int32_t beat = line[i], m = mean[i];
        line[i] = beat - myo_step_narrow((int64_t)scale * m + 8, 4);
        mean[i] = m + ((beat - m + half) >> weight);
    }
}

/* The line is the beat, its first sample at oldest. */
static void remove_beat(int32_t *line, uint32_t window, uint32_t oldest, uint32_t weight) {
    int32_t *const mean = line + window;
    const uint32_t n_first = window - oldest;
    sums_t sums = {0, 0};
    add_sums(&sums, line + oldest, mean, n_first);
    add_sums(&sums, line, mean + n_first, oldest);
    int32_t scale = (int32_t)LEAST_SCALE;
    for (uint32_t k = LEAST_SCALE; k < MOST_SCALE; k++) {
        scale += 32 * sums.likeness >= (int64_t)(2u * k + 1u) * sums.energy ? 1 : 0;
    }
    subtract(line + oldest, mean, n_first, scale, weight);
    subtract(line, mean + n_first, oldest, scale, weight);
}

static uint32_t run(const myo_step_t *step, int32_t *state, int32_t *block, uint32_t n_frames) {
    const myo_ecg_config_t *config = step->config;
    const uint32_t window = window_of(config);
    const int32_t *const reference = &block[config->reference * MYO_BLOCK_FRAMES];
    head_t head; /* a copy: the words are signed, and may lie anywhere */
    memcpy(&head, state, sizeof head);
    uint32_t *const magnitudes = (uint32_t *)&state[MYO_ECG_HEAD_WORDS];
    int32_t *const lines = &state[MYO_ECG_HEAD_WORDS + 2u * search_of(config) + 1u];
    for (uint32_t from = 0, to = 0; from < n_frames; from = to) {
        bool is_complete = false;
        while (to < n_frames && to - from < window - head.oldest && !is_complete) {
            is_complete = find_beat(config, &head, magnitudes, reference[to++]);
        }
        const uint32_t n = to - from;
        for (uint32_t channel = 0; channel < step->n_in; channel++) {
            exchange(&lines[2u * window * channel + head.oldest], &block[channel * MYO_BLOCK_FRAMES + from],
                     n);
        }
        head.oldest = head.oldest + n == window ? 0u : head.oldest + n;
        if (is_complete) {
            head.n_beats += head.n_beats >> config->log2_beats == 0 ? 1u : 0u;
            const uint32_t weight = 31u - (uint32_t)__builtin_clz(head.n_beats);
            for (uint32_t channel = 0; channel < step->n_in; channel++) {
                remove_beat(&lines[2u * window * channel], window, head.oldest, weight);
            }
        }
    }
    memcpy(state, &head, sizeof head);
    return n_frames;
}

const myo_step_kind_t myo_ecg_kind = {.check = check, .count_state = count_state, .run = run};
