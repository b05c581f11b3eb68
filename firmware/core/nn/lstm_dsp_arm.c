#include "myo_nn_dispatch.h"

#if MYO_NN_DSP && defined(__arm__)

#include "myo_nn_gates.h"
#include "myo_nn_tile_arm.h"

/* As in tile_dsp_arm.c: functions of instructions, each the same as its namesake in C in lstm_dsp.c. Outputs
   are int16, all four of a tile have one scale, and a scale without a shift has no second rounding. */

/* Parameters stand in registers and on the stack, not behind their names. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* One instruction a line. */
/* clang-format off */

/* Wide weights hold the scale's power of 2; with packed ones the sums take it now. */
#define KEEP(a, left) ""
#define SHIFT(a, left) "lsl " a ", " a ", " left "\n"

/* A sum in the register a, with both roundings. */
#define SCALE(a, multiplier, add, shift, free)                              \
    "add " free ", " add ", " a ", asr #31\n"                               \
    "smmlar " a ", " a ", " multiplier ", " free "\n"                       \
    "asr " a ", " a ", " shift "\n"

/* Four sums to two pairs of int16, in the first and third register. */
#define PAIRS(a, b, c, d)                                                   \
    "ssat " a ", #16, " a "\n"                                              \
    "ssat " b ", #16, " b "\n"                                              \
    "ssat " c ", #16, " c "\n"                                              \
    "ssat " d ", #16, " d "\n"                                              \
    "pkhbt " a ", " a ", " b ", lsl #16\n"                                  \
    "pkhbt " c ", " c ", " d ", lsl #16\n"

/* r0: x, r1: weights, r2: tiles until the sums begin, r4-r7 and r8-r11: sums of the first and second position.
   Stack: 0: x, 4: end of the tile's weights, 8: tiles, 12: gates, 52: next_position, 56: tile_bytes, 60:
   n_tiles. */
#define GATES_OF_TWO(group, odd_bit, shifted)                               \
    __asm__ volatile(                                                       \
        "push {r4-r11, lr}\n"                                               \
        "push {r0-r3}\n"                                                    \
        "1:\n"                                                              \
        "ldr r12, [sp, #56]\n"                                              \
        "ldr r0, [sp]\n"                                                    \
        "add lr, r1, r12\n"                                                 \
        "str lr, [sp, #4]\n"                                                \
        "ldmia r2!, {r4-r7}\n"                                              \
        "str r2, [sp, #8]\n"                                                \
        "lsls r12, r12, #" odd_bit "\n"                                     \
        "mov r8, r4\n"                                                      \
        "mov r9, r5\n"                                                      \
        "mov r10, r6\n"                                                     \
        "mov r11, r7\n"                                                     \
        "bmi 3f\n"                                                          \
        "2:\n"                                                              \
        group                                                               \
        "3:\n"                                                              \
        group                                                               \
        "ldr r12, [sp, #4]\n"                                               \
        "cmp r1, r12\n"                                                     \
        "bne 2b\n"                                                          \
        "ldr r2, [sp, #8]\n"                                                \
        "ldmia r2!, {r0, r3, r12, lr}\n"                                    \
        shifted("r4", "lr") shifted("r5", "lr")                             \
        shifted("r6", "lr") shifted("r7", "lr")                             \
        shifted("r8", "lr") shifted("r9", "lr")                             \
        shifted("r10", "lr") shifted("r11", "lr")                           \
        "cmp r12, #0\n"                                                     \
        "beq 4f\n"                                                          \
        SCALE("r4", "r0", "r3", "r12", "lr")                                \
        SCALE("r5", "r0", "r3", "r12", "lr")                                \
        SCALE("r6", "r0", "r3", "r12", "lr")                                \
        SCALE("r7", "r0", "r3", "r12", "lr")                                \
        SCALE("r8", "r0", "r3", "r12", "lr")                                \
        SCALE("r9", "r0", "r3", "r12", "lr")                                \
        SCALE("r10", "r0", "r3", "r12", "lr")                               \
        SCALE("r11", "r0", "r3", "r12", "lr")                               \
        "b 5f\n"                                                            \
        "4:\n"                                                              \
        "smmulr r4, r4, r0\n"                                               \
        "smmulr r5, r5, r0\n"                                               \
        "smmulr r6, r6, r0\n"                                               \
        "smmulr r7, r7, r0\n"                                               \
        "smmulr r8, r8, r0\n"                                               \
        "smmulr r9, r9, r0\n"                                               \
        "smmulr r10, r10, r0\n"                                             \
        "smmulr r11, r11, r0\n"                                             \
        "5:\n"                                                              \
        PAIRS("r4", "r5", "r6", "r7")                                       \
        PAIRS("r8", "r9", "r10", "r11")                                     \
        "ldr r0, [sp, #12]\n"                                               \
        "ldr r3, [sp, #52]\n"                                               \
        "ldr r12, [sp, #60]\n"                                              \
        "add r3, r0, r3, lsl #1\n"                                          \
        "strd r4, r6, [r0], #8\n"                                           \
        "strd r8, r10, [r3]\n"                                              \
        "str r0, [sp, #12]\n"                                               \
        "subs r12, r12, #1\n"                                               \
        "str r12, [sp, #60]\n"                                              \
        "bne 1b\n"                                                          \
        "add sp, sp, #16\n"                                                 \
        "pop {r4-r11, pc}\n")

