#include "dsp/myo_fft.h"

/* z (cos - j sin) / 2, rounded down: two long multiplications a component. */
static inline myo_complex_t turn_half(int32_t re, int32_t im, myo_complex_t by) {
    return (myo_complex_t){
        (int32_t)(((int64_t)re * by.re + (int64_t)im * by.im) >> 32),
        (int32_t)(((int64_t)im * by.re + (int64_t)-re * by.im) >> 32),
    };
}

static void stage_of_two(myo_complex_t *z, uint32_t length, const myo_complex_t *turns) {
    const uint32_t half = length / 2u;
    for (uint32_t k = 0; k < half; k++) {
        const myo_complex_t a = z[k];
        const myo_complex_t b = z[k + half];
        z[k] = (myo_complex_t){(a.re + b.re) >> 1, (a.im + b.im) >> 1};
        z[k + half] = turn_half(a.re - b.re, a.im - b.im, turns[k]);
    }
}

/* Blocks of 4 * quarter; the two middle outputs change places, which makes the order that of reversed bits.
 */
static void stage_of_four(myo_complex_t *z, uint32_t length, uint32_t quarter, const myo_complex_t *turns) {
    const uint32_t stride = length / (4u * quarter);
    for (uint32_t k = 0; k < quarter; k++) {
        const myo_complex_t by_1 = turns[k * stride];
        const myo_complex_t by_2 = turns[2u * k * stride];
        const myo_complex_t by_3 = turns[3u * k * stride];
        for (myo_complex_t *a = z + k; a < z + length; a += 4u * quarter) {
            myo_complex_t *const b = a + quarter;
            myo_complex_t *const c = b + quarter;
            myo_complex_t *const d = c + quarter;
            const int32_t ac_re = a->re + c->re, ac_im = a->im + c->im;
            const int32_t bd_re = b->re + d->re, bd_im = b->im + d->im;
            const int32_t a_c_re = a->re - c->re, a_c_im = a->im - c->im;
            const int32_t b_d_re = b->re - d->re, b_d_im = b->im - d->im;
            *a = (myo_complex_t){(ac_re + bd_re) >> 1, (ac_im + bd_im) >> 1};
            *b = turn_half(ac_re - bd_re, ac_im - bd_im, by_2);
            *c = turn_half(a_c_re + b_d_im, a_c_im - b_d_re, by_1);
            *d = turn_half(a_c_re - b_d_im, a_c_im + b_d_re, by_3);
        }
    }
}

static void last_stage(myo_complex_t *z, uint32_t length) {
    for (myo_complex_t *a = z; a < z + length; a += 4) {
        const int32_t ac_re = a[0].re + a[2].re, ac_im = a[0].im + a[2].im;
        const int32_t bd_re = a[1].re + a[3].re, bd_im = a[1].im + a[3].im;
        const int32_t a_c_re = a[0].re - a[2].re, a_c_im = a[0].im - a[2].im;
        const int32_t b_d_re = a[1].re - a[3].re, b_d_im = a[1].im - a[3].im;
        a[0] = (myo_complex_t){ac_re + bd_re, ac_im + bd_im};
        a[1] = (myo_complex_t){ac_re - bd_re, ac_im - bd_im};
        a[2] = (myo_complex_t){a_c_re + b_d_im, a_c_im - b_d_re};
        a[3] = (myo_complex_t){a_c_re - b_d_im, a_c_im + b_d_re};
    }
}

void myo_fft(myo_complex_t *z, uint32_t length, const myo_complex_t *turns) {
    uint32_t size = length;
    if ((length & 0x55555555u) == 0) { /* no power of four */
        stage_of_two(z, length, turns);
        size /= 2u;
    }
    for (; size > 4u; size /= 4u) {
        stage_of_four(z, length, size / 4u, turns);
    }
    last_stage(z, length);
}
