#include "myo_nn_dispatch.h"

#if MYO_NN_DSP

#include "myo_nn_simd.h"
#include "myo_nn_tile.h"

uint32_t *myo_nn_widen(const int8_t *from, size_t n, uint32_t *to, size_t step) {
    for (; n >= 4; n -= 4) {
        const uint32_t word = myo_simd_load(from);
        to[0] = myo_simd_widen_even(word);
        to[step] = myo_simd_widen_odd(word);
        to += 2 * step;
        from += 4;
    }
    if (n > 0) {
        uint32_t word = 0;
        memcpy(&word, from, n);
        to[0] = myo_simd_widen_even(word);
        to[step] = myo_simd_widen_odd(word);
        to += 2 * step;
    }
    return to;
}

void myo_nn_widen_two(const int8_t *first, const int8_t *second, size_t n, uint32_t *to) {
    const int8_t *const end = first + n;
    while (first != end) {
        const uint32_t a = myo_simd_load(first);
        const uint32_t b = myo_simd_load(second);
        to[0] = myo_simd_widen_even(a);
        to[1] = myo_simd_widen_even(b);
        to[2] = myo_simd_widen_odd(a);
        to[3] = myo_simd_widen_odd(b);
        to += 4;
        first += 4;
        second += 4;
    }
}

void myo_nn_run_one(const uint32_t *x, const int16_t *weights, const myo_nn_tile_t *tiles, size_t n_outputs,
                    size_t tile_bytes, int8_t *output) {
    const size_t n_whole = n_outputs / MYO_NN_TILE;
    const size_t n_left = n_outputs % MYO_NN_TILE;
    if (n_whole > 0) {
        myo_nn_tiles_of_one(x, weights, tiles, output, tile_bytes, n_whole);
    }
    if (n_left > 0) {
        int8_t last[MYO_NN_TILE];
        const size_t skipped = n_whole * tile_bytes / sizeof *weights;
        myo_nn_tiles_of_one(x, weights + skipped, tiles + n_whole, last, tile_bytes, 1);
        memcpy(output + n_whole * MYO_NN_TILE, last, n_left);
    }
}

void myo_nn_run_two(const uint32_t *x, const int16_t *weights, const myo_nn_tile_t *tiles, size_t n_outputs,
                    size_t tile_bytes, int8_t *output, size_t next_position) {
    const size_t n_whole = n_outputs / MYO_NN_TILE;
    const size_t n_left = n_outputs % MYO_NN_TILE;
    if (n_whole > 0) {
        myo_nn_tiles_of_two(x, weights, tiles, output, next_position, tile_bytes, n_whole);
    }
    if (n_left > 0) {
        int8_t last[2 * MYO_NN_TILE];
        const size_t skipped = n_whole * tile_bytes / sizeof *weights;
        output += n_whole * MYO_NN_TILE;
        myo_nn_tiles_of_two(x, weights + skipped, tiles + n_whole, last, MYO_NN_TILE, tile_bytes, 1);
        memcpy(output, last, n_left);
        memcpy(output + next_position, last + MYO_NN_TILE, n_left);
    }
}

void myo_nn_depthwise_part(const int8_t *const *elements, const int16_t *weights, const myo_nn_tile_t *tile,
                           int8_t *output, size_t n_elements, size_t first, size_t n) {
    static const uint8_t place[MYO_NN_TILE] = {0, 2, 1, 3}; /* of a channel's weight among the four */
    for (size_t i = 0; i < n; i++) {
        int32_t sum = tile->bias[i];
        for (size_t k = 0; k < n_elements; k++) {
            sum = myo_fx_add(sum, elements[k][first + i] * weights[k * MYO_NN_TILE + place[i]]);
        }
        output[first + i] = (int8_t)myo_simd_scale(&tile->scale[i], sum);
    }
}

void myo_nn_clamp(int8_t *output, size_t n, int8_t low, int8_t high) {
    if (low == INT8_MIN && high == INT8_MAX) {
        return; /* saturated already */
    }
    for (size_t i = 0; i < n; i++) {
        output[i] = output[i] < low ? low : (output[i] > high ? high : output[i]);
    }
}

#if defined(__arm__)

