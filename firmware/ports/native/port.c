/* native: the firmware as a Linux process whose serial port is a pty, built with sanitizers.

   On start it prints `port /dev/pts/N` and the host opens that as it would a board's port. What interrupts do
   on a board is done by serve(), which runs when the app is idle, waits, or sends: no threads, no signals,
   every run alike. SIGTERM and SIGINT end it with status 0; a sanitizer's finding ends it with a message on
   stderr and another status. */
#define _XOPEN_SOURCE 700
#include "myo_port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "myo_virtual_adc.h"

#define TICK_HZ 10000000u
#define NS_PER_TICK (1000000000u / TICK_HZ)
#define IDLE_MS 100                     /* how late a SIGTERM that slipped in before poll may be seen */
#define NOBODY_MS 5                     /* how often to look whether somebody has opened the port */
#define FD_VARIABLE "MYO_NATIVE_PTY_FD" /* hands the pty to the process that a reset starts */

const char myo_port_name[] = "native";

static struct {
    myo_byte_ring_t *rx, *tx;
    int pty;
    uint8_t pending[512]; /* taken out of the tx ring, not yet written */
    size_t pending_from, pending_to;
    bool listener; /* somebody has the port open */
    myo_ring_t *samples;
    void (*aux)(
        const myo_ring_t *frames); /* gives auxiliary streams what comes before a frame; may be NULL */
    uint32_t noise;
    uint8_t adc_bits;
    uint64_t adc_start_ns;
    uint64_t adc_rate_mhz;
    uint64_t adc_frames;      /* made since the start */
    uint32_t interrupt_ticks; /* spent in serve() and asleep */
} port;

static volatile sig_atomic_t asked_to_end;

static void on_signal(int number) {
    (void)number;
    asked_to_end = 1;
}

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(EXIT_FAILURE);
}

static uint64_t now_ns(void) {
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        fail("native: clock_gettime");
    }
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int open_pty(void) {
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
        fail("native: cannot open a pty");
    }
    const char *name = ptsname(master);
    const int slave = name == NULL ? -1 : open(name, O_RDWR | O_NOCTTY);
    struct termios mode;
    if (slave < 0 || tcgetattr(slave, &mode) != 0) {
        fail("native: cannot open the pty's other end");
    }
    /* Raw, as cfmakeraw: bytes pass unchanged, nothing is echoed. It outlives the slave's close. */
    mode.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    mode.c_oflag &= ~(tcflag_t)OPOST;
    mode.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    mode.c_cflag = (mode.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    if (tcsetattr(slave, TCSANOW, &mode) != 0 || close(slave) != 0) {
        fail("native: cannot set the pty raw");
    }
    (void)printf("port %s\n", name);
    (void)fflush(stdout);
    return master;
}

void myo_port_init(myo_byte_ring_t *rx, myo_byte_ring_t *tx) {
    port.rx = rx;
    port.tx = tx;
    const struct sigaction end = {.sa_handler = on_signal};
    if (sigaction(SIGTERM, &end, NULL) != 0 || sigaction(SIGINT, &end, NULL) != 0) {
        fail("native: sigaction");
    }
    const char *inherited = getenv(FD_VARIABLE);
    port.pty = inherited == NULL ? open_pty() : (int)strtol(inherited, NULL, 10);
    const int flags = fcntl(port.pty, F_GETFL);
    if (flags < 0 || fcntl(port.pty, F_SETFL, flags | O_NONBLOCK) != 0) {
        fail("native: fcntl");
    }
    struct pollfd fd = {.fd = port.pty};
    port.listener = poll(&fd, 1, 0) >= 0 && (fd.revents & POLLHUP) == 0;
}

uint32_t myo_port_tick_hz(void) {
    return TICK_HZ;
}

uint32_t myo_port_ticks(void) {
    return (uint32_t)(now_ns() / NS_PER_TICK);
}

uint32_t myo_port_work_ticks(void) {
    return myo_port_ticks() - port.interrupt_ticks;
}

/* Reads no more than the ring holds: the rest stays in the pty, as it stays in a UART with flow control. */
static bool serve_rx(void) {
    bool served = false;
    size_t space;
    uint8_t bytes[512];
    while ((space = myo_byte_ring_space(port.rx)) > 0) {
        const ssize_t n = read(port.pty, bytes, space < sizeof bytes ? space : sizeof bytes);
        if (n <= 0) {
            break; /* nothing there (EAGAIN), or nobody (EIO) */
        }
        (void)myo_byte_ring_write(port.rx, bytes, (size_t)n);
        port.listener = true; /* who speaks also listens: its answer must not be thrown away */
        served = true;
    }
    return served;
}

static bool serve_tx(void) {
    bool served = false;
    for (;;) {
        if (port.pending_from == port.pending_to) {
            port.pending_from = 0;
            port.pending_to = 0;
            while (port.pending_to < sizeof port.pending &&
                   myo_byte_ring_take(port.tx, &port.pending[port.pending_to])) {
                port.pending_to++;
            }
            if (port.pending_to == 0) {
                return served;
            }
        }
        const size_t n_pending = port.pending_to - port.pending_from;
        ssize_t n = (ssize_t)n_pending; /* where nobody listens bytes go nowhere, as on a board's pin */
        if (port.listener) {
            n = write(port.pty, &port.pending[port.pending_from], n_pending);
        }
        if (n <= 0) {
            return served;
        }
        port.pending_from += (size_t)n;
        served = true;
    }
}

