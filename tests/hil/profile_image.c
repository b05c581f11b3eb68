/* An image for mps2-an386 whose calls are known: what the profiler must tell of it stands in test_profile.py.
 */
#include <stdint.h>

#define ICSR (*(volatile uint32_t *)0xE000ED04u)
#define PENDSVSET (1u << 28)
#define STCSR (*(volatile uint32_t *)0xE000E010u)
#define STRVR (*(volatile uint32_t *)0xE000E014u)
#define N_RUNS 10
#define NOINLINE __attribute__((noinline, noclone))

int main(void);
void reset_handler(void);
void pendsv_handler(void);
void systick_handler(void);
extern uint32_t stack_top;

volatile uint32_t n_pendsv, n_systick, sink;

static void halt(void) {
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) const void *const vectors[16] = {
    &stack_top,
    (void *)reset_handler,
    (void *)halt,
    (void *)halt,
    (void *)halt,
    (void *)halt,
    (void *)halt,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    (void *)pendsv_handler,
    (void *)systick_handler,
};

void reset_handler(void) {
    n_pendsv = n_systick = sink = 0;
    (void)main();
    register uint32_t operation __asm__("r0") = 0x18; /* semihosting: end, ApplicationExit */
    register uint32_t reason __asm__("r1") = 0x20026;
    __asm__ volatile("bkpt 0xAB" : : "r"(operation), "r"(reason) : "memory");
    for (;;) {
    }
}

NOINLINE void inner(void) {
    sink++;
}

void pendsv_handler(void) {
    n_pendsv++;
    inner(); /* a call within an interrupt is the interrupt's */
}

void systick_handler(void) {
    n_systick++;
}

/* The same work with an interrupt in its middle and without: told apart, it costs the same. */
NOINLINE void work(uint32_t pend) {
    for (uint32_t i = 0; i < 100; i++) {
        ICSR = i == 50 ? pend : 0;
        inner();
    }
}

/* Ten words of stack that only its first call fills. */
NOINLINE uint32_t recurse(uint32_t n) {
    volatile uint32_t words[10];
    words[0] = n;
    return n == 0 ? 0 : recurse(n - 1) + words[0];
}

NOINLINE void last(void) {
    for (uint32_t i = 0; i < 20; i++) {
        sink += i;
    }
}

/* Ends in a jump instead of a call. */
NOINLINE void ends_in_a_jump(void) {
    sink = 3;
    last();
}

NOINLINE void layer_a(void) {
    ends_in_a_jump();
    sink = 4;
}

NOINLINE void network(void) {
    layer_a();
    last(); /* the same function from another place */
    layer_a();
    sink = 5;
}

int main(void) {
    for (uint32_t i = 0; i < N_RUNS; i++) {
        work(0);
        work(PENDSVSET);
    }
    sink = recurse(8);
    for (uint32_t i = 0; i < N_RUNS; i++) {
        network();
    }
    STRVR = 999; /* interrupts at times of their own, from here on */
    STCSR = 7;
    for (uint32_t i = 0; i < N_RUNS; i++) {
        work(0);
    }
#ifdef ENDLESS
    for (;;) {
        network();
    }
#endif
    STCSR = 0;
    return 0;
}