/* Every register holds something in the inner loop, down to the link register, which C cannot ask for. So
   these two are functions of instructions, each the same as the C below; one comment a register.

   Loops go over two groups of four input words at once; where their number is odd, the first turn begins in
   the middle. A group's weights are 32 bytes: bit 5 of the tile's size tells. */

/* One pair of each of two positions, into four outputs. 11 instructions for 16 MACs. */
#define PAIRS_OF_TWO                                                                                         \
    "ldrd r2, r3, [r0], #8\n"                                                                                \
    "ldrd r12, lr, [r1], #8\n"                                                                               \
    "smlad r4, r2, r12, r4\n"                                                                                \
    "smlad r8, r3, r12, r8\n"                                                                                \
    "smlad r5, r2, lr, r5\n"                                                                                 \
    "smlad r9, r3, lr, r9\n"                                                                                 \
    "ldrd r12, lr, [r1], #8\n"                                                                               \
    "smlad r6, r2, r12, r6\n"                                                                                \
    "smlad r10, r3, r12, r10\n"                                                                              \
    "smlad r7, r2, lr, r7\n"                                                                                 \
    "smlad r11, r3, lr, r11\n"

/* Both positions of one output, in the registers a and b. r0, r3, r12: multiplier, add, shift. */
#define SCALE_OF_TWO(a, b)                                                                                   \
    "ldmia r2!, {r0, r3, r12}\n"                                                                             \
    "add lr, r3, " a ", asr #31\n"                                                                           \
    "add r3, r3, " b ", asr #31\n"                                                                           \
    "smmlar " a ", " a ", r0, lr\n"                                                                          \
    "smmlar " b ", " b ", r0, r3\n"                                                                          \
    "asr " a ", " a ", r12\n"                                                                                \
    "asr " b ", " b ", r12\n"                                                                                \
    "ssat " a ", #8, " a "\n"                                                                                \
    "ssat " b ", #8, " b "\n"

__attribute__((naked)) void
myo_nn_tiles_of_two(__attribute__((unused)) const uint32_t *x, __attribute__((unused)) const int16_t *weights,
                    __attribute__((unused)) const myo_nn_tile_t *tiles,
                    __attribute__((unused)) int8_t *output, __attribute__((unused)) size_t next_position,
                    __attribute__((unused)) size_t tile_bytes, __attribute__((unused)) size_t n_tiles) {
    __asm__ volatile("push {r4-r11, lr}\n"
                     "push {r0-r3}\n" /* 0: x, 4: end of the tile's weights, 8: scales, 12: output */
                     "1:\n"           /* 52: next_position, 56: tile_bytes, 60: n_tiles */
                     "ldr r12, [sp, #56]\n"
                     "ldr r0, [sp]\n"       /* r0: x */
                     "add lr, r1, r12\n"    /* r1: weights, r2: tiles */
                     "str lr, [sp, #4]\n"   /* r3, r12, lr: see the loop */
                     "ldmia r2!, {r4-r7}\n" /* r4-r7: sums of the first position */
                     "str r2, [sp, #8]\n"   /* r8-r11: of the second */
                     "lsls r12, r12, #26\n"
                     "mov r8, r4\n"
                     "mov r9, r5\n"
                     "mov r10, r6\n"
                     "mov r11, r7\n"
                     "bmi 3f\n"
                     "2:\n" PAIRS_OF_TWO PAIRS_OF_TWO "3:\n" PAIRS_OF_TWO PAIRS_OF_TWO "ldr r12, [sp, #4]\n"
                     "cmp r1, r12\n"
                     "bne 2b\n"
                     "ldr r2, [sp, #8]\n" SCALE_OF_TWO("r4", "r8") SCALE_OF_TWO("r5", "r9")
                         SCALE_OF_TWO("r6", "r10") SCALE_OF_TWO("r7", "r11") "ldr r0, [sp, #12]\n"
                                                                             "ldr r3, [sp, #52]\n"
                                                                             "add r3, r3, r0\n"
                                                                             "strb r4, [r0], #1\n"
                                                                             "strb r5, [r0], #1\n"
                                                                             "strb r6, [r0], #1\n"
                                                                             "strb r7, [r0], #1\n"
                                                                             "str r0, [sp, #12]\n"
                                                                             "ldr r12, [sp, #60]\n"
                                                                             "strb r8, [r3]\n"
                                                                             "strb r9, [r3, #1]\n"
                                                                             "strb r10, [r3, #2]\n"
                                                                             "strb r11, [r3, #3]\n"
                                                                             "subs r12, r12, #1\n"
                                                                             "str r12, [sp, #60]\n"
                                                                             "bne 1b\n"
                                                                             "add sp, sp, #16\n"
                                                                             "pop {r4-r11, pc}\n");
}

