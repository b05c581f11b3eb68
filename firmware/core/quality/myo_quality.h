/* Signal quality of raw channels: flags, after each period of about half a second, for what is wrong.

   Samples are int32 counts as the converter gives them, before any filter. Of every stride frames the last is
   looked at; a period is n_groups groups of group_blocks blocks of block_frames such frames. All sums are
   exact integers, so flags depend on the frames since init or reset alone: not on how they were cut into
   pushes.

   Energies are sums of squares about the mean over a period, counts^2. Definitions, units and references:
   pipeline/myo_pipeline/quality.py, which gives the same flags and makes the config. */
#ifndef MYO_QUALITY_H
#define MYO_QUALITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "myo_status.h"

#define MYO_QUALITY_MAX_CHANNELS 64u
#define MYO_QUALITY_MAX_PERIOD_FRAMES 16384u
#define MYO_QUALITY_MAX_GROUP_BLOCKS 16u
#define MYO_QUALITY_MAX_PERIODS 4u /* that set or clear a flag */

#define MYO_QUALITY_SATURATED (1u << 0)  /* clip_count samples or more at the ends */
#define MYO_QUALITY_FLAT (1u << 1)       /* nothing above the baseline */
#define MYO_QUALITY_OFF (1u << 2)        /* MAINS, large, and hardly any of it is muscle */
#define MYO_QUALITY_MAINS (1u << 3)      /* by size and by share of what is above the baseline */
#define MYO_QUALITY_MOTION (1u << 4)     /* baseline, by size and by share of the total */
#define MYO_QUALITY_DUPLICATED (1u << 5) /* equal to another channel */
#define MYO_QUALITY_LOW_SNR (1u << 6)    /* the strongest periods are hardly above the quietest */
#define MYO_QUALITY_ALL 0x7Fu

typedef struct myo_quality myo_quality_t;

typedef struct {
    uint16_t n_channels; /* 1 .. 64 */
    uint16_t stride;     /* of so many frames the last is looked at, 1 .. */
    uint16_t
        period_looks; /* frames that are looked at: block_frames * group_blocks * n_groups, at most 16384 */
    uint16_t block_frames; /* 1 .. */
    uint16_t group_blocks; /* 1 .. 16 */
    uint16_t n_groups;     /* 1 .. */
    uint8_t adc_bits; /* counts in -2^(adc_bits-1) .. 2^(adc_bits-1)-1; a group's sum fits int32, and a sum of
                         differences */
    uint8_t mains_shift; /* 0 .. 62: a Fourier sum, shifted, is below 2^30 */
    uint8_t mains_down;  /* 0 .. 62: shift of the sum of its squares, before mains_q16 */
    uint8_t mains_up;    /* 0 .. 4: left shift after it */
    uint8_t periods_on;  /* periods in a row that set a flag, 1 .. 4 */
    uint8_t periods_off; /* periods without it in a row that clear it, 1 .. 4 */
    uint8_t checks;      /* flags that are looked for; the others are never told */
    uint16_t settle_periods;
    const int16_t *cosines; /* Q14, group_blocks * n_groups, and their sums: the mains' wave */
    const int16_t *sines;
    int32_t cosine_sum;
    int32_t sine_sum;
    int32_t clip_level; /* of x >= 0 ? x : -1 - x; above 0 */
    uint32_t clip_count;
    uint64_t flat_energy; /* all below 2^60 */
    uint64_t off_energy;
    uint64_t mains_energy;
    uint64_t motion_energy;
    uint32_t mains_q16; /* this and the next are 0 .. 65536 */
    uint32_t off_q16;
    uint32_t mains_share_q16;
    uint32_t motion_q16;
    uint32_t duplicated_q16;
    uint32_t snr_q16;
    /* myo_quality_take of myo_quality_take.h with constants, or myo_quality_take_any. */
    void (*take)(myo_quality_t *self, const int32_t *x, uint32_t n);
} myo_quality_config_t;

typedef struct { /* of one channel */
    uint64_t energy;
    uint64_t group_energy; /* of the groups' means */
    uint64_t difference;   /* to its partner of this period: squares and sum, of one frame a block */
    int64_t difference_sum;
    int64_t cosine;
    int64_t sine;
    int64_t sum;
    uint64_t rest; /* of the last period: neither baseline nor mains */
    uint64_t floor;
    uint64_t peak;
    uint32_t clipped;
    uint32_t equal_to; /* bit k: was equal to the channel k + 1 further when last compared */
    uint32_t recent;   /* flags of the last four periods by themselves, the latest in the lowest byte */
    uint16_t n_tracked;
    uint8_t lasting; /* with those that are not told */
    uint8_t flags;
} myo_quality_channel_t;

struct myo_quality {
    const myo_quality_config_t *config;
    myo_quality_channel_t *channels;
    int32_t *frames;      /* of a group, that were looked at */
    uint64_t clip_energy; /* no end was reached in frames with less energy */
    uint32_t periods;     /* ended since the start */
    uint16_t offset;      /* by how many channels a partner is further; 0: none is compared */
    uint16_t frame;       /* of the group: those that are kept */
    uint16_t group;       /* of the period */
    uint16_t skip;        /* frames before the next that is looked at */
};

/* Validates config and starts. channels (n_channels) and frames (n_channels * group_blocks * block_frames
   words) are the caller's; they and config must outlive self. ISR-safe: no. */
myo_status_t myo_quality_init(myo_quality_t *self, const myo_quality_config_t *config,
                              myo_quality_channel_t *channels, size_t n_channels, int32_t *frames,
                              size_t n_words);

/* As after init: the next frame is a period's first. ISR-safe: no. */
void myo_quality_reset(myo_quality_t *self);

/* Takes frames (n_frames x n_channels counts) up to the period's end, and moves *frames and *n_frames past
   what it took. True where a period ended: channels[].flags are new, and the call is to be repeated for the
   rest. False where all was taken. ISR-safe: no. */
bool myo_quality_push(myo_quality_t *self, const int32_t **frames, size_t *n_frames);

/* Frames that are missing to the period's end, at least one. ISR-safe: no. */
uint32_t myo_quality_left(const myo_quality_t *self);

/* myo_quality_take for any config. ISR-safe: no. */
void myo_quality_take_any(myo_quality_t *self, const int32_t *x, uint32_t n);

/* Bit c: channel c has any of these flags. ISR-safe: no. */
uint64_t myo_quality_mask(const myo_quality_t *self, uint32_t flags);

#endif
