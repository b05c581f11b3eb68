/* Pushes recorded counts, in portions of at most 32 frames that end with a hop as a patch cuts them, and
   counts the flags that differ from the twin's.

   Prints "DIFFERING <flags> OF <flags> MEMORY <bytes>". The first region between roi_begin and roi_end is
   empty, so that a counter can subtract its cost; then comes one region for each hop. */
#include "board.h"
#include "quality_config.h"
#include "vectors.h" /* N_FRAMES, N_PERIODS, vector_frames, vector_flags: made by bench_quality.py */

#define HOP 100u
#define PORTION 32u

static myo_quality_channel_t channels[QUALITY_N_CHANNELS];
static int32_t kept[QUALITY_N_WORDS];

__attribute__((noinline)) void roi_begin(void) {
    __asm__ volatile("nop");
}

__attribute__((noinline)) void roi_end(void) {
    __asm__ volatile("nop");
}

int main(void) {
    myo_quality_t quality;
    uint32_t n_differing = 0;
    uint32_t period = 0;
    if (myo_quality_init(&quality, &quality_config, channels, QUALITY_N_CHANNELS, kept, QUALITY_N_WORDS) !=
        MYO_OK) {
        board_print("INIT\n");
        return 1;
    }
    roi_begin();
    roi_end();
    for (uint32_t hop = 0; hop + HOP <= N_FRAMES; hop += HOP) {
        roi_begin();
        for (uint32_t done = 0; done < HOP; done += PORTION) {
            size_t n_frames = PORTION < HOP - done ? PORTION : HOP - done;
            const int32_t *frames = &vector_frames[(hop + done) * QUALITY_N_CHANNELS];
            while (myo_quality_push(&quality, &frames, &n_frames)) {
                for (uint32_t c = 0; c < QUALITY_N_CHANNELS; c++) {
                    n_differing += channels[c].flags != vector_flags[period * QUALITY_N_CHANNELS + c];
                }
                period++;
            }
        }
        roi_end();
    }
    board_print("DIFFERING ");
    board_print_number(n_differing);
    board_print(" OF ");
    board_print_number(period * QUALITY_N_CHANNELS);
    board_print(" MEMORY ");
    board_print_number(sizeof quality + sizeof channels + sizeof kept);
    board_print("\n");
    return n_differing != 0;
}
