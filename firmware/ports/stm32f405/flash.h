/* The flash controller: erases sectors and programs words.

   The core runs from the same flash. It stands still while a sector is erased (1 s of a sector of 128 kB, 2 s
   at most) and for each word (16 us, 100 us at most), and so do its interrupts: DS8626, table of the flash's
   characteristics, at 2.7 V and more. The DMA controllers go on. ISR-safe: no. */
#ifndef STM32_FLASH_H
#define STM32_FLASH_H

#include <stdbool.h>
#include <stdint.h>

/* Makes a sector read as ones. False: the controller is locked until a reset, reports an error, or does not
 * end. */
bool stm32_flash_erase(uint32_t sector);

/* Programs n words from an address on, which is a multiple of 4: bits that are ones become zeros where the
   word has them. False as above; words before the one that failed are programmed. */
bool stm32_flash_program(uint32_t address, const uint32_t *words, uint32_t n);

#endif
