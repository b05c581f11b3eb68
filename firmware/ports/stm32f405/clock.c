/* After RM0090 7.2 (clocks), 3.5.1 (wait states of the flash) and the data sheet DS8626, table 14 (limits).

   QEMU has no RCC: its registers read 0. Silicon that runs from its internal oscillator always finds that
   oscillator ready, so where it is not, this is QEMU. There all timers count at 1 GHz, whatever the RCC is
   told, and divided by 64 a tick is one instruction under `-icount shift=6`. */
#include "clock.h"

#include "board.h"
#include "registers.h"

#define HSI_HZ 16000000u
#define PLL_HZ 168000000u
#define QEMU_TIMER_HZ 1000000000u
#define QEMU_TICK_PRESCALER 64u

/* Looks at a flag before it is given up: half a millisecond of 16 MHz, and 0.2 s. The internal oscillator
   takes 4 us, the PLL 0.3 ms, a crystal some milliseconds. */
#define PATIENCE_SHORT 1000u
#ifndef STM32_PATIENCE
#define STM32_PATIENCE 400000u
#endif

/* The PLL's input has 2 MHz, which jitters least (7.3.2), or 1 MHz where that is no whole division. */
#define PLL_INPUT_HZ (BOARD_HSE_HZ % 2000000u == 0 ? 2000000u : 1000000u)
#define PLL_M (BOARD_HSE_HZ / PLL_INPUT_HZ)
#define PLL_N (2u * PLL_HZ / PLL_INPUT_HZ)
#define PLL_Q 7u /* 48 MHz; unused */
_Static_assert(BOARD_HSE_HZ % PLL_INPUT_HZ == 0 && PLL_M >= 2u && PLL_M <= 63u && PLL_N >= 50u &&
                   PLL_N <= 432u,
               "custom_hse_hz: whole megahertz, 4 to 26");

static bool wait_for(uint32_t address, uint32_t mask, uint32_t expected, uint32_t patience) {
    for (; patience > 0; patience--) {
        if ((stm32_read(address) & mask) == expected) {
            return true;
        }
    }
    return false;
}

/* The core on its internal oscillator, crystal and PLL off: the PLL is set up only while it stands still. */
static void use_internal(void) {
    stm32_write(RCC_CFGR, RCC_CFGR_SW_HSI);
    (void)wait_for(RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_HSI, STM32_PATIENCE);
    stm32_clear(RCC_CR, RCC_CR_PLLON | RCC_CR_CSSON);
    (void)wait_for(RCC_CR, RCC_CR_PLLRDY, 0, STM32_PATIENCE);
    stm32_clear(RCC_CR, RCC_CR_HSEON | RCC_CR_HSEBYP);
    stm32_write(FLASH_ACR, FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN);
}

static bool use_pll(void) {
    stm32_set(RCC_APB1ENR, RCC_APB1ENR_PWR);
    stm32_set(PWR_CR, PWR_CR_VOS); /* 168 MHz take the regulator's first scale */
    stm32_set(RCC_CR, RCC_CR_HSEON);
    if (!wait_for(RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY, STM32_PATIENCE)) {
        return false;
    }
    stm32_write(RCC_PLLCFGR, RCC_PLLCFGR_M(PLL_M) | RCC_PLLCFGR_N(PLL_N) | RCC_PLLCFGR_P_2 | RCC_PLLCFGR_HSE |
                                 RCC_PLLCFGR_Q(PLL_Q));
    stm32_set(RCC_CR, RCC_CR_PLLON);
    if (!wait_for(RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY, STM32_PATIENCE)) {
        return false;
    }
    stm32_set(FLASH_ACR, FLASH_ACR_LATENCY_5); /* before the clock is fast */
    if (!wait_for(FLASH_ACR, FLASH_ACR_LATENCY, FLASH_ACR_LATENCY_5, STM32_PATIENCE)) {
        return false;
    }
    stm32_write(RCC_CFGR, RCC_CFGR_PPRE1_4 | RCC_CFGR_PPRE2_2);
    stm32_set(RCC_CFGR, RCC_CFGR_SW_PLL);
    if (!wait_for(RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL, STM32_PATIENCE)) {
        return false;
    }
    stm32_set(RCC_CR, RCC_CR_CSSON); /* a crystal that stops is an NMI, which resets the board */
    return true;
}

static bool is_emulated;

bool stm32_is_emulated(void) {
    return is_emulated;
}

stm32_clock_t stm32_clock_start(void) {
    stm32_set(RCC_CR, RCC_CR_HSION);
    is_emulated = !wait_for(RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY, PATIENCE_SHORT);
    if (is_emulated) {
        return (stm32_clock_t){.apb2_hz = HSI_HZ,
                               .timer_hz = QEMU_TIMER_HZ,
                               .tick_prescaler = QEMU_TICK_PRESCALER,
                               .is_emulated = true};
    }
    use_internal();
    if (use_pll()) {
        /* APB1 at 42 MHz, its timers at twice that (7.2), APB2 at 84 MHz. */
        return (stm32_clock_t){.apb2_hz = PLL_HZ / 2u, .timer_hz = PLL_HZ / 2u, .tick_prescaler = 1u};
    }
    use_internal();
    return (stm32_clock_t){.apb2_hz = HSI_HZ, .timer_hz = HSI_HZ, .tick_prescaler = 1u};
}
