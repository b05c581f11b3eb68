/* The patch's network alone, driven by an MLPerf Tiny runner: built in place of app/main.c where
   MYOPATCH_APP is mlperf (`myopatch build --mlperf`). */
#include <stddef.h>
#include <stdint.h>

#include "link/myo_byte_ring.h"
#include "mlperf_runner.h"
#include "myo_port.h"
#include "patch_config.h"

#define RX_BYTES 256u /* the runner waits for each answer */
#define TX_BYTES 1024u

static uint8_t rx_bytes[RX_BYTES];
static uint8_t tx_bytes[TX_BYTES];
static _Alignas(MYO_ARENA_ALIGNMENT) int8_t net_input[NET_INPUT_SIZE];
static _Alignas(MYO_ARENA_ALIGNMENT) int8_t net_output[NET_OUTPUT_SIZE];
static _Alignas(MYO_ARENA_ALIGNMENT) uint8_t net_arena[NET_ARENA_SIZE];

static myo_byte_ring_t rx, tx;
static mlperf_runner_t runner;

static void on_infer(void) {
    net_run(net_arena, net_input, net_output);
}

static void require(myo_status_t status) {
    if (status != MYO_OK) {
        myo_port_halt(status);
    }
}

int main(void) {
    require(myo_byte_ring_init(&rx, rx_bytes, sizeof rx_bytes));
    require(myo_byte_ring_init(&tx, tx_bytes, sizeof tx_bytes));
    myo_port_init(&rx, &tx);
    net_init(net_arena);
    const mlperf_runner_config_t config = {
        .vendor = myo_port_name,
        .model = PATCH_NAME,
        .rx = &rx,
        .tx = &tx,
        .input = net_input,
        .n_inputs = NET_INPUT_SIZE,
        .output = net_output,
        .n_outputs = NET_OUTPUT_SIZE,
        .output_scale = NET_OUTPUT_SCALE,
        .output_zero_point = NET_OUTPUT_ZERO_POINT,
        .tick_hz = myo_port_tick_hz(),
        .ticks = myo_port_ticks,
        .infer = on_infer,
        .send = myo_port_send,
        .wait = myo_port_idle,
    };
    require(mlperf_runner_init(&runner, &config));
    for (;;) {
        if (!mlperf_runner_poll(&runner)) {
            myo_port_idle();
        }
    }
}