static uint64_t adc_due_ns(uint64_t frame) {
    return port.adc_start_ns + frame * 1000000000000u / port.adc_rate_mhz;
}

/* A process that the system did not run for a while has missed nothing that a board's ADC would have sampled:
   its sample clock stood still, but for what half the ring holds. */
static void forgive_pause(void) {
    const uint64_t limit_ns = port.samples->capacity / 2u * (1000000000000u / port.adc_rate_mhz);
    const uint64_t now = now_ns();
    const uint64_t due = adc_due_ns(port.adc_frames + 1u);
    if (now > due + limit_ns) {
        port.adc_start_ns += now - due - limit_ns;
    }
}

static bool serve_adc(void) {
    bool served = false;
    if (port.samples != NULL) {
        forgive_pause();
    }
    while (port.samples != NULL && now_ns() >= adc_due_ns(port.adc_frames + 1u)) {
        if (port.aux != NULL) {
            port.aux(port.samples);
        }
        myo_virtual_adc_frame(&port.noise, port.adc_bits, port.samples, myo_port_ticks());
        port.adc_frames++;
        served = true;
    }
    return served;
}

static bool serve(void) {
    if (asked_to_end != 0) {
        exit(EXIT_SUCCESS);
    }
    const bool rx = serve_rx();
    const bool tx = serve_tx();
    const bool adc = serve_adc();
    return rx || tx || adc;
}

static int sleep_ms(void) {
    if (port.samples == NULL) {
        return IDLE_MS;
    }
    const uint64_t now = now_ns();
    const uint64_t due = adc_due_ns(port.adc_frames + 1u);
    const uint64_t wait_ms = due <= now ? 0 : (due - now + 999999u) / 1000000u;
    return wait_ms < IDLE_MS ? (int)wait_ms : IDLE_MS;
}

static void sleep_until_something(void) {
    struct pollfd fd = {.fd = port.pty, .events = POLLIN};
    if (port.pending_from != port.pending_to) {
        fd.events |= POLLOUT;
    }
    const int limit_ms = sleep_ms();
    if (poll(&fd, 1, limit_ms) < 0 && errno != EINTR) {
        fail("native: poll");
    }
    port.listener = (fd.revents & POLLHUP) == 0;
    if (!port.listener) {
        const struct timespec pause = {.tv_nsec = (limit_ms < NOBODY_MS ? limit_ms : NOBODY_MS) * 1000000L};
        (void)nanosleep(&pause, NULL); /* poll does not sleep on a line that nobody holds */
    }
}

void myo_port_send(void) {
    const uint32_t begin = myo_port_ticks();
    (void)serve_tx();
    port.interrupt_ticks += myo_port_ticks() - begin;
}

void myo_port_idle(void) {
    const uint32_t begin = myo_port_ticks();
    if (!serve()) {
        sleep_until_something();
        (void)serve();
    }
    port.interrupt_ticks += myo_port_ticks() - begin;
}

/* The streams are linked where the app starts one. */
bool myo_port_aux_start(uint32_t stream, myo_ring_t *ring, uint32_t rate_mhz, uint32_t emg_rate_mhz,
                        uint8_t adc_bits) {
    port.aux = myo_virtual_aux_frame;
    return myo_virtual_aux_start(stream, ring, rate_mhz, emg_rate_mhz, adc_bits);
}

bool myo_port_adc_start(myo_ring_t *ring, uint32_t rate_mhz, uint8_t adc_bits) {
    port.noise = MYO_VIRTUAL_ADC_SEED;
    port.adc_bits = adc_bits;
    port.adc_rate_mhz = rate_mhz;
    port.adc_frames = 0;
    port.adc_start_ns = now_ns();
    port.samples = ring;
    return true;
}

void myo_port_adc_stop(void) {
    port.samples = NULL;
}

/* A fresh process on the same pty: what was in memory is gone, the port stays. */
_Noreturn void myo_port_reset(void) {
    char fd[16];
    (void)snprintf(fd, sizeof fd, "%d", port.pty);
    if (setenv(FD_VARIABLE, fd, 1) == 0) {
        char name[] = "firmware";
        char *const arguments[] = {name, NULL};
        (void)execv("/proc/self/exe", arguments);
    }
    fail("native: cannot reset");
}

_Noreturn void myo_port_halt(myo_status_t status) {
    (void)fprintf(stderr, "native: the generated config and the app's memory disagree (status %d)\n",
                  (int)status);
    exit(EXIT_FAILURE);
}

/* The sanitizers lay out frames of their own, and the main thread's stack is the system's to grow. */
uint32_t myo_port_stack_bytes(void) {
    return 0;
}

uint32_t myo_port_stack_used(void) {
    return 0;
}
