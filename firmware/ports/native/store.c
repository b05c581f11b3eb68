/* The native board's store: a file, whose name is in MYO_NATIVE_STORE, and which outlives the process;
   without a name, memory that is handed to the process that a reset starts.

   It is as large as a small flash for every bundle, so that another bundle's head is seen and refused. Words
   are written in their order and are on the disk when a write returns: what a kill or a loss of power leaves
   is what flash would leave. One process at a time has the file. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "myo_port.h"
#include "patch_config.h"

#if PATCH_CALIBRATION_WORDS > 0
#define PLACE_BYTES                                                                                          \
    MYO_STORE_SLOT_BYTES(1u, MYO_CALIBRATION_RECORD_BYTES(PATCH_N_OUTPUTS, PATCH_CALIBRATION_WORDS))
#define SLOT_BYTES (PLACE_BYTES <= 16384u ? 16384u : PLACE_BYTES)
#define STORE_BYTES (MYO_STORE_SLOTS * SLOT_BYTES)
#define BLOCK 512u
#define NAME_VARIABLE "MYO_NATIVE_STORE"
#define FD_VARIABLE "MYO_NATIVE_STORE_FD" /* hands it to the process that a reset starts */

static int descriptor = -1;

static _Noreturn void refuse(const char *name, const char *why) {
    (void)fprintf(stderr, "native: error: cannot keep heads in %s: %s\n", name, why);
    exit(EXIT_FAILURE);
}

/* An open, locked file of the store's size. */
static int open_file(const char *name) {
    const int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat state;
    if (fd < 0 || fstat(fd, &state) != 0) {
        refuse(name, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        refuse(name, "another board has it; end that, or give another file");
    }
    if (state.st_size != 0 && state.st_size != (off_t)STORE_BYTES) {
        refuse(name, "it is something else, or of a larger or smaller head; give another file");
    }
    return fd;
}

static int open_store(void) {
    const char *const inherited = getenv(FD_VARIABLE);
    const char *const name = getenv(NAME_VARIABLE);
    const bool has_name = name != NULL && name[0] != '\0';
    int fd;
    if (inherited != NULL) {
        fd = (int)strtol(inherited, NULL, 10);
    } else {
        fd = has_name ? open_file(name) : memfd_create("myo_store", MFD_CLOEXEC);
    }
    char text[16];
    (void)snprintf(text, sizeof text, "%d", fd);
    if (fd < 0 || ftruncate(fd, (off_t)STORE_BYTES) != 0 || fcntl(fd, F_SETFD, 0) != 0 ||
        setenv(FD_VARIABLE, text, 1) != 0) {
        refuse(has_name ? name : "memory", strerror(errno));
    }
    return fd;
}

static bool is_inside(uint32_t slot, uint32_t offset, uint32_t n) {
    return slot < MYO_STORE_SLOTS && offset <= SLOT_BYTES && n <= SLOT_BYTES - offset;
}

static off_t place_of(uint32_t slot, uint32_t offset) {
    return (off_t)slot * (off_t)SLOT_BYTES + (off_t)offset;
}

static void read_slot(void *context, uint32_t slot, uint32_t offset, void *data, uint32_t n) {
    (void)context;
    if (!is_inside(slot, offset, n) || pread(descriptor, data, n, place_of(slot, offset)) != (ssize_t)n) {
        memset(data, 0xFF, n);
    }
}

static bool put(uint32_t slot, uint32_t offset, const void *data, uint32_t n) {
    return is_inside(slot, offset, n) && pwrite(descriptor, data, n, place_of(slot, offset)) == (ssize_t)n;
}

static bool erase_slot(void *context, uint32_t slot) {
    (void)context;
    uint8_t ones[BLOCK];
    memset(ones, 0xFF, sizeof ones);
    for (uint32_t offset = 0; offset < SLOT_BYTES; offset += BLOCK) {
        const uint32_t left = SLOT_BYTES - offset;
        if (!put(slot, offset, ones, left < BLOCK ? left : BLOCK)) {
            return false;
        }
    }
    return fdatasync(descriptor) == 0;
}

/* As flash would take it: ones become zeros, and nothing else is asked for. */
static bool write_slot(void *context, uint32_t slot, uint32_t offset, const void *data, uint32_t n) {
    const uint8_t *const bytes = data;
    for (uint32_t done = 0; done < n;) {
        uint8_t before[BLOCK];
        const uint32_t some = n - done < BLOCK ? n - done : BLOCK;
        read_slot(context, slot, offset + done, before, some);
        for (uint32_t i = 0; i < some; i++) {
            if (before[i] != 0xFF && bytes[done + i] != 0) {
                return false;
            }
        }
        if (!put(slot, offset + done, &bytes[done], some)) {
            return false;
        }
        done += some;
    }
    return fdatasync(descriptor) == 0;
}

const myo_store_port_t *myo_port_store(void) {
    static myo_store_port_t port = {
        .slot_bytes = SLOT_BYTES, .read = read_slot, .erase = erase_slot, .write = write_slot};
    if (descriptor < 0) {
        descriptor = open_store();
        const char *const name = getenv(NAME_VARIABLE);
        port.outlives_power = name != NULL && name[0] != '\0';
    }
    return &port;
}
#endif
