/* Removal of the heart's signal: beats are found in one channel, and of each channel the running mean of its
   beats is subtracted, scaled by 12 to 20 sixteenths. y[n] belongs to x[n - window].

   The export keeps 9/4 of the largest word inside 32 bits. Beats seldom come, and each costs some twenty
   instructions a channel and sample of the window at once. State: MYO_ECG_HEAD_WORDS, then the
   last 2 * search + 1 magnitudes of the reference, then of each channel window samples that wait and window
   words of the mean beat. */
#ifndef MYO_ECG_H
#define MYO_ECG_H

#include "dsp/myo_step.h"

#define MYO_ECG_HEAD_WORDS 9u
#define MYO_ECG_MAX_WINDOW 4096u

typedef struct {
    uint32_t refractory;     /* samples after a beat's start in which no other begins, search + after .. */
    uint32_t learn;          /* samples from the start that teach the level of beats, above refractory */
    uint16_t reference;      /* channel in which beats are found */
    uint16_t before;         /* samples of a beat before its largest, 1.. */
    uint16_t after;          /* and from there on, 5..; before + after at most MYO_ECG_MAX_WINDOW */
    uint8_t log2_beats;      /* weight of a new beat in the mean: 2^-log2_beats; 0..10 */
    uint8_t magnitude_shift; /* brings search magnitudes into 31 bits together */
} myo_ecg_config_t;

extern const myo_step_kind_t myo_ecg_kind;

#endif
