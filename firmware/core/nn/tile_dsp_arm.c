#include "myo_nn_dispatch.h"

#if MYO_NN_DSP && defined(__arm__)

#include "myo_nn_tile.h"
#include "myo_nn_tile_arm.h"

/* Every register holds something in the inner loops, down to the link register, which C cannot ask for: so
   these are functions of instructions, each the same as its namesake in C in tile_dsp.c. The comments name
   the registers.

   Loops go over two groups of four input words at once, with two positions over four; where their number is
   no multiple of that, the first turn begins in the middle. One or two bits of a tile's size tell. */

/* Parameters stand in registers and on the stack, not behind their names. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* One instruction a line. */
/* clang-format off */

/* Sums with wide weights are doubled already. */
#define KEEP(a) ""
#define DOUBLE(a) "lsl " a ", " a ", #1\n"

/* Both positions of one output, in the registers a and b. r2: scales, r0, r3, r12: multiplier, add, shift. */
#define SCALE_OF_TWO(doubled, a, b)                                         \
    "ldmia r2!, {r0, r3, r12}\n"                                            \
    doubled(a)                                                              \
    doubled(b)                                                              \
    "add lr, r3, " a ", asr #31\n"                                          \
    "add r3, r3, " b ", asr #31\n"                                          \
    "smmlar " a ", " a ", r0, lr\n"                                         \
    "smmlar " b ", " b ", r0, r3\n"                                         \
    "asr " a ", " a ", r12\n"                                               \
    "asr " b ", " b ", r12\n"                                               \
    "ssat " a ", #8, " a "\n"                                               \
    "ssat " b ", #8, " b "\n"

/* r0: x, r1: weights, r2: tiles until the sums begin, r4-r7 and r8-r11: sums of the first and second
   position. Stack: 0: x, 4: end of the tile's weights, 8: tiles, 12: output, 52: next_position, 56:
   tile_bytes, 60: n_tiles. odd_bit: by how much the size is shifted to bring the lowest bit of the groups'
   number to the sign, and the next one to the carry. */
#define TILES_OF_TWO(group, odd_bit, doubled)                               \
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
        "bcc 6f\n"                                                          \
        "bmi 3f\n"                                                          \
        "b 4f\n"                                                            \
        "6:\n"                                                              \
        "bmi 5f\n"                                                          \
        "2:\n"                                                              \
        group                                                               \
        "3:\n"                                                              \
        group                                                               \
        "4:\n"                                                              \
        group                                                               \
        "5:\n"                                                              \
        group                                                               \
        "ldr r12, [sp, #4]\n"                                               \
        "cmp r1, r12\n"                                                     \
        "bne 2b\n"                                                          \
        "ldr r2, [sp, #8]\n"                                                \
        SCALE_OF_TWO(doubled, "r4", "r8")                                   \
        SCALE_OF_TWO(doubled, "r5", "r9")                                   \
        SCALE_OF_TWO(doubled, "r6", "r10")                                  \
        SCALE_OF_TWO(doubled, "r7", "r11")                                  \
        "ldr r0, [sp, #12]\n"                                               \
        "ldr r3, [sp, #52]\n"                                               \
        "add r3, r3, r0\n"                                                  \
        "strb r4, [r0], #1\n"                                               \
        "strb r5, [r0], #1\n"                                               \
        "strb r6, [r0], #1\n"                                               \
        "strb r7, [r0], #1\n"                                               \
        "str r0, [sp, #12]\n"                                               \
        "ldr r12, [sp, #60]\n"                                              \
        "strb r8, [r3]\n"                                                   \
        "strb r9, [r3, #1]\n"                                               \
        "strb r10, [r3, #2]\n"                                              \
        "strb r11, [r3, #3]\n"                                              \
        "subs r12, r12, #1\n"                                               \
        "str r12, [sp, #60]\n"                                              \
        "bne 1b\n"                                                          \
        "add sp, sp, #16\n"                                                 \
        "pop {r4-r11, pc}\n")

/* One output, in the register a. lr: scales, r8-r10: multiplier, add, shift, r3: output. */
#define SCALE_OF_ONE(doubled, a)                                            \
    "ldmia lr!, {r8-r10}\n"                                                 \
    doubled(a)                                                              \
    "add r9, r9, " a ", asr #31\n"                                          \
    "smmlar " a ", " a ", r8, r9\n"                                         \
    "asr " a ", " a ", r10\n"                                               \
    "ssat " a ", #8, " a "\n"                                               \
    "strb " a ", [r3], #1\n"

/* r0: x, r1: weights, r12: their end, r4-r7: sums, lr: tiles before and after the loop.
   Stack: 0: x, 8: tiles, 12: output, 52: tile_bytes, 56: n_tiles. */
