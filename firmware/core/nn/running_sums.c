#include "myo_nn.h"
#include "myo_nn_dispatch.h"

#if MYO_NN_DSP
#include "myo_nn_simd.h"
#endif

#define MOST_COLUMNS 255u /* of int8 that a 16-bit sum holds, whatever they are */

/* Adds columns to the first channels, four at once. Returns how many channels are done. */
static size_t add_fours(int32_t *sums, const int8_t *columns, size_t n_columns, size_t n_channels,
                        int32_t sign) {
    size_t c = 0;
#if MYO_NN_DSP
    for (; c + 4 <= n_channels; c += 4) {
        const int8_t *column = columns + c;
        uint32_t even = 0; /* sums of channels c and c + 2 */
        uint32_t odd = 0;  /* of c + 1 and c + 3 */
        for (size_t n = n_columns; n > 0; n--) {
            const uint32_t word = myo_simd_load(column);
            even = myo_simd_add_even(even, word);
            odd = myo_simd_add_odd(odd, word);
            column += n_channels;
        }
        sums[c] += sign * (int16_t)even;
        sums[c + 1] += sign * (int16_t)odd;
        sums[c + 2] += sign * (int16_t)(even >> 16);
        sums[c + 3] += sign * (int16_t)(odd >> 16);
    }
#else
    (void)sums;
    (void)columns;
    (void)n_columns;
    (void)n_channels;
    (void)sign;
#endif
    return c;
}

static void add_signed(int32_t *sums, const int8_t *columns, size_t n_columns, size_t n_channels,
                       int32_t sign) {
    while (n_columns > 0) {
        const size_t n = n_columns < MOST_COLUMNS ? n_columns : MOST_COLUMNS;
        for (size_t c = add_fours(sums, columns, n, n_channels, sign); c < n_channels; c++) {
            int32_t sum = 0;
            for (size_t i = 0; i < n; i++) {
                sum += columns[i * n_channels + c];
            }
            sums[c] += sign * sum;
        }
        columns += n * n_channels;
        n_columns -= n;
    }
}

void myo_sums_add(int32_t *sums, const int8_t *columns, size_t n_columns, size_t n_channels) {
    add_signed(sums, columns, n_columns, n_channels, 1);
}

void myo_sums_subtract(int32_t *sums, const int8_t *columns, size_t n_columns, size_t n_channels) {
    add_signed(sums, columns, n_columns, n_channels, -1);
}
