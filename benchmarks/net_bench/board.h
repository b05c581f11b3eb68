/* What the benchmark needs of its board. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

void board_print(const char *text);
void board_print_number(uint32_t number);
/* Ticks of the core's clock since an earlier reading, or since some time (since = 0); up to 2^24. */
uint32_t board_ticks(uint32_t since);
/* Ends the emulation with an exit code. */
_Noreturn void board_exit(uint32_t code);

#endif
