/* Auxiliary streams hop by hop: samples are put into the rings as an interrupt would, then a hop of the
   window is run in portions of a block, and its words are compared with the twin's.

   Prints "DIFFERING <words> OF <words> MEMORY <bytes>". The first region between roi_begin and roi_end is
   empty, so that a counter can subtract its cost; then comes one region for each hop. */
#include "board.h"
#include "streams.h" /* aux_stage, N_HOPS, HOP, FRAME, MEMORY_WORDS, N_SAMPLES, vectors: made by bench_aux.py */

static myo_aux_t streams[MYO_AUX_MAX_STREAMS];
static int32_t words[MEMORY_WORDS];
static int32_t block[MYO_BLOCK_FRAMES * N_CHANNELS];

__attribute__((noinline)) void roi_begin(void) {
    __asm__ volatile("nop");
}

__attribute__((noinline)) void roi_end(void) {
    __asm__ volatile("nop");
}

/* Puts in what comes before the frame of the EMG sensor with this number. */
static void feed(uint32_t stream, uint32_t *next, uint32_t frame) {
    myo_ring_t *const ring = &streams[stream].ring;
    const uint32_t n_channels = ring->n_channels;
    for (; *next < n_samples[stream] && stamps[stream][*next] < frame; (*next)++) {
        int32_t *const place = myo_ring_reserve(ring);
        for (uint32_t c = 0; place != NULL && c < n_channels; c++) {
            place[c] = counts[stream][*next * n_channels + c];
        }
        myo_ring_commit(ring, stamps[stream][*next]);
    }
}

int main(void) {
    const myo_aux_stage_memory_t memory = {
        .streams = streams, .n_streams = MYO_AUX_MAX_STREAMS, .words = words, .n_words = MEMORY_WORDS};
    if (myo_aux_functions.init(&aux_stage, &memory, FRAME) != MYO_OK) {
        board_print("INIT\n");
        return 1;
    }
    uint32_t next[MYO_AUX_MAX_STREAMS] = {0};
    uint32_t n_differing = 0;
    const int32_t *expected = vector_words;
    roi_begin();
    roi_end();
    for (uint32_t hop = 0; hop < N_HOPS; hop++) {
        for (uint32_t i = 0; i < aux_stage.n_streams; i++) {
            feed(i, &next[i], (hop + 1u) * HOP * FRAME);
        }
        for (uint32_t done = 0; done < HOP; done += MYO_BLOCK_FRAMES) {
            const uint32_t n = HOP - done < MYO_BLOCK_FRAMES ? HOP - done : MYO_BLOCK_FRAMES;
            roi_begin();
            myo_aux_functions.run(&aux_stage, &memory, block, n, NULL, NULL);
            roi_end();
            for (uint32_t i = 0; i < n * N_CHANNELS; i++) {
                n_differing += block[i % N_CHANNELS * MYO_BLOCK_FRAMES + i / N_CHANNELS] != *expected++;
            }
        }
    }
    board_print("DIFFERING ");
    board_print_number(n_differing);
    board_print(" OF ");
    board_print_number(N_HOPS * HOP * N_CHANNELS);
    board_print(" MEMORY ");
    board_print_number(sizeof streams[0] * aux_stage.n_streams + sizeof words);
    board_print("\n");
    return n_differing != 0;
}
