#include "dsp/myo_sos_section.h"

#if MYO_SOS_SECTION_ARM

/* Coefficients, state, sum and pointers take every register, so C cannot hold them all: these are functions
   of instructions. Two samples a turn would rename x[n-1] and x[n-2] for free; four halve the loop's own
   share.

   r0, lr: sum; r1: state; r2: block; r3: samples; r4-r8: b0, b1, b2, a1, a2; r9, r10: x[n-1], x[n-2];
   r11, r12: y[n-1], y[n-2]. The older ones are overwritten by the new ones and the names change places. */

/* Parameters stand in registers, not behind their names. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* clang-format off */

#define SAMPLE(right, left, x1, x2, y1, y2)                                 \
    "smull r0, lr, r6, " x2 "\n"                                            \
    "ldr " x2 ", [r2]\n"                                                    \
    "smlal r0, lr, r4, " x2 "\n"                                            \
    "smlal r0, lr, r5, " x1 "\n"                                            \
    "smlal r0, lr, r8, " y2 "\n"                                            \
    "smlal r0, lr, r7, " y1 "\n"                                            \
    "lsr r0, r0, #" right "\n"                                              \
    "orr " y2 ", r0, lr, lsl #" left "\n"                                   \
    "str " y2 ", [r2], #4\n"
#define TWO_SAMPLES(right, left)                                            \
    SAMPLE(right, left, "r9", "r10", "r11", "r12")                          \
    SAMPLE(right, left, "r10", "r9", "r12", "r11")

#define SECTION(right, left)                                                \
    __asm__ volatile(                                                       \
        "push {r4-r11, lr}\n"                                               \
        "ldm r0, {r4-r8}\n"                                                 \
        "ldm r1, {r9-r12}\n"                                                \
        "subs r3, r3, #4\n"                                                 \
        "blo 2f\n"                                                          \
        "1:\n"                                                              \
        TWO_SAMPLES(right, left)                                            \
        TWO_SAMPLES(right, left)                                            \
        "subs r3, r3, #4\n"                                                 \
        "bhs 1b\n"                                                          \
        "2:\n" /* the low two bits still tell how many are left */          \
        "tst r3, #2\n"                                                      \
        "beq 3f\n"                                                          \
        TWO_SAMPLES(right, left)                                            \
        "3:\n"                                                              \
        "tst r3, #1\n"                                                      \
        "beq 4f\n"                                                          \
        SAMPLE(right, left, "r9", "r10", "r11", "r12")                      \
        "mov r0, r9\n"                                                      \
        "mov r9, r10\n"                                                     \
        "mov r10, r0\n"                                                     \
        "mov r0, r11\n"                                                     \
        "mov r11, r12\n"                                                    \
        "mov r12, r0\n"                                                     \
        "4:\n"                                                              \
        "stm r1, {r9-r12}\n"                                                \
        "pop {r4-r11, pc}\n")

#define DEFINE_SECTION(name, right, left)                                   \
    __attribute__((naked)) void name(const int32_t *coefficients, int32_t *state, int32_t *block, \
                                     uint32_t n_samples) {                  \
        SECTION(right, left);                                               \
    }

DEFINE_SECTION(myo_sos_section_0, "31", "1")
DEFINE_SECTION(myo_sos_section_1, "30", "2")
DEFINE_SECTION(myo_sos_section_2, "29", "3")
DEFINE_SECTION(myo_sos_section_3, "28", "4")
DEFINE_SECTION(myo_sos_section_4, "27", "5")

#endif
