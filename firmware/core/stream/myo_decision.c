#include "stream/myo_decision.h"

#include <string.h>

#include "stream/myo_decision_rule.h"

#define NO_CLASS MYO_DECISION_NONE

static bool keeps_sums(const myo_decision_config_t *config) {
    return config->output_kind == MYO_OUTPUT_VALUES || config->rule != NULL;
}

static bool rule_fits(const myo_decision_config_t *config) {
    const myo_decision_rule_t *const rule = config->rule;
    return (rule->method == NULL || rule->method->fits(config)) &&
           (rule->hold == NULL || (rule->debounce > 0 && rule->dwell > 0));
}

myo_status_t myo_decision_init(myo_decision_state_t *self, const myo_decision_config_t *config,
                               int8_t *history, size_t history_bytes, int32_t *sums, size_t n_sums) {
    if (self == NULL || config == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->output_kind > MYO_OUTPUT_VALUES || config->vote < 1 || config->vote > MYO_VOTE_MAX ||
        config->n_outputs < 1 || config->n_outputs > INT16_MAX) {
        return MYO_ERROR_CONFIG;
    }
    if (config->rule != NULL && (config->output_kind != MYO_OUTPUT_CLASSES || !rule_fits(config))) {
        return MYO_ERROR_CONFIG;
    }
    if (keeps_sums(config)) {
        if (history == NULL || sums == NULL) {
            return MYO_ERROR_NULL;
        }
        if (history_bytes < (size_t)config->vote * config->n_outputs || n_sums < config->n_outputs) {
            return MYO_ERROR_MEMORY;
        }
    }
    self->config = *config;
    self->history = history;
    self->sums = sums;
    myo_decision_reset(self);
    return MYO_OK;
}

void myo_decision_reset(myo_decision_state_t *self) {
    self->n_windows = 0;
    self->next = 0;
    self->absent = 0;
    self->held = NO_CLASS;
    self->candidate = NO_CLASS;
    self->streak = 0;
    self->stayed = 0;
    if (keeps_sums(&self->config)) {
        memset(self->sums, 0, self->config.n_outputs * sizeof self->sums[0]);
    }
    if (self->config.rule != NULL && self->config.rule->method != NULL) {
        self->config.rule->method->reset(self);
    }
}

/* Moves the ring on; afterwards the window that has just been written is the newest. */
static void advance(myo_decision_state_t *self) {
    self->next = (uint8_t)((self->next + 1u) % self->config.vote);
    if (self->n_windows < self->config.vote) {
        self->n_windows++;
    }
}

static int16_t vote_of(const myo_decision_state_t *self, uint8_t age) {
    return self->votes[(self->next + self->config.vote - 1u - age) % self->config.vote];
}

static myo_decision_t count_votes(myo_decision_state_t *self, int16_t vote, int16_t raw, int16_t confidence) {
    myo_decision_t decision = {.decided = NO_CLASS, .raw = raw, .confidence = confidence};
    self->votes[self->next] = vote;
    advance(self);
    /* From the newest vote back, so that only more votes displace a candidate: equals go
       to the most recent. */
    for (uint8_t age = 0; age < self->n_windows; age++) {
        const int16_t candidate = vote_of(self, age);
        uint16_t n_votes = 0;
        for (uint8_t other = age; candidate != NO_CLASS && other < self->n_windows; other++) {
            n_votes = (uint16_t)(n_votes + (vote_of(self, other) == candidate));
        }
        if (n_votes > decision.n_votes) {
            decision.decided = candidate;
            decision.n_votes = n_votes;
        }
    }
    return decision;
}

/* outputs: NULL where the window casts no vote. */
static myo_decision_t follow_rule(myo_decision_state_t *self, const int8_t *outputs, int16_t raw,
                                  int16_t confidence) {
    const myo_decision_rule_t *const rule = self->config.rule;
    myo_decision_t decision;
    if (rule->method == NULL) {
        decision = count_votes(self, outputs != NULL ? raw : NO_CLASS, raw, confidence);
    } else {
        decision = (myo_decision_t){.raw = raw, .confidence = confidence};
        decision.decided = rule->method->take(self, outputs, &decision.n_votes);
    }
    if (rule->hold != NULL) {
        decision.decided = rule->hold(self, decision.decided);
    }
    return decision;
}

static myo_decision_t decide_class(myo_decision_state_t *self, const int8_t *outputs) {
    uint16_t best = 0;
    for (uint16_t i = 1; i < self->config.n_outputs; i++) {
        if (outputs[i] > outputs[best]) {
            best = i;
        }
    }
    const bool votes = outputs[best] >= self->config.reject_below;
    return self->config.rule != NULL
               ? follow_rule(self, votes ? outputs : NULL, (int16_t)best, outputs[best])
               : count_votes(self, votes ? (int16_t)best : NO_CLASS, (int16_t)best, outputs[best]);
}

static myo_decision_t abstain_class(myo_decision_state_t *self) {
    return self->config.rule != NULL ? follow_rule(self, NULL, NO_CLASS, 0)
                                     : count_votes(self, NO_CLASS, NO_CLASS, 0);
}

uint16_t myo_decision_mark(myo_decision_state_t *self, bool votes) {
    const uint32_t bit = 1u << self->next;
    self->absent = votes ? self->absent & ~bit : self->absent | bit;
    advance(self);
    uint16_t n_votes = self->n_windows;
    for (uint32_t rest = self->absent; rest != 0; rest &= rest - 1u) {
        n_votes--;
    }
    return n_votes;
}

uint16_t myo_decision_sum(myo_decision_state_t *self, const int8_t *outputs) {
    int8_t *slot = &self->history[(size_t)self->next * self->config.n_outputs];
    const bool drop_oldest = self->n_windows == self->config.vote;
    for (uint16_t i = 0; i < self->config.n_outputs; i++) {
        const int8_t value = outputs != NULL ? outputs[i] : 0; /* an absent window leaves zeros */
        self->sums[i] += value - (drop_oldest ? slot[i] : 0);  /* at most 31 * 128: no overflow */
        slot[i] = value;
    }
    return myo_decision_mark(self, outputs != NULL);
}

static myo_decision_t sum_values(myo_decision_state_t *self, const int8_t *outputs) {
    const uint16_t n_votes = myo_decision_sum(self, outputs);
    return (myo_decision_t){.decided = NO_CLASS, .raw = NO_CLASS, .n_votes = n_votes, .sums = self->sums};
}

myo_decision_t myo_decision_run(myo_decision_state_t *self, const int8_t *outputs) {
    return self->config.output_kind == MYO_OUTPUT_CLASSES ? decide_class(self, outputs)
                                                          : sum_values(self, outputs);
}

myo_decision_t myo_decision_abstain(myo_decision_state_t *self) {
    return self->config.output_kind == MYO_OUTPUT_CLASSES ? abstain_class(self) : sum_values(self, NULL);
}
