#include "dsp/myo_fir.h"

#include <string.h>

static myo_status_t check(const myo_step_t *step) {
    const myo_fir_config_t *config = step->config;
    if (config == NULL || config->taps == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->n_taps < 1 || config->n_taps > MYO_FIR_MAX_TAPS || config->shift < 1 || config->shift > 62 ||
        step->n_in != step->n_out) {
        return MYO_ERROR_CONFIG;
    }
    return MYO_OK;
}

static size_t count_channel(const myo_fir_config_t *config) {
    return (size_t)config->n_taps - 1u + MYO_BLOCK_FRAMES;
}

static size_t count_state(const myo_step_t *step) {
    return count_channel(step->config) * step->n_in + (step->decimation > 1 ? 1u : 0u);
}

/* line holds the past and the block: n_taps - 1 + n_frames samples. */
static void convolve(const myo_fir_config_t *config, const int32_t *line, int32_t *y, uint32_t n_frames) {
    const int32_t *const taps = config->taps;
    const uint32_t last = config->n_taps - 1u, shift = config->shift;
    const int64_t half = (int64_t)1 << (shift - 1u);
    uint32_t i = 0;
    for (; i + 2u <= n_frames; i += 2u) { /* two at a time: a tap is fetched once, a sample once */
        int64_t first = half, second = half;
        int32_t newer = line[i + last + 1u];
        for (uint32_t k = 0; k <= last; k++) {
            const int32_t older = line[i + last - k];
            first += (int64_t)taps[k] * older;
            second += (int64_t)taps[k] * newer;
            newer = older;
        }
        y[i] = (int32_t)(first >> shift);
        y[i + 1u] = (int32_t)(second >> shift);
    }
    if (i < n_frames) {
        int64_t sum = half;
        for (uint32_t k = 0; k <= last; k++) {
            sum += (int64_t)taps[k] * line[i + last - k];
        }
        y[i] = (int32_t)(sum >> shift);
    }
}

/* The outputs of every stride-th sample from that at the place of newest, two at a time: a tap is fetched
 * once. */
static void convolve_apart(const myo_fir_config_t *config, const int32_t *line, uint32_t newest,
                           uint32_t stride, int32_t *y, uint32_t n) {
    const int32_t *const taps = config->taps;
    const uint32_t n_taps = config->n_taps, shift = config->shift;
    const int64_t half = (int64_t)1 << (shift - 1u);
    uint32_t i = 0;
    for (; i + 2u <= n; i += 2u, newest += 2u * stride) {
        int64_t first = half, second = half;
        for (uint32_t k = 0; k < n_taps; k++) {
            first += (int64_t)taps[k] * line[newest - k];
            second += (int64_t)taps[k] * line[newest + stride - k];
        }
        y[i] = (int32_t)(first >> shift);
        y[i + 1u] = (int32_t)(second >> shift);
    }
    if (i < n) {
        int64_t sum = half;
        for (uint32_t k = 0; k < n_taps; k++) {
            sum += (int64_t)taps[k] * line[newest - k];
        }
        y[i] = (int32_t)(sum >> shift);
    }
}

static uint32_t run(const myo_step_t *step, int32_t *state, int32_t *block, uint32_t n_frames) {
    const myo_fir_config_t *config = step->config;
    const size_t n_past = (size_t)config->n_taps - 1u;
    const uint32_t decimation = step->decimation;
    uint32_t since = 0, n_kept = n_frames;
    if (decimation > 1) {
        int32_t *const n_since = &state[count_channel(config) * step->n_in];
        since = (uint32_t)*n_since;
        n_kept = (since + n_frames) / decimation;
        *n_since = (int32_t)((since + n_frames) % decimation);
    }
    for (uint32_t channel = 0; channel < step->n_in; channel++) {
        int32_t *const x = &block[channel * MYO_BLOCK_FRAMES];
        memcpy(&state[n_past], x, n_frames * sizeof *x);
        if (decimation == 1) {
            convolve(config, state, x, n_frames);
        } else {
            convolve_apart(config, state, (uint32_t)n_past + decimation - 1u - since, decimation, x, n_kept);
        }
        memmove(state, &state[n_frames], n_past * sizeof *x);
        state += count_channel(config);
    }
    return n_kept;
}

const myo_step_kind_t myo_fir_kind = {.check = check, .count_state = count_state, .run = run};
