/* What turns frames into words of each window: one interface for all families of features. A config names the
   engines that it uses, and the linker leaves out the others. */
#ifndef MYO_FEATURE_ENGINE_H
#define MYO_FEATURE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "myo_status.h"

typedef struct {
    uint16_t n_channels;
    uint16_t window;       /* frames */
    uint16_t hop;          /* frames */
    uint16_t n_components; /* a window's words are n_components x n_channels, component by component */
} myo_feature_shape_t;

/* config and state are of the engine's own types; state and memory must outlive the use. */
typedef struct {
    myo_feature_shape_t (*shape)(const void *config);
    size_t (*memory_words)(const void *config);  /* 32-bit */
    size_t (*scratch_words)(const void *config); /* beside them, of use during push alone; NULL: none */
    /* Validates config and clears the state. scratch: at least scratch_words, which engines may share.
       ISR-safe: no. */
    myo_status_t (*init)(void *state, const void *config, uint32_t *memory, size_t memory_words,
                         uint32_t *scratch);
    /* As after init: the next frame is the first of a window. ISR-safe: no. */
    void (*reset)(void *state);
    /* Takes frames (int16, n_frames x n_channels) up to the end of the next window, and moves *frames and
       *n_frames past what it took. True where a window ended: words are its features, and the call is to be
       repeated for the rest; false where all was taken and words are as they were. ISR-safe: no. */
    bool (*push)(void *state, const int16_t **frames, size_t *n_frames, int32_t *words);
} myo_feature_engine_t;

extern const myo_feature_engine_t myo_features_engine;    /* myo_features_config_t, myo_features_t */
extern const myo_feature_engine_t myo_spectrum_engine;    /* myo_spectrum_config_t, myo_spectrum_t */
extern const myo_feature_engine_t myo_stft_engine;        /* myo_stft_config_t, myo_stft_t */
extern const myo_feature_engine_t myo_wavelet_engine;     /* myo_wavelet_config_t, myo_wavelet_t */
extern const myo_feature_engine_t myo_correlation_engine; /* myo_correlation_config_t, myo_correlation_t */

#endif
