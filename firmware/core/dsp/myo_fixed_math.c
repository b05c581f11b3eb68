#include "dsp/myo_fixed_math.h"

const uint16_t myo_log2_table[257] = {
    0,     369,   736,   1102,  1466,  1829,  2190,  2551,  2909,  3267,  3623,  3978,  4331,  4683,  5034,
    5384,  5732,  6079,  6425,  6769,  7112,  7454,  7795,  8134,  8473,  8810,  9146,  9480,  9814,  10146,
    10477, 10807, 11136, 11464, 11791, 12116, 12440, 12764, 13086, 13407, 13727, 14046, 14363, 14680, 14996,
    15310, 15624, 15937, 16248, 16559, 16868, 17177, 17484, 17791, 18096, 18401, 18704, 19007, 19308, 19609,
    19909, 20207, 20505, 20802, 21098, 21393, 21687, 21980, 22272, 22564, 22854, 23144, 23433, 23720, 24007,
    24293, 24579, 24863, 25146, 25429, 25711, 25992, 26272, 26551, 26830, 27108, 27384, 27660, 27936, 28210,
    28484, 28757, 29029, 29300, 29571, 29840, 30109, 30378, 30645, 30912, 31178, 31443, 31707, 31971, 32234,
    32496, 32758, 33019, 33279, 33538, 33797, 34055, 34312, 34569, 34825, 35080, 35334, 35588, 35841, 36094,
    36346, 36597, 36847, 37097, 37346, 37595, 37842, 38090, 38336, 38582, 38827, 39072, 39316, 39559, 39802,
    40044, 40286, 40527, 40767, 41006, 41246, 41484, 41722, 41959, 42196, 42432, 42667, 42902, 43137, 43370,
    43603, 43836, 44068, 44300, 44530, 44761, 44990, 45220, 45448, 45676, 45904, 46131, 46357, 46583, 46809,
    47034, 47258, 47482, 47705, 47928, 48150, 48372, 48593, 48813, 49034, 49253, 49472, 49691, 49909, 50127,
    50344, 50560, 50776, 50992, 51207, 51422, 51636, 51850, 52063, 52276, 52488, 52700, 52911, 53122, 53332,
    53542, 53751, 53960, 54169, 54377, 54584, 54791, 54998, 55204, 55410, 55615, 55820, 56025, 56229, 56432,
    56635, 56838, 57040, 57242, 57443, 57644, 57845, 58045, 58245, 58444, 58643, 58841, 59039, 59237, 59434,
    59631, 59827, 60023, 60219, 60414, 60609, 60803, 60997, 61190, 61384, 61576, 61769, 61961, 62152, 62343,
    62534, 62725, 62915, 63104, 63294, 63483, 63671, 63859, 64047, 64234, 64421, 64608, 64794, 64980, 65166,
    65351, 0,
};

static uint32_t leading_zeros(uint64_t v) { /* v != 0; from 32-bit halves, as M0 has no wider one */
    const uint32_t high = (uint32_t)(v >> 32);
    return high != 0 ? (uint32_t)__builtin_clz(high) : 32u + (uint32_t)__builtin_clz((uint32_t)v);
}

uint32_t myo_log2_q16_u64(uint64_t v) {
    const uint32_t n_zeros = leading_zeros(v);
    if (n_zeros >= 32u) {
        return myo_log2_q16((uint32_t)v);
    }
    const uint32_t n_cut = 32u - n_zeros;
    return myo_log2_q16((uint32_t)(v >> n_cut)) + (n_cut << 16);
}

/* floor(sqrt(v)) and what is left, for v < 2^30, a bit of the root a step. */
static uint32_t root_30(uint32_t v, uint32_t *rest) {
    uint32_t root = 0;
    for (uint32_t bit = UINT32_C(1) << 28; bit != 0; bit >>= 2) {
        const uint32_t trial = root + bit;
        root >>= 1;
        if (v >= trial) {
            v -= trial;
            root += bit;
        }
    }
    *rest = v;
    return root;
}

/* Half of the root from the upper word, the other half by one division: P. Zimmermann, Karatsuba Square Root,
   INRIA RR-3805 (1999). */
