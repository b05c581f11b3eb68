#include "dsp/myo_fixed_math.h"

const uint32_t myo_log2_table[256] = {
    0x01710000, 0x016F0171, 0x016E02E0, 0x016C044E, 0x016B05BA, 0x01690725, 0x0169088E, 0x016609F7,
    0x01660B5D, 0x01640CC3, 0x01630E27, 0x01610F8A, 0x016010EB, 0x015F124B, 0x015E13AA, 0x015C1508,
    0x015B1664, 0x015A17BF, 0x01581919, 0x01571A71, 0x01561BC8, 0x01551D1E, 0x01531E73, 0x01531FC6,
    0x01512119, 0x0150226A, 0x014E23BA, 0x014E2508, 0x014C2656, 0x014B27A2, 0x014A28ED, 0x01492A37,
    0x01482B80, 0x01472CC8, 0x01452E0F, 0x01442F54, 0x01443098, 0x014231DC, 0x0141331E, 0x0140345F,
    0x013F359F, 0x013D36DE, 0x013D381B, 0x013C3958, 0x013A3A94, 0x013A3BCE, 0x01393D08, 0x01373E41,
    0x01373F78, 0x013540AF, 0x013541E4, 0x01334319, 0x0133444C, 0x0131457F, 0x013146B0, 0x012F47E1,
    0x012F4910, 0x012D4A3F, 0x012D4B6C, 0x012C4C99, 0x012A4DC5, 0x012A4EEF, 0x01295019, 0x01285142,
    0x0127526A, 0x01265391, 0x012554B7, 0x012455DC, 0x01245700, 0x01225824, 0x01225946, 0x01215A68,
    0x011F5B89, 0x011F5CA8, 0x011E5DC7, 0x011E5EE5, 0x011C6003, 0x011B611F, 0x011B623A, 0x011A6355,
    0x0119646F, 0x01186588, 0x011766A0, 0x011767B7, 0x011668CE, 0x011469E4, 0x01146AF8, 0x01146C0C,
    0x01126D20, 0x01126E32, 0x01116F44, 0x01107055, 0x010F7165, 0x010F7274, 0x010D7383, 0x010D7490,
    0x010D759D, 0x010B76AA, 0x010B77B5, 0x010A78C0, 0x010979CA, 0x01087AD3, 0x01087BDB, 0x01077CE3,
    0x01067DEA, 0x01067EF0, 0x01057FF6, 0x010480FB, 0x010381FF, 0x01038302, 0x01028405, 0x01018507,
    0x01018608, 0x01008709, 0x00FF8809, 0x00FE8908, 0x00FE8A06, 0x00FD8B04, 0x00FD8C01, 0x00FC8CFE,
    0x00FB8DFA, 0x00FA8EF5, 0x00FA8FEF, 0x00F990E9, 0x00F991E2, 0x00F792DB, 0x00F893D2, 0x00F694CA,
    0x00F695C0, 0x00F596B6, 0x00F597AB, 0x00F498A0, 0x00F39994, 0x00F39A87, 0x00F29B7A, 0x00F29C6C,
    0x00F19D5E, 0x00F09E4F, 0x00EF9F3F, 0x00F0A02E, 0x00EEA11E, 0x00EEA20C, 0x00EDA2FA, 0x00EDA3E7,
    0x00ECA4D4, 0x00EBA5C0, 0x00EBA6AB, 0x00EBA796, 0x00E9A881, 0x00E9A96A, 0x00E9AA53, 0x00E8AB3C,
    0x00E8AC24, 0x00E6AD0C, 0x00E7ADF2, 0x00E5AED9, 0x00E6AFBE, 0x00E4B0A4, 0x00E4B188, 0x00E4B26C,
    0x00E3B350, 0x00E2B433, 0x00E2B515, 0x00E2B5F7, 0x00E1B6D9, 0x00E0B7BA, 0x00E0B89A, 0x00DFB97A,
    0x00DFBA59, 0x00DEBB38, 0x00DEBC16, 0x00DDBCF4, 0x00DCBDD1, 0x00DDBEAD, 0x00DBBF8A, 0x00DBC065,
    0x00DBC140, 0x00DAC21B, 0x00DAC2F5, 0x00D9C3CF, 0x00D8C4A8, 0x00D8C580, 0x00D8C658, 0x00D7C730,
    0x00D7C807, 0x00D6C8DE, 0x00D6C9B4, 0x00D5CA8A, 0x00D5CB5F, 0x00D4CC34, 0x00D4CD08, 0x00D3CDDC,
    0x00D3CEAF, 0x00D2CF82, 0x00D2D054, 0x00D1D126, 0x00D1D1F7, 0x00D1D2C8, 0x00D0D399, 0x00CFD469,
    0x00CFD538, 0x00CFD607, 0x00CED6D6, 0x00CED7A4, 0x00CDD872, 0x00CDD93F, 0x00CDDA0C, 0x00CCDAD9,
    0x00CBDBA5, 0x00CBDC70, 0x00CBDD3B, 0x00CADE06, 0x00CADED0, 0x00C9DF9A, 0x00C9E063, 0x00C9E12C,
    0x00C8E1F5, 0x00C8E2BD, 0x00C7E385, 0x00C7E44C, 0x00C6E513, 0x00C6E5D9, 0x00C6E69F, 0x00C5E765,
    0x00C5E82A, 0x00C4E8EF, 0x00C4E9B3, 0x00C4EA77, 0x00C3EB3B, 0x00C3EBFE, 0x00C2ECC1, 0x00C2ED83,
    0x00C1EE45, 0x00C2EF06, 0x00C0EFC8, 0x00C1F088, 0x00C0F149, 0x00BFF209, 0x00BFF2C8, 0x00BFF387,
    0x00BFF446, 0x00BEF505, 0x00BDF5C3, 0x00BEF680, 0x00BDF73E, 0x00BCF7FB, 0x00BCF8B7, 0x00BCF973,
    0x00BBFA2F, 0x00BBFAEA, 0x00BBFBA5, 0x00BAFC60, 0x00BAFD1A, 0x00BAFDD4, 0x00B9FE8E, 0x00B9FF47,
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

int32_t myo_exp2_q30(int32_t y_q26) {
    static const int32_t terms[8] = {1518500250, 1052544167, 364784011, 84283003, 14605131,
                                     2024701,    233903,     23161}; /* sqrt(2) ln(2)^k / k!: around 1/2 */
    const int32_t g = ((y_q26 & 0x3FFFFFF) - 0x2000000) * 32;        /* Q31 */
    int32_t power = terms[7];
    for (int k = 6; k >= 0; k--) {
        power = terms[k] + (int32_t)(((int64_t)power * g + (1 << 30)) >> 31);
    }
    const uint32_t down = (uint32_t) - (y_q26 >> 26);
    return (int32_t)(((uint32_t)power + ((UINT32_C(1) << down) >> 1)) >> down);
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

/* Sixteen bits of the quotient at a time, each from one division of 32 bits that never gives too much: with
   the divisor's 16 leading bits rounded up it gives at most 3 too little, so that what is left stays below
   2^63. */
int32_t myo_divide_nearest(uint64_t a, uint64_t b, int32_t fraction_bits) {
    if (a == 0 || b == 0) {
        return 0;
    }
    const uint32_t a_up = leading_zeros(a) - 3u; /* both lead at bit 60: a / b in (1/2, 2) */
    const uint32_t b_up = leading_zeros(b) - 3u;
    const int32_t last = fraction_bits - (int32_t)a_up + (int32_t)b_up; /* weight of the first quotient bit */
    if (last > 31) {
        return INT32_MAX;
    }
    if (last < -1) { /* a * 2^last / b < 1/2 */
        return 0;
    }
    uint64_t rest = a << a_up;
    const uint64_t divisor = b << b_up;
    const uint32_t divisor_high = (uint32_t)(divisor >> 45) + 1u;
    uint64_t quotient = 0; /* one bit more than asked for: it rounds */
    if (rest >= divisor) {
        rest -= divisor;
        quotient = 1;
    }
    for (uint32_t n_left = (uint32_t)(last + 1); n_left > 0;) {
        const uint32_t n_bits = n_left < 16u ? n_left : 16u;
        uint32_t digit = ((uint32_t)(rest >> 29) / divisor_high) >> (16u - n_bits);
        rest = (rest << n_bits) - digit * divisor; /* modulo 2^64: the difference is what fits */
        while (rest >= divisor) {
            rest -= divisor;
            digit++;
        }
        quotient = (quotient << n_bits) + digit;
        n_left -= n_bits;
    }
    const uint64_t rounded = (quotient + 1u) >> 1;
    return rounded > (uint64_t)INT32_MAX ? INT32_MAX : (int32_t)rounded;
}

int32_t myo_shift_nearest(int64_t v, uint32_t shift) {
    if (shift == 0 && v == (int32_t)v) { /* what most features take */
        return (int32_t)v;
    }
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
    return (myo_mantissa_t){top >> 3, exponent + 67 - (int32_t)n_zeros};
}
