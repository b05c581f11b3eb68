/* After RM0090 3.6 (erase and program operations) and 3.9 (registers).

   Words of 32 bits at a time, for which the supply has 2.7 V or more (table 6). The data cache follows what
   is programmed, but not what is erased: 3.6.3 wants both caches reset then, and that while they are off
   (3.9.1). The controller is locked whenever nothing is under way, so that a program that has lost its way
   cannot write over itself. */
#include "flash.h"

#include "myo_port.h"
#include "registers.h"

#define KEY_1 0x45670123u
#define KEY_2 0xCDEF89ABu

/* Twice what the data sheet gives at most. */
#define PATIENCE_ERASE_MS 4000u
#define PATIENCE_WORD_MS 2u

static bool wait_until_idle(uint32_t limit_ms) {
    const uint32_t begin = myo_port_ticks();
    const uint32_t limit = myo_port_tick_hz() / 1000u * limit_ms;
    while ((stm32_read(FLASH_SR) & FLASH_SR_BSY) != 0) {
        if (myo_port_ticks() - begin > limit) {
            return false;
        }
    }
    return true;
}

/* What a debugger or a bootloader left in the flags is not this operation's. */
static bool unlock(void) {
    if (!wait_until_idle(PATIENCE_ERASE_MS)) {
        return false;
    }
    if ((stm32_read(FLASH_CR) & FLASH_CR_LOCK) != 0) {
        stm32_write(FLASH_KEYR, KEY_1);
        stm32_write(FLASH_KEYR, KEY_2);
    }
    stm32_write(FLASH_SR, FLASH_SR_EOP | FLASH_SR_ERRORS);
    return (stm32_read(FLASH_CR) & FLASH_CR_LOCK) == 0;
}

/* Whether what was begun ended well. */
static bool finish(uint32_t limit_ms) {
    stm32_barrier();
    return wait_until_idle(limit_ms) && (stm32_read(FLASH_SR) & FLASH_SR_ERRORS) == 0;
}

static void reset_caches(void) {
    const uint32_t access = stm32_read(FLASH_ACR);
    const uint32_t off = access & ~(FLASH_ACR_ICEN | FLASH_ACR_DCEN);
    stm32_write(FLASH_ACR, off);
    stm32_write(FLASH_ACR, off | FLASH_ACR_ICRST | FLASH_ACR_DCRST);
    stm32_write(FLASH_ACR, off);
    stm32_write(FLASH_ACR, access);
}

bool stm32_flash_erase(uint32_t sector) {
    if (!unlock()) {
        return false;
    }
    const uint32_t what = FLASH_CR_PSIZE_32 | FLASH_CR_SER | FLASH_CR_SNB(sector);
    stm32_write(FLASH_CR, what);
    stm32_write(FLASH_CR, what | FLASH_CR_STRT);
    const bool done = finish(PATIENCE_ERASE_MS);
    stm32_write(FLASH_CR, FLASH_CR_LOCK);
    reset_caches();
    return done;
}

bool stm32_flash_program(uint32_t address, const uint32_t *words, uint32_t n) {
    if (!unlock()) {
        return false;
    }
    stm32_write(FLASH_CR, FLASH_CR_PSIZE_32 | FLASH_CR_PG);
    bool done = true;
    for (uint32_t i = 0; i < n && done; i++) {
        stm32_write(address + 4u * i, words[i]);
        done = finish(PATIENCE_WORD_MS);
    }
    stm32_write(FLASH_CR, FLASH_CR_LOCK);
    return done;
}
