/* Motion removal on a board, over words that a generator draws: prints a hash of all words that it gave, for
   bench_motion.py and test_motion_on_cores.py, which draw the same and run the twin. Regions between
   roi_begin and roi_end: an empty one, whose cost a counter subtracts, and one a block behind the first third
   of the frames. generated_motion.c is the export's; blocks are BLOCK frames, or of random sizes where it is
   0. */
#include "board.h"
#include "generated_motion.c"

__attribute__((noinline)) void roi_begin(void) {
    __asm__ volatile("nop");
}

__attribute__((noinline)) void roi_end(void) {
    __asm__ volatile("nop");
}

static uint32_t generator = 1;

static uint32_t draw(void) {
    generator = generator * 1664525u + 1013904223u;
    return generator >> 16;
}

/* The reference moves for 40 frames of 100; EMG is noise and half of the reference's channels. */
static void draw_frame(int32_t *block, uint32_t frame) {
    int32_t moved = 0;
    for (uint32_t k = 0; k < N_REFERENCE; k++) {
        const int32_t size = frame % 100u < 40u ? (int32_t)draw() - 32768 : (int32_t)(draw() & 63u) - 32;
        block[(FIRST + k) * MYO_BLOCK_FRAMES] = size * (1 << 14);
        moved += size * (1 << 11);
    }
    for (uint32_t k = 0; k < N_EMG; k++) {
        block[k * MYO_BLOCK_FRAMES] = ((int32_t)draw() - 32768) * (1 << 12) + moved;
    }
}

int main(void) {
    static int32_t words[WORDS], block[MYO_BLOCK_FRAMES * N_CHANNELS];
    static myo_motion_t state;
    const myo_motion_memory_t memory = {.state = &state, .words = words, .n_words = WORDS};
    if (motion_stage.functions->init(&motion_stage, &memory, N_CHANNELS) != MYO_OK) {
        board_print("REFUSED\n");
        return 1;
    }
    roi_begin();
    roi_end();
    uint32_t hash = 0;
    for (uint32_t frame = 0; frame < N_FRAMES;) {
        const uint32_t n = BLOCK > 0 ? BLOCK : 1u + draw() % MYO_BLOCK_FRAMES;
        uint32_t marks = 0;
        for (uint32_t i = 0; i < n; i++) {
            draw_frame(&block[i], frame + i);
            marks |= (uint32_t)((frame + i) % 301u == 300u) << i;
        }
        if (frame >= N_FRAMES / 3u) {
            roi_begin();
            motion_stage.functions->run(&motion_stage, &memory, block, n, marks);
            roi_end();
        } else {
            motion_stage.functions->run(&motion_stage, &memory, block, n, marks);
        }
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t k = 0; k < N_EMG; k++) {
                hash = hash * 31u + (uint32_t)block[k * MYO_BLOCK_FRAMES + i];
            }
        }
        frame += n;
    }
    board_print("HASH ");
    board_print_number(hash);
    board_print("\n");
    return 0;
}
