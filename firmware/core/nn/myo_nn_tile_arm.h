/* The innermost instructions of tiles: one group of four input words against four outputs; internal to
   core/nn, for functions written in instructions.

   With two positions r0 points to their pairs, r1 to weights, r4-r7 and r8-r11 are the sums of the first and
   the second one; r2, r3, r12 and lr are lost. With one position r4-r7 are its sums; r2, r3, r8-r11 are lost,
   and lr with packed weights. */
#ifndef MYO_NN_TILE_ARM_H
#define MYO_NN_TILE_ARM_H

/* clang-format off */

/* One group of two positions, weights int16: two pairs of each input. 22 instructions for 32 MACs. */
#define WIDE_PAIR_OF_TWO                                                    \
    "ldrd r2, r3, [r0], #8\n"                                               \
    "ldrd r12, lr, [r1], #8\n"                                              \
    "smlad r4, r2, r12, r4\n"                                               \
    "smlad r8, r3, r12, r8\n"                                               \
    "smlad r5, r2, lr, r5\n"                                                \
    "smlad r9, r3, lr, r9\n"                                                \
    "ldrd r12, lr, [r1], #8\n"                                              \
    "smlad r6, r2, r12, r6\n"                                               \
    "smlad r10, r3, r12, r10\n"                                             \
    "smlad r7, r2, lr, r7\n"                                                \
    "smlad r11, r3, lr, r11\n"
#define WIDE_GROUP_OF_TWO WIDE_PAIR_OF_TWO WIDE_PAIR_OF_TWO

/* The same with weights int8, a word for each output, widened on the way. 30 instructions for 32 MACs. */
#define PACKED_OUTPUTS_OF_TWO(load, rotation, a0, b0, a1, b1)               \
    "ldrd r12, lr, " load "\n"                                              \
    "sxtb16 r12, r12" rotation "\n"                                         \
    "sxtb16 lr, lr" rotation "\n"                                           \
    "smlad " a0 ", r2, r12, " a0 "\n"                                       \
    "smlad " b0 ", r3, r12, " b0 "\n"                                       \
    "smlad " a1 ", r2, lr, " a1 "\n"                                        \
    "smlad " b1 ", r3, lr, " b1 "\n"
#define PACKED_GROUP_OF_TWO                                                 \
    "ldrd r2, r3, [r0], #8\n"                                               \
    PACKED_OUTPUTS_OF_TWO("[r1], #8", "", "r4", "r8", "r5", "r9")           \
    PACKED_OUTPUTS_OF_TWO("[r1], #8", "", "r6", "r10", "r7", "r11")         \
    "ldrd r2, r3, [r0], #8\n"                                               \
    PACKED_OUTPUTS_OF_TWO("[r1, #-16]", ", ror #8", "r4", "r8", "r5", "r9") \
    PACKED_OUTPUTS_OF_TWO("[r1, #-8]", ", ror #8", "r6", "r10", "r7", "r11")

/* One group of one position. 11 instructions for 16 MACs; with weights int8 18. */
#define WIDE_GROUP_OF_ONE                                                   \
    "ldrd r2, r3, [r0], #8\n"                                               \
    "ldmia r1!, {r8-r11}\n"                                                 \
    "smlad r4, r2, r8, r4\n"                                                \
    "smlad r5, r2, r9, r5\n"                                                \
    "smlad r6, r2, r10, r6\n"                                               \
    "smlad r7, r2, r11, r7\n"                                               \
    "ldmia r1!, {r8-r11}\n"                                                 \
    "smlad r4, r3, r8, r4\n"                                                \
    "smlad r5, r3, r9, r5\n"                                                \
    "smlad r6, r3, r10, r6\n"                                               \
    "smlad r7, r3, r11, r7\n"
#define PACKED_OUTPUT_OF_ONE(word, a)                                       \
    "sxtb16 lr, " word "\n"                                                 \
    "sxtb16 " word ", " word ", ror #8\n"                                   \
    "smlad " a ", r2, lr, " a "\n"                                          \
    "smlad " a ", r3, " word ", " a "\n"
#define PACKED_GROUP_OF_ONE                                                 \
    "ldrd r2, r3, [r0], #8\n"                                               \
    "ldmia r1!, {r8-r11}\n"                                                 \
    PACKED_OUTPUT_OF_ONE("r8", "r4")                                        \
    PACKED_OUTPUT_OF_ONE("r9", "r5")                                        \
    PACKED_OUTPUT_OF_ONE("r10", "r6")                                       \
    PACKED_OUTPUT_OF_ONE("r11", "r7")

/* clang-format on */

#endif
