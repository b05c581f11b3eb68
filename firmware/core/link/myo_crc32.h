/* CRC-32 of IEEE 802.3 (reflected, polynomial 0x04C11DB7), as zlib's crc32. */
#ifndef MYO_CRC32_H
#define MYO_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* CRC of what came before (0 at the start) continued over n bytes. ISR-safe: yes. */
uint32_t myo_crc32(uint32_t crc, const void *data, size_t n);

#endif