/* One group of one position. 11 instructions for 16 MACs. */
#define GROUP_OF_ONE                                                                                         \
    "ldrd r2, r3, [r0], #8\n"                                                                                \
    "ldmia r1!, {r8-r11}\n"                                                                                  \
    "smlad r4, r2, r8, r4\n"                                                                                 \
    "smlad r5, r2, r9, r5\n"                                                                                 \
    "smlad r6, r2, r10, r6\n"                                                                                \
    "smlad r7, r2, r11, r7\n"                                                                                \
    "ldmia r1!, {r8-r11}\n"                                                                                  \
    "smlad r4, r3, r8, r4\n"                                                                                 \
    "smlad r5, r3, r9, r5\n"                                                                                 \
    "smlad r6, r3, r10, r6\n"                                                                                \
    "smlad r7, r3, r11, r7\n"

/* One output, in the register a. lr: scales, r8-r10: multiplier, add, shift; r3: output. */
#define SCALE_OF_ONE(a)                                                                                      \
    "ldmia lr!, {r8-r10}\n"                                                                                  \
    "add r9, r9, " a ", asr #31\n"                                                                           \
    "smmlar " a ", " a ", r8, r9\n"                                                                          \
    "asr " a ", " a ", r10\n"                                                                                \
    "ssat " a ", #8, " a "\n"                                                                                \
    "strb " a ", [r3], #1\n"

__attribute__((naked)) void myo_nn_tiles_of_one(__attribute__((unused)) const uint32_t *x,
                                                __attribute__((unused)) const int16_t *weights,
                                                __attribute__((unused)) const myo_nn_tile_t *tiles,
                                                __attribute__((unused)) int8_t *output,
                                                __attribute__((unused)) size_t tile_bytes,
                                                __attribute__((unused)) size_t n_tiles) {
    __asm__ volatile("push {r4-r11, lr}\n"
                     "push {r0-r3}\n" /* 0: x, 12: output; 52: tile_bytes, 56: n_tiles */
                     "mov lr, r2\n"   /* lr: tiles */
                     "1:\n"
                     "ldr r2, [sp, #52]\n"
                     "ldr r0, [sp]\n"    /* r0: x, r1: weights */
                     "add r12, r1, r2\n" /* r12: end of the tile's weights */
                     "lsls r2, r2, #26\n"
                     "ldmia lr!, {r4-r7}\n" /* r4-r7: sums */
                     "bmi 3f\n"
                     "2:\n" GROUP_OF_ONE "3:\n" GROUP_OF_ONE "cmp r1, r12\n"
                     "bne 2b\n"
                     "ldr r3, [sp, #12]\n" SCALE_OF_ONE("r4") SCALE_OF_ONE("r5") SCALE_OF_ONE("r6")
                         SCALE_OF_ONE("r7") "str r3, [sp, #12]\n"
                                            "ldr r3, [sp, #56]\n"
                                            "subs r3, r3, #1\n"
                                            "str r3, [sp, #56]\n"
                                            "bne 1b\n"
                                            "add sp, sp, #16\n"
                                            "pop {r4-r11, pc}\n");
}

/* One element of the window for one position, its four channels in r9: even and odd ones widened, then each
   against its weight. 7 instructions for 4 MACs. */
#define ELEMENT(word)                                                                                        \
    "sxtb16 r10, " word "\n"                                                                                 \
    "sxtb16 " word ", " word ", ror #8\n"                                                                    \
    "ldrd r3, r11, [r1], #8\n"                                                                               \
    "smlabb r4, r10, r3, r4\n"                                                                               \
    "smlatt r6, r10, r3, r6\n"                                                                               \
    "smlabb r5, " word ", r11, r5\n"                                                                         \
    "smlatt r7, " word ", r11, r7\n"

