/* What the benchmark needs of its board. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

void board_print(const char *text);
void board_print_number(uint32_t number);
/* Ticks of the core's clock since an earlier reading, or since some time (since = 0); up to 2^24. Always 0
   unless compiled with BOARD_COUNTS_TICKS, so that it costs nothing where nobody asks. */
#ifdef BOARD_COUNTS_TICKS
uint32_t board_ticks(uint32_t since);
#else
#define board_ticks(since) ((void)(since), 0u)
#endif
/* Ends the emulation with an exit code. */
_Noreturn void board_exit(uint32_t code);

#endif
