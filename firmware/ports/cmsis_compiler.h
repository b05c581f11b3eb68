/* What CMSIS-DSP asks of CMSIS-Core's header of this name, over GCC's and Clang's arm_acle.h.

   CMSIS-DSP's Python package carries its sources without CMSIS-Core. On a core with the DSP extension its
   headers use the intrinsics below; elsewhere it brings its own C for them. */
#ifndef CMSIS_COMPILER_H
#define CMSIS_COMPILER_H

#include <stdint.h>

#define __ASM __asm
#define __STATIC_INLINE static inline
#define __STATIC_FORCEINLINE static inline __attribute__((always_inline))
#define __ALIGNED(x) __attribute__((aligned(x)))
#define __WEAK __attribute__((weak))
#define __PACKED __attribute__((packed))

#if defined(__arm__)
#include <arm_acle.h>

#define __CLZ (uint8_t) __clz
#define __ROR __ror
#define __SSAT(value, bits) __ssat((value), (bits))
#define __USAT(value, bits) __usat((value), (bits))

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#define __QADD __qadd
#define __QSUB __qsub
#define __QADD8 __qadd8
#define __QSUB8 __qsub8
#define __QADD16 __qadd16
#define __QSUB16 __qsub16
#define __SHADD16 __shadd16
#define __SHSUB16 __shsub16
#define __QASX __qasx
#define __QSAX __qsax
#define __SHASX __shasx
#define __SHSAX __shsax
#define __SMUAD __smuad
#define __SMUADX __smuadx
#define __SMUSD __smusd
#define __SMUSDX __smusdx
#define __SMLAD __smlad
#define __SMLADX __smladx
#define __SMLSDX __smlsdx
#define __SMLALD __smlald
#define __SMLALDX __smlaldx
#define __SXTB16 __sxtb16
#define __SXTAB16 __sxtab16

#define __PKHBT(low, high, shift)                                                                            \
    ((uint32_t)((((uint32_t)(low)) & 0x0000ffffu) | (((uint32_t)(high) << (shift)) & 0xffff0000u)))
#define __PKHTB(high, low, shift)                                                                            \
    ((uint32_t)((((uint32_t)(high)) & 0xffff0000u) | ((uint32_t)((int32_t)(low) >> (shift)) & 0x0000ffffu)))

/* The upper word of a Q63 multiply-accumulate: SMMLA, which GCC recognises. */
__STATIC_FORCEINLINE int32_t __SMMLA(int32_t x, int32_t y, int32_t sum) {
    return sum + (int32_t)(((int64_t)x * y) >> 32);
}
#endif
#endif

#endif
