#include "myo_nn_dispatch.h"

#if MYO_NN_MVE

#include "myo_nn_dot.h"
#include "myo_nn_requantize.h"
#include "myo_nn_vector.h"

/* Rows of weights at once: as many sums and pointers as the core has registers for. */
#define ROWS 4

/* In instructions, because GCC 12 makes no loop that predicates its own tail: it would compute a predicate
   each time round. The loop register counts words; in the last turn the loads give zeros beyond the end. */
static inline int32x4_t sum_four(const int8_t *x, const int8_t *w0, size_t n) {
    const int8_t *w1 = w0 + n;
    const int8_t *w2 = w1 + n;
    const int8_t *w3 = w2 + n;
    int32_t sum0 = 0;
    int32_t sum1 = 0;
    int32_t sum2 = 0;
    int32_t sum3 = 0;
    __asm__("wlstp.8 lr, %[n], 2f\n"
            "1:\n"
            "vldrb.8 q0, [%[x]], #16\n"
            "vldrb.8 q1, [%[w0]], #16\n"
            "vmladava.s8 %[sum0], q0, q1\n"
            "vldrb.8 q2, [%[w1]], #16\n"
            "vmladava.s8 %[sum1], q0, q2\n"
            "vldrb.8 q3, [%[w2]], #16\n"
            "vmladava.s8 %[sum2], q0, q3\n"
            "vldrb.8 q1, [%[w3]], #16\n"
            "vmladava.s8 %[sum3], q0, q1\n"
            "letp lr, 1b\n"
            "2:\n"
            : [sum0] "+Te"(sum0), [sum1] "+Te"(sum1), [sum2] "+Te"(sum2), [sum3] "+Te"(sum3), [x] "+r"(x),
              [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3)
            : [n] "r"(n)
            : "q0", "q1", "q2", "q3", "lr", "memory");
    const int32x4_t sums = {sum0, sum1, sum2, sum3};
    return sums;
}

static inline int32_t sum_one(const int8_t *x, const int8_t *w, size_t n) {
    int32_t sum = 0;
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

void myo_nn_dot_run(const int8_t *x, size_t n_words, const int8_t *weights, const int32_t *bias,
                    const myo_nn_requantize_t *requantize, size_t first, size_t n, int8_t *output) {
    const int8_t *row = weights + first * n_words;
    const size_t end = first + n;
    size_t o = first;
    for (; o + ROWS <= end; o += ROWS) {
        const int32x4_t sums = vaddq_s32(sum_four(x, row, n_words), vldrwq_s32(bias + o));
        const int32x4_t scaled =
            myo_vector_scale(sums, vldrwq_s32(requantize->multiplier + o), vldrbq_s32(requantize->shift + o));
        vstrbq_s32(output,
                   myo_vector_place(scaled, requantize->zero_point, requantize->low, requantize->high));
        output += ROWS;
        row += ROWS * n_words;
    }
    for (; o < end; o++) {
        *output++ = myo_nn_requantize(requantize, o, myo_fx_add(bias[o], sum_one(x, row, n_words)));
        row += n_words;
    }
}

#endif