uint32_t myo_sqrt_nearest(uint64_t v) {
    if (v == 0) {
        return 0;
    }
    const uint32_t up = (leading_zeros(v) - 2u) / 2u; /* v * 4^up in [2^60, 2^62) */
    const uint64_t scaled = v << (2u * up);
    uint32_t rest;
    const uint32_t high = root_30((uint32_t)(scaled >> 32), &rest); /* 15 bits; rest < 2^16 */
    const uint32_t dividend = rest << 16 | ((uint32_t)scaled >> 16);
    uint32_t root = (high << 16) + dividend / (2u * high);
    while ((uint64_t)root * root > scaled) { /* at most two steps: (2^16)^2 / (2 * 2^30) */
        root--;
    }
    root >>= up; /* floor(floor(sqrt(4^up v)) / 2^up) = floor(sqrt(v)) */
    return v - (uint64_t)root * root > root ? root + 1u : root; /* (root + 1/2)^2 = root^2 + root + 1/4 */
}

int32_t myo_divide_nearest(uint64_t a, uint64_t b, int32_t fraction_bits) {
    if (a == 0 || b == 0) {
        return 0;
    }
    const uint32_t a_up = leading_zeros(a) - 1u; /* both lead at bit 62: a / b in (1/2, 2) */
    const uint32_t b_up = leading_zeros(b) - 1u;
    const int32_t last = fraction_bits - (int32_t)a_up + (int32_t)b_up; /* weight of the first quotient bit */
    if (last > 31) {
        return INT32_MAX;
    }
    if (last < -1) { /* a * 2^last / b < 1/2 */
        return 0;
    }
    uint64_t rest = a << a_up;
    const uint64_t divisor = b << b_up;
    uint32_t quotient = 0; /* one bit more than asked for: it rounds */
    for (int32_t k = last + 1; k >= 0; k--) {
        quotient <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            quotient |= 1u;
        }
        rest <<= 1;
        if ((quotient >> 31) != 0 && k > 0) {
            return INT32_MAX;
        }
    }
    const uint32_t rounded = (quotient >> 1) + (quotient & 1u);
    return rounded > (uint32_t)INT32_MAX ? INT32_MAX : (int32_t)rounded;
}

int32_t myo_shift_nearest(int64_t v, uint32_t shift) {
    const int64_t y = shift == 0 ? v : (v + ((int64_t)1 << (shift - 1u))) >> shift;
    return (int32_t)(y < INT32_MIN ? INT32_MIN : y > INT32_MAX ? INT32_MAX : y);
}

myo_wide_t myo_wide_from(int64_t v) {
    const uint32_t sign = v < 0 ? UINT32_MAX : 0;
    return (myo_wide_t){{(uint32_t)v, (uint32_t)((uint64_t)v >> 32), sign, sign}};
}

myo_wide_t myo_wide_add(myo_wide_t a, myo_wide_t b) {
    uint64_t carry = 0;
    for (int k = 0; k < 4; k++) {
        carry += (uint64_t)a.words[k] + b.words[k];
        a.words[k] = (uint32_t)carry;
        carry >>= 32;
    }
    return a;
}

myo_wide_t myo_wide_subtract(myo_wide_t a, myo_wide_t b) {
    uint64_t carry = 1; /* a - b = a + ~b + 1 */
    for (int k = 0; k < 4; k++) {
        carry += (uint64_t)a.words[k] + (uint32_t)~b.words[k];
        a.words[k] = (uint32_t)carry;
        carry >>= 32;
    }
    return a;
}

myo_wide_t myo_wide_multiply(myo_wide_t a, myo_wide_t b) {
    myo_wide_t product = {{0, 0, 0, 0}};
    for (int i = 0; i < 4; i++) {
        uint64_t carry = 0;
        for (int j = 0; i + j < 4; j++) {
            carry += (uint64_t)a.words[i] * b.words[j] + product.words[i + j]; /* at most 2^64 - 1 */
            product.words[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    return product;
}

int32_t myo_wide_is_negative(myo_wide_t a) {
    return a.words[3] >> 31 != 0;
}

myo_mantissa_t myo_wide_mantissa(myo_wide_t a) {
    uint64_t high = (uint64_t)a.words[3] << 32 | a.words[2];
    uint64_t low = (uint64_t)a.words[1] << 32 | a.words[0];
    int32_t exponent = 0;
    if (high == 0) {
        high = low;
        low = 0;
        exponent = -64;
    }
    if (high == 0) {
        return (myo_mantissa_t){0, 0};
    }
    const uint32_t n_zeros = leading_zeros(high);
    const uint64_t top = n_zeros == 0 ? high : high << n_zeros | low >> (64u - n_zeros);
    return (myo_mantissa_t){top >> 1, exponent + 65 - (int32_t)n_zeros};
}
