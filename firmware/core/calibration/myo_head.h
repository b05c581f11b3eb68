/* A person's head: sums of embeddings a class -> a linear classifier with the network's own softmax words.

   Linear discriminant analysis with the covariance that training measured: the weights of a class are the
   inverse covariance times its mean, its bias minus half of mean times weights. Means come of the person's
   windows, and of the training persons' as prior_windows more. All in integers, the same words as
   myo_pipeline.calibration_head on every core. Pure functions of caller-owned memory; none is ISR-safe, for
   they take long. */
#ifndef MYO_HEAD_H
#define MYO_HEAD_H

#include <stdint.h>

#include "myo_status.h"

#define MYO_HEAD_MAX_WORDS 128u     /* a score is at most 2^31 with as many */
#define MYO_HEAD_MAX_CLASSES 64u    /* the softmax's sum fits 32 bits */
#define MYO_HEAD_MAX_WINDOWS 60000u /* a class's sum fits int32 */
#define MYO_HEAD_MAX_SHIFT 44u

/* What the export knows of it. */
typedef struct {
    uint16_t n_classes;       /* 2..MYO_HEAD_MAX_CLASSES */
    uint16_t n_words;         /* of an embedding, 1..MYO_HEAD_MAX_WORDS */
    int8_t zero_point;        /* of the embedding */
    uint8_t precision_shift;  /* 0..MYO_HEAD_MAX_SHIFT */
    uint16_t prior_windows;   /* windows that the prior counts as */
    uint16_t memory_windows;  /* windows that a class's earlier calibrations count as at most */
    uint16_t min_windows;     /* windows that every class needs before a head is made */
    const int16_t *prior;     /* [n_classes][n_words], Q7, steps from the zero point */
    const int32_t *precision; /* inverse covariance * 2^precision_shift, lower triangle by rows. The export
                                 proves that n_words * largest * 256 is below 2^19 in natural units. */
} myo_head_config_t;

/* What is known of a person. */
typedef struct {
    uint16_t *counts; /* [n_classes] windows, at most MYO_HEAD_MAX_WINDOWS */
    int32_t *sums;    /* [n_classes][n_words] of their embeddings, steps from the zero point */
} myo_tally_t;

/* score = weights . embedding + bias; exponent: bits that the weights were shifted down. */
typedef struct {
    int16_t *weights; /* [n_classes][n_words] */
    int32_t *bias;    /* [n_classes], the zero point folded in */
    uint8_t exponent;
} myo_head_t;

/* Whether config is within its ranges. */
myo_status_t myo_head_check(const myo_head_config_t *config);

/* Adds one window of class label, below n_classes. False, and nothing is added, where the class is full. */
int myo_tally_add(const myo_head_config_t *config, const myo_tally_t *tally, uint32_t label,
                  const int8_t *embedding);

/* Scales each class that counts more than memory_windows down to as many. */
void myo_tally_fade(const myo_head_config_t *config, const myo_tally_t *tally);

/* Makes the head of a tally. means: n_words, overwritten. */
void myo_head_fit(const myo_head_config_t *config, const myo_tally_t *tally, int32_t *means,
                  myo_head_t *head);

/* Scores an embedding and gives the softmax: probability * 256 - 128, at most 127. scores: n_classes,
   overwritten by what the softmax was taken of; output: n_classes. */
void myo_head_run(const myo_head_config_t *config, const myo_head_t *head, const int8_t *embedding,
                  int32_t *scores, int8_t *output);

#endif
