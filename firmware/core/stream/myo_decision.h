/* From network outputs to a decision: a vote over the last windows' classes, or sums over
   the last windows' values. A rule (myo_decision_rule.h) replaces the majority or holds what is decided. */
#ifndef MYO_DECISION_H
#define MYO_DECISION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "myo_status.h"

#define MYO_OUTPUT_CLASSES 0u
#define MYO_OUTPUT_VALUES 1u
#define MYO_VOTE_MAX 31u

typedef struct myo_decision_rule myo_decision_rule_t;

typedef struct {
    uint8_t output_kind; /* MYO_OUTPUT_CLASSES or MYO_OUTPUT_VALUES */
    uint8_t vote;        /* windows that count, 1..MYO_VOTE_MAX */
    int8_t reject_below; /* classes: a window whose best output is below it casts no vote; -128: all vote */
    uint16_t n_outputs;  /* 1..32767 */
    const myo_decision_rule_t *rule; /* classes: how they are decided, outlives self; NULL: by majority */
} myo_decision_config_t;

typedef struct {
    int16_t decided; /* classes: winner of the vote, as held by the rule, -1 where nobody voted; values: -1 */
    int16_t raw;     /* classes: best output of this window, the lowest index of equals, -1 where it was not
                        classified; values: -1 */
    int16_t confidence; /* classes: that output, or 0; values: 0 */
    uint16_t n_votes; /* majority: votes for its winner; otherwise: windows among the last ones that voted */
    const int32_t *sums; /* values: n_outputs sums over the last windows, until the next run; classes: NULL */
} myo_decision_t;

typedef struct myo_decision_state {
    myo_decision_config_t config;
    int16_t votes[MYO_VOTE_MAX]; /* ring of the last windows' classes, -1 no vote */
    int8_t *history;             /* values, and rules: vote x n_outputs, caller's */
    int32_t *sums;               /* values, and rules: n_outputs, caller's */
    uint8_t n_windows;           /* windows in the ring, at most vote */
    uint8_t next;                /* ring slot that the next window takes */
    uint32_t absent;             /* bit k: the window of slot k cast no vote; values, and rules' methods */
    int16_t held;                /* rules: class that is told, -1 none */
    int16_t candidate;           /* rules: the newest winner */
    uint8_t streak;              /* rules: windows that it has won in a row, at most debounce */
    uint8_t stayed;              /* rules: windows that held has been told, at most dwell */
} myo_decision_state_t;

/* history (vote * n_outputs bytes) and sums (n_outputs words) are wanted for values and for a rule; they
   must outlive self. */
myo_status_t myo_decision_init(myo_decision_state_t *self, const myo_decision_config_t *config,
                               int8_t *history, size_t history_bytes, int32_t *sums, size_t n_sums);

/* Forgets all windows. */
void myo_decision_reset(myo_decision_state_t *self);

/* Takes one window's n_outputs and decides. Equal votes: the class that was voted for most recently. */
myo_decision_t myo_decision_run(myo_decision_state_t *self, const int8_t *outputs);

/* What methods are made of. Puts a window into the ring and gives how many of the last ones voted, this one
   with them. */
uint16_t myo_decision_mark(myo_decision_state_t *self, bool votes);

/* The same, and keeps sums of the outputs of the windows that vote; outputs NULL: this one does not. */
uint16_t myo_decision_sum(myo_decision_state_t *self, const int8_t *outputs);

/* A window that is not classified: it takes its place among the last ones and casts no vote. */
myo_decision_t myo_decision_abstain(myo_decision_state_t *self);

#endif
