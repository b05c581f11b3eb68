/* The text protocol of the MLPerf Tiny benchmark's runner (its public reference API, version 1.x), so that
   published harnesses can drive a patch's network.

   A command ends with '%' and its words are parted by spaces; each is answered by lines that end with CR LF,
   the last of them `m-ready`:

     name                m-name-dut-[VENDOR]
     timestamp           m-lap-us-N: microseconds since the first command
     profile             m-profile-[...], m-model-[MODEL]
     db load N           m-[Expecting N bytes]: the network's input, N of its int8 words, begins anew
     db HH[HH]*          the next words in hexadecimal; m-load-done with the last one, what is more is dropped
     db print            m-buffer-HH-HH-... of up to eight words a line
     infer N [W=10]      W runs to warm up, N runs between two time stamps, then the results
     results             m-results-[x,x,...]: the last run's outputs as numbers
     help                the commands

   What is wrong is said in a line `e-[...]`, and changes nothing. */
#ifndef MLPERF_RUNNER_H
#define MLPERF_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/myo_byte_ring.h"
#include "myo_status.h"

#define MLPERF_COMMAND_SIZE 80u /* characters before the '%', as in the reference */

typedef struct {
    const char *vendor; /* no ']' in it */
    const char *model;  /* what the runner looks its data set up by */
    myo_byte_ring_t *rx, *tx;
    int8_t *input; /* filled by `db` */
    size_t n_inputs;
    const int8_t *output; /* a number is (word - output_zero_point) * output_scale */
    size_t n_outputs;
    float output_scale;
    int output_zero_point;
    uint32_t tick_hz;
    uint32_t (*ticks)(void); /* wraps at 2^32 */
    void (*infer)(void);     /* input to output */
    void (*send)(void);      /* the tx ring holds bytes */
    void (*wait)(void);      /* the tx ring is full */
} mlperf_runner_config_t;

typedef struct {
    mlperf_runner_config_t config;
    char command[MLPERF_COMMAND_SIZE + 1u];
    size_t length; /* of the command so far; above MLPERF_COMMAND_SIZE: too long */
    size_t loaded; /* input words since `db load` */
    bool loading, inferred;
    uint64_t elapsed; /* ticks */
    uint32_t last;
} mlperf_runner_t;

/* Sends `m-init-done` and `m-ready`. */
myo_status_t mlperf_runner_init(mlperf_runner_t *self, const mlperf_runner_config_t *config);

/* Takes what is in the rx ring and answers each whole command. Time between two calls longer than the tick
   counter's wrap is lost to `timestamp`. Returns whether there was anything. ISR-safe: no. */
bool mlperf_runner_poll(mlperf_runner_t *self);

#endif