__attribute__((naked)) void myo_nn_depthwise_tiles(__attribute__((unused)) const int8_t *const *elements,
                                                   __attribute__((unused)) const int16_t *weights,
                                                   __attribute__((unused)) const myo_nn_tile_t *tiles,
                                                   __attribute__((unused)) int8_t *output,
                                                   __attribute__((unused)) size_t n_elements,
                                                   __attribute__((unused)) size_t n_channels) {
    __asm__ volatile("push {r4-r11, lr}\n"
                     "push {r0-r3}\n" /* 0: elements, 12: output; 52: n_elements, 56: n_channels */
                     "ldr r12, [sp, #52]\n"
                     "mov lr, r2\n"               /* lr: tiles */
                     "add r12, r0, r12, lsl #2\n" /* r12: end of the elements */
                     "movs r2, #0\n"              /* r2: channel */
                     "1:\n"
                     "ldr r3, [sp, #52]\n"
                     "ldr r0, [sp]\n" /* r0: elements, r1: weights */
                     "lsls r3, r3, #31\n"
                     "ldmia lr!, {r4-r7}\n" /* r4-r7: sums */
                     "beq 2f\n"
                     "ldr r9, [r0], #4\n" /* an odd number: the first turn begins in the middle */
                     "ldr r9, [r9, r2]\n"
                     "b 3f\n"
                     "2:\n"
                     "ldrd r8, r9, [r0], #8\n"
                     "ldr r8, [r8, r2]\n"
                     "ldr r9, [r9, r2]\n" ELEMENT("r8") "3:\n" ELEMENT(
                         "r9") "cmp r0, r12\n"
                               "bne 2b\n"
                               "ldr r3, [sp, #12]\n"
                               "add r3, r3, r2\n" SCALE_OF_ONE("r4") SCALE_OF_ONE("r5") SCALE_OF_ONE("r6")
                                   SCALE_OF_ONE("r7") "ldr r3, [sp, #56]\n"
                                                      "adds r2, r2, #4\n"
                                                      "cmp r2, r3\n"
                                                      "bne 1b\n"
                                                      "add sp, sp, #16\n"
                                                      "pop {r4-r11, pc}\n");
}

#else /* the same in C, with the instructions emulated: what the tests on the host run */

/* n_positions 1 or 2: their pairs take turns in x. */
static void run_tiles(const uint32_t *x, size_t n_positions, const int16_t *weights,
                      const myo_nn_tile_t *tiles, int8_t *output, size_t next_position, size_t tile_bytes,
                      size_t n_tiles) {
    const size_t n_pairs = tile_bytes / (MYO_NN_TILE * sizeof(uint32_t));
    for (size_t tile = 0; tile < n_tiles; tile++) {
        for (size_t p = 0; p < n_positions; p++) {
            for (size_t o = 0; o < MYO_NN_TILE; o++) {
                int32_t sum = tiles[tile].bias[o];
                for (size_t i = 0; i < n_pairs; i++) {
                    const uint32_t w = myo_simd_load_pair(weights + (i * MYO_NN_TILE + o) * 2);
                    sum = myo_simd_dot(x[i * n_positions + p], w, sum);
                }
                output[p * next_position + tile * MYO_NN_TILE + o] =
                    (int8_t)myo_simd_scale(&tiles[tile].scale[o], sum);
            }
        }
        weights += n_pairs * MYO_NN_TILE * 2;
    }
}

void myo_nn_tiles_of_two(const uint32_t *x, const int16_t *weights, const myo_nn_tile_t *tiles,
                         int8_t *output, size_t next_position, size_t tile_bytes, size_t n_tiles) {
    run_tiles(x, 2, weights, tiles, output, next_position, tile_bytes, n_tiles);
}

void myo_nn_tiles_of_one(const uint32_t *x, const int16_t *weights, const myo_nn_tile_t *tiles,
                         int8_t *output, size_t tile_bytes, size_t n_tiles) {
    run_tiles(x, 1, weights, tiles, output, 0, tile_bytes, n_tiles);
}

void myo_nn_depthwise_tiles(const int8_t *const *elements, const int16_t *weights, const myo_nn_tile_t *tiles,
                            int8_t *output, size_t n_elements, size_t n_channels) {
    for (size_t c = 0; c < n_channels; c += MYO_NN_TILE) {
        myo_nn_depthwise_part(elements, weights, tiles, output, n_elements, c, MYO_NN_TILE);
        weights += n_elements * MYO_NN_TILE;
        tiles++;
    }
}

#endif
#endif
