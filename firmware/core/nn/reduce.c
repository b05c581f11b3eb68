#include "myo_nn.h"

void myo_reduce_max_run(const myo_nn_stretches_t *stretches, const int8_t *input, int8_t *output) {
    const size_t row_size =
        (size_t)stretches->kept_1 * stretches->reduced_1; /* from one reduced_0 to the next */
    for (size_t k0 = 0; k0 < stretches->kept_0; k0++, input += row_size * stretches->reduced_0) {
        for (size_t k1 = 0; k1 < stretches->kept_1; k1++) {
            const int8_t *value = input + k1 * stretches->reduced_1;
            int32_t largest = INT8_MIN;
            for (size_t r0 = 0; r0 < stretches->reduced_0; r0++, value += row_size) {
                for (size_t r1 = 0; r1 < stretches->reduced_1; r1++) {
                    largest = value[r1] > largest ? value[r1] : largest;
                }
            }
            *output++ = (int8_t)largest;
        }
    }
}

void myo_reduce_min_run(const myo_nn_stretches_t *stretches, const int8_t *input, int8_t *output) {
    const size_t row_size = (size_t)stretches->kept_1 * stretches->reduced_1;
    for (size_t k0 = 0; k0 < stretches->kept_0; k0++, input += row_size * stretches->reduced_0) {
        for (size_t k1 = 0; k1 < stretches->kept_1; k1++) {
            const int8_t *value = input + k1 * stretches->reduced_1;
            int32_t smallest = INT8_MAX;
            for (size_t r0 = 0; r0 < stretches->reduced_0; r0++, value += row_size) {
                for (size_t r1 = 0; r1 < stretches->reduced_1; r1++) {
                    smallest = value[r1] < smallest ? value[r1] : smallest;
                }
            }
            *output++ = (int8_t)smallest;
        }
    }
}