#define TILES_OF_ONE(group, odd_bit, doubled)                               \
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
        "ldr r3, [sp, #12]\n"                                               \
        SCALE_OF_ONE(doubled, "r4")                                         \
        SCALE_OF_ONE(doubled, "r5")                                         \
        SCALE_OF_ONE(doubled, "r6")                                         \
        SCALE_OF_ONE(doubled, "r7")                                         \
        "str r3, [sp, #12]\n"                                               \
        "ldr r3, [sp, #56]\n"                                               \
        "subs r3, r3, #1\n"                                                 \
        "str r3, [sp, #56]\n"                                               \
        "bne 1b\n"                                                          \
        "add sp, sp, #16\n"                                                 \
        "pop {r4-r11, pc}\n")

/* clang-format on */

__attribute__((naked)) void myo_nn_wide_tiles_of_two(const uint32_t *x, const void *weights,
                                                     const myo_nn_tile_t *tiles, int8_t *output,
                                                     size_t next_position, size_t tile_bytes,
                                                     size_t n_tiles) {
    TILES_OF_TWO(WIDE_GROUP_OF_TWO, "26", KEEP);
}

__attribute__((naked)) void myo_nn_wide_tiles_of_one(const uint32_t *x, const void *weights,
                                                     const myo_nn_tile_t *tiles, int8_t *output,
                                                     size_t tile_bytes, size_t n_tiles) {
    TILES_OF_ONE(WIDE_GROUP_OF_ONE, "26", KEEP);
}

__attribute__((naked)) void myo_nn_packed_tiles_of_two(const uint32_t *x, const void *weights,
                                                       const myo_nn_tile_t *tiles, int8_t *output,
                                                       size_t next_position, size_t tile_bytes,
                                                       size_t n_tiles) {
    TILES_OF_TWO(PACKED_GROUP_OF_TWO, "27", DOUBLE);
}

__attribute__((naked)) void myo_nn_packed_tiles_of_one(const uint32_t *x, const void *weights,
                                                       const myo_nn_tile_t *tiles, int8_t *output,
                                                       size_t tile_bytes, size_t n_tiles) {
    TILES_OF_ONE(PACKED_GROUP_OF_ONE, "27", DOUBLE);
}

/* clang-format off */

/* One element of the window for one position, its four channels in a register: even and odd ones widened, then
   each against its weight. 7 instructions for 4 MACs. */
#define ELEMENT(word)                                                       \
    "sxtb16 r10, " word "\n"                                                \
    "sxtb16 " word ", " word ", ror #8\n"                                   \
    "ldrd r3, r11, [r1], #8\n"                                              \
    "smlabb r4, r10, r3, r4\n"                                              \
    "smlatt r6, r10, r3, r6\n"                                              \
    "smlabb r5, " word ", r11, r5\n"                                        \
    "smlatt r7, " word ", r11, r7\n"

/* r0: elements, r1: weights, r2: channel, r4-r7: sums, r12: end of the elements, lr: tiles.
   Stack: 0: elements, 12: output, 52: n_elements, 56: n_channels. */
__attribute__((naked)) void myo_nn_depthwise_tiles(
    const int8_t *const *elements, const int16_t *weights, const myo_nn_tile_t *tiles,
    int8_t *output, size_t n_elements, size_t n_channels) {
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "push {r0-r3}\n"
        "ldr r12, [sp, #52]\n"
        "mov lr, r2\n"
        "add r12, r0, r12, lsl #2\n"
        "movs r2, #0\n"
        "1:\n"
        "ldr r3, [sp, #52]\n"
        "ldr r0, [sp]\n"
        "lsls r3, r3, #31\n"
        "ldmia lr!, {r4-r7}\n"
        "beq 2f\n"
        "ldr r9, [r0], #4\n"
        "ldr r9, [r9, r2]\n"
        "b 3f\n"
        "2:\n"
        "ldrd r8, r9, [r0], #8\n"
        "ldr r8, [r8, r2]\n"
        "ldr r9, [r9, r2]\n"
        ELEMENT("r8")
        "3:\n"
        ELEMENT("r9")
        "cmp r0, r12\n"
        "bne 2b\n"
        "ldr r3, [sp, #12]\n"
        "add r3, r3, r2\n"
        SCALE_OF_ONE(KEEP, "r4")
        SCALE_OF_ONE(KEEP, "r5")
        SCALE_OF_ONE(KEEP, "r6")
        SCALE_OF_ONE(KEEP, "r7")
        "ldr r3, [sp, #56]\n"
        "adds r2, r2, #4\n"
        "cmp r2, r3\n"
        "bne 1b\n"
        "add sp, sp, #16\n"
        "pop {r4-r11, pc}\n");
}

/* clang-format on */

#endif
