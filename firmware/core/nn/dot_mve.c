#include "myo_nn_dispatch.h"

#if MYO_NN_MVE

#include "myo_nn_dot.h"
#include "myo_nn_vector.h"

/* Rows of weights at once: as many sums and pointers as the core has registers for. */
#define ROWS 4

/* bias[k] + sum of x[i] * row k[i]. In instructions, because GCC 12 makes no loop that predicates its own
   tail: it would compute a predicate each time round. The loop register counts words; in the last turn the
   loads give zeros beyond the end. */
static inline int32x4_t sum_rows(const int8_t *x, const int8_t *rows, const int32_t *bias, size_t n) {
    int32x4_t sums;
    int32_t sum0;
    int32_t sum1;
    int32_t sum2;
    int32_t sum3;
    const int8_t *w1;
    const int8_t *w2;
    const int8_t *w3;
    __asm__(
        "add %[w1], %[w0], %[n]\n"
        "add %[w2], %[w1], %[n]\n"
        "add %[w3], %[w2], %[n]\n"
        "ldrd %[sum0], %[sum1], [%[bias]]\n"
        "ldrd %[sum2], %[sum3], [%[bias], #8]\n"
        "wlstp.8 lr, %[n], 2f\n"
        "1:\n"
        "vldrb.8 q0, [%[x]], #16\n"
        "vldrb.8 q1, [%[w0]], #16\n"
        "vmladava.s8 %[sum0], q0, q1\n"
        "vldrb.8 %q[sums], [%[w1]], #16\n"
        "vmladava.s8 %[sum1], q0, %q[sums]\n"
        "vldrb.8 q1, [%[w2]], #16\n"
        "vmladava.s8 %[sum2], q0, q1\n"
        "vldrb.8 %q[sums], [%[w3]], #16\n"
        "vmladava.s8 %[sum3], q0, %q[sums]\n"
        "letp lr, 1b\n"
        "2:\n"
        "vmov %q[sums][2], %q[sums][0], %[sum0], %[sum2]\n"
        "vmov %q[sums][3], %q[sums][1], %[sum1], %[sum3]\n"
        : [sums] "=&w"(sums), [sum0] "=&Te"(sum0), [sum1] "=&Te"(sum1), [sum2] "=&Te"(sum2),
          [sum3] "=&Te"(sum3), [x] "+r"(x), [w0] "+r"(rows), [w1] "=&r"(w1), [w2] "=&r"(w2), [w3] "=&r"(w3)
        : [n] "r"(n), [bias] "r"(bias)
        : "q0", "q1", "lr", "memory");
    return sums;
}

static inline int32_t sum_row(const int8_t *x, const int8_t *w, int32_t sum, size_t n) {
    __asm__("wlstp.8 lr, %[n], 2f\n"
            "1:\n"
            "vldrb.8 q0, [%[x]], #16\n"
            "vldrb.8 q1, [%[w]], #16\n"
            "vmladava.s8 %[sum], q0, q1\n"
            "letp lr, 1b\n"
            "2:\n"
            : [sum] "+Te"(sum), [x] "+r"(x), [w] "+r"(w)
            : [n] "r"(n)
            : "q0", "q1", "lr", "memory");
    return sum;
}

/* Rows `first` .. first + ROWS - 1 at every position. */
static void run_whole_tile(const myo_nn_dot_t *self, const int8_t *x, size_t step, size_t n_positions,
                           size_t first, int8_t *output) {
    const myo_nn_requantize_t *const to = self->requantize;
    const int8_t *const rows = self->weights + first * self->n_words;
    const int32_t *const bias = self->bias + first;
    const myo_vector_factor_t factor =
        myo_vector_factor(vldrwq_s32(to->multiplier + first), vldrbq_s32(to->shift + first));
    const int32x4_t low = vdupq_n_s32(to->low);
    const int32x4_t high = vdupq_n_s32(to->high);
    const int32_t zero_point =
        to->zero_point; /* read once: stores of int8 might change what pointers point to */
    const size_t n_words = self->n_words;
    const size_t output_step = self->output_step;
    for (; n_positions > 0; n_positions--) {
        const int32x4_t sums = sum_rows(x, rows, bias, n_words);
        const int32x4_t placed = vaddq_n_s32(myo_vector_scale(sums, factor), zero_point);
        vstrbq_s32(output, vminq_s32(vmaxq_s32(placed, low), high));
        x += step;
        output += output_step;
    }
}

/* The same for one position, where the next rows come sooner than the next position: returns how many are
 * done. */
static size_t run_one_position(const myo_nn_dot_t *self, const int8_t *x, size_t first, size_t n,
                               int8_t *output) {
    const myo_nn_requantize_t *const to = self->requantize;
    const size_t n_words = self->n_words;
    const size_t n_whole = n / ROWS * ROWS;
    const int8_t *rows = self->weights + first * n_words;
    const int32_t *bias = self->bias + first;
    const int32_t *multiplier = to->multiplier + first;
    const int8_t *shift = to->shift + first;
    const int32x4_t low = vdupq_n_s32(to->low);
    const int32x4_t high = vdupq_n_s32(to->high);
    const int32_t zero_point = to->zero_point;
    const int8_t *const end = output + n_whole;
    while (output != end) {
        const int32x4_t sums = sum_rows(x, rows, bias, n_words);
        const myo_vector_factor_t factor = myo_vector_factor(vldrwq_s32(multiplier), vldrbq_s32(shift));
        const int32x4_t placed = vaddq_n_s32(myo_vector_scale(sums, factor), zero_point);
        vstrbq_s32(output, vminq_s32(vmaxq_s32(placed, low), high));
        rows += ROWS * n_words;
        bias += ROWS;
        multiplier += ROWS;
        shift += ROWS;
        output += ROWS;
    }
    return n_whole;
}

/* The n rows that are left, fewer than ROWS: one after the other, and stored together. */
static void run_part_tile(const myo_nn_dot_t *self, const int8_t *x, size_t step, size_t n_positions,
                          size_t first, size_t n, int8_t *output) {
    const myo_nn_requantize_t *const to = self->requantize;
    const mve_pred16_t p = vctp32q((uint32_t)n);
    const myo_vector_factor_t factor =
        myo_vector_factor(vldrwq_z_s32(to->multiplier + first, p), vldrbq_z_s32(to->shift + first, p));
    int32_t bias[ROWS] = {0};
    vstrwq_p_s32(bias, vldrwq_z_s32(self->bias + first, p), p);
    for (; n_positions > 0; n_positions--) {
        const int8_t *row = self->weights + first * self->n_words;
        int32_t sums[ROWS] = {0};
        for (size_t k = 0; k < n; k++) {
            sums[k] = sum_row(x, row, bias[k], self->n_words);
            row += self->n_words;
        }
        const int32x4_t scaled = myo_vector_scale(vldrwq_s32(sums), factor);
        vstrbq_p_s32(output, myo_vector_place(scaled, to->zero_point, to->low, to->high), p);
        x += step;
        output += self->output_step;
    }
}

void myo_nn_dot_run(const myo_nn_dot_t *self, const int8_t *x, size_t step, size_t n_positions, size_t first,
                    size_t n, int8_t *output) {
    size_t done = 0;
    if (n_positions == 1) {
        done = run_one_position(self, x, first, n, output);
    }
    for (; done + ROWS <= n; done += ROWS) {
        run_whole_tile(self, x, step, n_positions, first + done, output + done);
    }
    if (done < n) {
        run_part_tile(self, x, step, n_positions, first + done, n - done, output + done);
    }
}

#endif
