#include "stream/myo_decision_rule.h"

/* The largest posterior has this many bits, so that what truncation takes off the least likely class, which
   expects l of their sum, is small against it (docs/decision.md). */
#define POSTERIOR_BITS 30u

static uint16_t find_largest(const int32_t *x, uint16_t n) {
    uint16_t best = 0;
    for (uint16_t i = 1; i < n; i++) {
        if (x[i] > x[best]) {
            best = i;
        }
    }
    return best;
}

static bool average_fits(const myo_decision_config_t *config) {
    (void)config;
    return true;
}

static void reset_average(myo_decision_state_t *self) {
    (void)self;
}

static int16_t take_average(myo_decision_state_t *self, const int8_t *outputs, uint16_t *n_votes) {
    *n_votes = myo_decision_sum(self, outputs);
    return *n_votes > 0 ? (int16_t)find_largest(self->sums, self->config.n_outputs) : MYO_DECISION_NONE;
}

const myo_decision_method_t myo_decision_average = {average_fits, reset_average, take_average};

/* With s at least 1/2 the largest posterior keeps half of itself from window to window, and the posteriors
   after a step are at most the largest before it: what the words below count on. */
static bool bayes_fits(const myo_decision_config_t *config) {
    const uint64_t gain = config->rule->gain_q32;
    const uint64_t leak = config->rule->leak_q32;
    const uint64_t n = config->n_outputs;
    return n >= 2 && n <= MYO_BAYES_MAX_CLASSES && leak > 0 && gain + leak >= UINT32_MAX / 2u &&
           gain + n * leak <= (UINT64_C(1) << 32) + n;
}

static void reset_bayes(myo_decision_state_t *self) {
    for (uint16_t i = 0; i < self->config.n_outputs; i++) {
        self->sums[i] = (int32_t)1 << (POSTERIOR_BITS - 1u);
    }
}

/* The product is below 2^63: x is at most n * 2^30, and y_q32 about 2^32 / n. */
static uint32_t multiply_q32(uint64_t x, uint32_t y_q32) {
    return (uint32_t)((x * y_q32) >> 32);
}

/* In 1/2048: the output of a softmax; 1/512, half of its step, where it is zero. At most 2^11. */
static uint32_t weigh(int8_t output) {
    return output == INT8_MIN ? 4u : 8u * (uint32_t)(output + 128);
}

static int16_t take_bayes(myo_decision_state_t *self, const int8_t *outputs, uint16_t *n_votes) {
    const myo_decision_rule_t *const rule = self->config.rule;
    const uint16_t n = self->config.n_outputs;
    *n_votes = myo_decision_mark(self, outputs != NULL);
    if (*n_votes == 0) {
        reset_bayes(self);
        return MYO_DECISION_NONE;
    }
    uint64_t sum = 0;
    for (uint16_t i = 0; i < n; i++) {
        sum += (uint32_t)self->sums[i];
    }
    const uint32_t leak = multiply_q32(sum, rule->leak_q32);
    uint64_t largest = 0; /* at least 2^29: half of the largest posterior, times at least 4 */
    for (uint16_t i = 0; i < n; i++) {
        const uint32_t expected = multiply_q32((uint32_t)self->sums[i], rule->gain_q32) + leak;
        const uint64_t joint = (uint64_t)expected * (outputs != NULL ? weigh(outputs[i]) : 4u);
        largest = joint > largest ? joint : largest;
        self->sums[i] = (int32_t)expected;
    }
    uint32_t shift = 0;
    while (largest >> shift >> POSTERIOR_BITS != 0) {
        shift++;
    }
    for (uint16_t i = 0; i < n; i++) {
        const uint64_t joint = (uint64_t)(uint32_t)self->sums[i] * (outputs != NULL ? weigh(outputs[i]) : 4u);
        self->sums[i] = (int32_t)(joint >> shift);
    }
    return (int16_t)find_largest(self->sums, n);
}

const myo_decision_method_t myo_decision_bayes = {bayes_fits, reset_bayes, take_bayes};

int16_t myo_decision_hold(myo_decision_state_t *self, int16_t winner) {
    const myo_decision_rule_t *const rule = self->config.rule;
    if (winner != self->candidate) {
        self->candidate = winner;
        self->streak = 0;
    }
    self->streak = (uint8_t)(self->streak + (self->streak < rule->debounce));
    const bool may_go = self->held == MYO_DECISION_NONE || self->stayed >= rule->dwell;
    if (winner != self->held && self->streak >= rule->debounce && may_go) {
        self->held = winner;
        self->stayed = 0;
    }
    self->stayed = (uint8_t)(self->stayed + (self->stayed < rule->dwell));
    return self->held;
}
