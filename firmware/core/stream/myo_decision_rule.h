/* How classes are decided where the majority of the last windows' votes is not enough: another method, a hold
   on what is decided, or both. A patch links what its rule names and nothing else. */
#ifndef MYO_DECISION_RULE_H
#define MYO_DECISION_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/myo_decision.h"

#define MYO_DECISION_NONE ((int16_t)-1)
#define MYO_BAYES_MAX_CLASSES 64u

/* reset follows the decision's own, which leaves sums of zero. take gives the class of a window (outputs
   NULL: it casts no vote), -1 where none of the last ones voted, and how many of them did. */
typedef struct {
    bool (*fits)(const myo_decision_config_t *config);
    void (*reset)(myo_decision_state_t *self);
    int16_t (*take)(myo_decision_state_t *self, const int8_t *outputs, uint16_t *n_votes);
} myo_decision_method_t;

struct myo_decision_rule {
    const myo_decision_method_t *method; /* NULL: majority */
    int16_t (*hold)(myo_decision_state_t *self,
                    int16_t winner); /* myo_decision_hold; NULL: nothing is held */
    uint8_t debounce;                /* hold: windows in a row that a class must win before it is told, 1.. */
    uint8_t dwell;                   /* hold: windows that a class is told at least, 1.. */
    uint32_t gain_q32; /* bayes: s - l, with s the probability that a class stays from window to window */
    uint32_t
        leak_q32; /* bayes: l = (1 - s) / (n_outputs - 1), that of each change, above 0; s at least 1/2 */
};

/* The class of the largest sum of outputs over the last windows that voted; of equals the lowest index. */
extern const myo_decision_method_t myo_decision_average;

/* The class of the largest posterior under a hidden Markov chain whose classes stay with probability s, for
   outputs of a softmax, (output + 128) / 256, over classes that training held equal. A window without a vote
   only lets time pass; after vote of them in a row all classes are equal again. Posteriors stand in sums, in
   units of no fixed size, the largest of them in 2^29 .. 2^30 - 1. */
extern const myo_decision_method_t myo_decision_bayes;

/* What is told changes, to a class or to none, once debounce windows in a row have the same winner and, where
   a class is told, it has been for dwell windows. */
int16_t myo_decision_hold(myo_decision_state_t *self, int16_t winner);

#endif