/* r0: x, r1: weights, r12: their end, r4-r7: sums, lr: tiles before and after the loop.
   Stack: 0: x, 8: tiles, 12: gates, 52: tile_bytes, 56: n_tiles. */
#define GATES_OF_ONE(group, odd_bit, shifted)                               \
    __asm__ volatile(                                                       \
        "push {r4-r11, lr}\n"                                               \
        "push {r0-r3}\n"                                                    \
        "mov lr, r2\n"                                                      \
        "1:\n"                                                              \
        "ldr r2, [sp, #52]\n"                                               \
        "ldr r0, [sp]\n"                                                    \
        "ldmia lr!, {r4-r7}\n"                                              \
        "str lr, [sp, #8]\n"                                                \
        "add r12, r1, r2\n"                                                 \
        "lsls r2, r2, #" odd_bit "\n"                                       \
        "bmi 3f\n"                                                          \
        "2:\n"                                                              \
        group                                                               \
        "3:\n"                                                              \
        group                                                               \
        "cmp r1, r12\n"                                                     \
        "bne 2b\n"                                                          \
        "ldr lr, [sp, #8]\n"                                                \
        "ldmia lr!, {r8-r11}\n"                                             \
        shifted("r4", "r11") shifted("r5", "r11")                           \
        shifted("r6", "r11") shifted("r7", "r11")                           \
        "cmp r10, #0\n"                                                     \
        "beq 4f\n"                                                          \
        SCALE("r4", "r8", "r9", "r10", "r11")                               \
        SCALE("r5", "r8", "r9", "r10", "r11")                               \
        SCALE("r6", "r8", "r9", "r10", "r11")                               \
        SCALE("r7", "r8", "r9", "r10", "r11")                               \
        "b 5f\n"                                                            \
        "4:\n"                                                              \
        "smmulr r4, r4, r8\n"                                               \
        "smmulr r5, r5, r8\n"                                               \
        "smmulr r6, r6, r8\n"                                               \
        "smmulr r7, r7, r8\n"                                               \
        "5:\n"                                                              \
        "ldr r3, [sp, #12]\n"                                               \
        PAIRS("r4", "r5", "r6", "r7")                                       \
        "ldrd r8, r9, [r3]\n"                                               \
        "qadd16 r4, r4, r8\n"                                               \
        "qadd16 r6, r6, r9\n"                                               \
        "ldr r2, [sp, #56]\n"                                               \
        "strd r4, r6, [r3], #8\n"                                           \
        "str r3, [sp, #12]\n"                                               \
        "subs r2, r2, #1\n"                                                 \
        "str r2, [sp, #56]\n"                                               \
        "bne 1b\n"                                                          \
        "add sp, sp, #16\n"                                                 \
        "pop {r4-r11, pc}\n")

/* clang-format on */

__attribute__((naked)) void myo_nn_wide_gates_of_two(const uint32_t *x, const void *weights,
                                                     const myo_nn_gate_tile_t *tiles, int16_t *gates,
                                                     size_t next_position, size_t tile_bytes,
                                                     size_t n_tiles) {
    GATES_OF_TWO(WIDE_GROUP_OF_TWO, "26", KEEP);
}

__attribute__((naked)) void myo_nn_wide_gates_of_one(const uint32_t *x, const void *weights,
                                                     const myo_nn_gate_tile_t *tiles, int16_t *gates,
                                                     size_t tile_bytes, size_t n_tiles) {
    GATES_OF_ONE(WIDE_GROUP_OF_ONE, "26", KEEP);
}

__attribute__((naked)) void myo_nn_packed_gates_of_two(const uint32_t *x, const void *weights,
                                                       const myo_nn_gate_tile_t *tiles, int16_t *gates,
                                                       size_t next_position, size_t tile_bytes,
                                                       size_t n_tiles) {
    GATES_OF_TWO(PACKED_GROUP_OF_TWO, "27", SHIFT);
}

__attribute__((naked)) void myo_nn_packed_gates_of_one(const uint32_t *x, const void *weights,
                                                       const myo_nn_gate_tile_t *tiles, int16_t *gates,
                                                       size_t tile_bytes, size_t n_tiles) {
    GATES_OF_ONE(PACKED_GROUP_OF_ONE, "27", SHIFT);
}

#endif
