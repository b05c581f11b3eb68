/* The part of a window that lies inside of the input, along one axis; internal to core/nn. */
#ifndef MYO_NN_SPAN_H
#define MYO_NN_SPAN_H

#include <stdint.h>

typedef struct {
    int32_t origin; /* input position of the window's element 0; negative in the leading padding */
    int32_t begin;  /* first element of the window inside of the input */
    int32_t end;    /* one past the last; begin >= end: none is inside */
} myo_nn_span_t;

static inline myo_nn_span_t myo_nn_span(int32_t position, int32_t stride, int32_t pad, int32_t dilation,
                                        int32_t window_size, int32_t input_size) {
    myo_nn_span_t span;
    span.origin = position * stride - pad;
    span.begin = span.origin < 0 ? (-span.origin + dilation - 1) / dilation : 0;
    const int32_t room = input_size - span.origin; /* positions from the origin to the input's end */
    const int32_t fitting = room > 0 ? (room + dilation - 1) / dilation : 0;
    span.end = fitting < window_size ? fitting : window_size;
    return span;
}

#endif
