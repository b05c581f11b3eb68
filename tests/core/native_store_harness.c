/* firmware/ports/native/store.c whose process is killed (SIGKILL) at every moment of an operation.

   Arguments: a folder to work in, what was done before, and the operation: a text of S<digit>, U and C each.
   Prints one line "<points> <killed>" and a line for each moment: what a new process finds (a digit, 0 none,
   -1 a mix) and what one finds after a save in it. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static long points; /* until the kill */
static ssize_t write_until_killed(int fd, const void *data, size_t n, long long at);

#define pwrite write_until_killed
#define fdatasync(fd) 0 /* a kill needs none, and a thousand kills have no time for it */
#include "native/store.c"
#undef pwrite
#undef fdatasync

static const uint8_t identity[MYO_STORE_IDENTITY_BYTES] = {4, 5};
enum { RECORD_BYTES = MYO_CALIBRATION_RECORD_BYTES(PATCH_N_OUTPUTS, PATCH_CALIBRATION_WORDS) };
static uint32_t record[RECORD_BYTES / 4u];

/* Each byte of a word is a moment; of more, the begin, some of it, and the end. */
static ssize_t write_until_killed(int fd, const void *data, size_t n, long long at) {
    const size_t moments[] = {0, n / 3u, n};
    const size_t n_moments = n <= 8u ? n + 1u : 3u;
    for (size_t i = 0; i < n_moments; i++) {
        if (points-- == 0) {
            (void)!pwrite(fd, data, n <= 8u ? i : moments[i], (off_t)at);
            (void)kill(getpid(), SIGKILL);
        }
    }
    return pwrite(fd, data, n, (off_t)at);
}

static myo_store_t open_it(void) {
    return (myo_store_t){.port = myo_port_store(), .identity = identity, .record_bytes = RECORD_BYTES};
}

static void act(const char *script) {
    const myo_store_t store = open_it();
    for (; *script != '\0'; script++) {
        if (*script == 'S') {
            memset(record, *++script - '0', sizeof record);
            (void)myo_store_save(&store, record);
        } else {
            (void)(*script == 'U' ? myo_store_undo(&store) : myo_store_clear(&store));
        }
    }
}

static int find(void) {
    const myo_store_t store = open_it();
    bool foreign;
    if (myo_store_load(&store, record, &foreign) == 0) {
        return 0;
    }
    for (uint32_t i = 1; i < RECORD_BYTES / 4u; i++) {
        if (record[i] != record[0]) {
            return -1;
        }
    }
    return (int)(record[0] & 0xFFu);
}

/* Does so in a process of its own; how that ended. */
static int run(const char *script, long until, int *found) {
    int ends[2];
    int status = 0;
    if (pipe(ends) != 0) {
        abort();
    }
    const pid_t child = fork();
    if (child == 0) {
        points = until;
        act(script);
        const int answer[] = {find(), (int)(until - points)};
        _exit(write(ends[1], answer, sizeof answer) != (ssize_t)sizeof answer);
    }
    (void)close(ends[1]);
    (void)!read(ends[0], found, 2u * sizeof found[0]);
    (void)close(ends[0]);
    (void)waitpid(child, &status, 0);
    return status;
}

static void copy(const char *from, const char *to) {
    static char bytes[STORE_BYTES];
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    if (in == NULL || out == NULL || fread(bytes, 1, sizeof bytes, in) != sizeof bytes ||
        fwrite(bytes, 1, sizeof bytes, out) != sizeof bytes || fclose(out) != 0 || fclose(in) != 0) {
        abort();
    }
}

int main(int n, char **arguments) {
    char before[256], work[256];
    int found[2] = {0, 0};
    if (n != 4) {
        return 2;
    }
    (void)snprintf(before, sizeof before, "%s/before", arguments[1]);
    (void)snprintf(work, sizeof work, "%s/work", arguments[1]);
    (void)setenv(NAME_VARIABLE, before, 1);
    (void)run(arguments[2], -1, found);
    (void)setenv(NAME_VARIABLE, work, 1);
    copy(before, work);
    (void)run(arguments[3], 1000000000L, found);
    const int n_points = found[1];
    printf("%d %d\n", n_points, found[0]);
    for (long k = 0; k < n_points; k++) {
        int killed[2], then[2] = {-1, 0}, after[2] = {-1, 0};
        copy(before, work);
        const int status = run(arguments[3], k, killed);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL || run("", -1, then) != 0 ||
            run("S9", -1, after) != 0) {
            return 3;
        }
        printf("%d %d\n", then[0], after[0]);
    }
    return 0;
}
