/* Calibration of a patch: while the host says which class the person holds, embeddings of whole windows are
   summed; COMMIT makes a head of them, which from the next window on scores in the network's place.

   The head is stored (myo_store.h) before it is used, and loaded at boot. UNDO goes back to the head before,
   FACTORY to the network's own output, which decides as long as there is no head. A patch without
   [calibration] does not link it: its config has no myo_calibration_config_t. The twin is
   pipeline/myo_pipeline/calibration.py. Not reentrant, not ISR-safe. */
#ifndef MYO_CALIBRATION_H
#define MYO_CALIBRATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "calibration/myo_head.h"
#include "calibration/myo_store.h"
#include "link/myo_messages.h"
#include "myo_status.h"

#define MYO_NO_LABEL ((int16_t)-1)

typedef struct myo_calibration_functions myo_calibration_functions_t;

/* Bytes of a stored record: sums, then counts, filled up to whole words of the store. */
#define MYO_CALIBRATION_RECORD_BYTES(n_classes, n_words)                                                     \
    (((n_classes) * (n_words)*4u + (n_classes)*2u + MYO_STORE_WORD - 1u) / MYO_STORE_WORD * MYO_STORE_WORD)

/* What the export knows of it; bundle/c/patch_config.c defines one. */
typedef struct {
    const myo_head_config_t *head;
    /* Where net_run and net_push leave the embedding, bytes into the arena; negative: it is the network's
       input. The export keeps its memory until the end of a run. */
    int32_t run_offset, push_offset;
    const myo_calibration_functions_t *functions; /* &myo_calibration_functions */
} myo_calibration_config_t;

typedef struct {
    myo_store_t store;
    myo_tally_t tally; /* in the record's memory */
    myo_head_t head;
    uint32_t sequence; /* of the head in use, 1..; 0: there is none */
    bool foreign;      /* the store holds another bundle's head, which is refused */
    int16_t label;     /* class that is being collected, or MYO_NO_LABEL */
    uint32_t from;     /* sample before which no window that counts may begin */
    uint32_t left_out; /* windows of a span that signal quality gated, or whose class was full */
} myo_calibration_t;

/* Memory that the caller owns; sizes in elements, as the config's head counts classes and words. */
typedef struct {
    myo_calibration_t *state;
    int32_t *record; /* MYO_CALIBRATION_RECORD_BYTES */
    size_t record_bytes;
    int16_t *weights; /* n_classes * n_words */
    size_t n_weights;
    int32_t *bias; /* n_classes */
    size_t n_bias;
    int32_t *scratch; /* the larger of n_classes and n_words */
    size_t n_scratch;
    uint16_t *fresh; /* n_classes: windows since the last COMMIT */
    size_t n_fresh;
    int8_t *output; /* n_classes */
    size_t n_output;
    const myo_store_port_t *store; /* slots of MYO_STORE_SLOT_BYTES of a record or more */
} myo_calibration_memory_t;

/* The stage's functions: a config names them, so that they are linked where there is one. */
struct myo_calibration_functions {
    /* Validates config for n_outputs and memory, and loads the stored head. identity: 32 bytes, the bundle's
       hash, which must outlive the stage. */
    myo_status_t (*init)(const myo_calibration_config_t *config, const myo_calibration_memory_t *memory,
                         uint16_t n_outputs, const uint8_t *identity);
    /* START: a span that was being collected is over; what it gave stays. */
    void (*reset)(const myo_calibration_memory_t *memory);
    /* Takes the embedding of a window that began at a sample: it is summed if the span holds it whole and it
       is not gated. Gives n_outputs softmax words in place of the network's, or NULL where there is no
       head. */
    const int8_t *(*run)(const myo_calibration_config_t *config, const myo_calibration_memory_t *memory,
                         const int8_t *embedding, uint32_t first_sample, bool is_gated);
    /* Does what the host asks, for windows that begin at sample or later, and says how things stand. */
    myo_calibration_error_t (*act)(const myo_calibration_config_t *config,
                                   const myo_calibration_memory_t *memory,
                                   const myo_calibrate_message_t *request, uint32_t sample,
                                   myo_calibration_message_t *answer);
    /* Reads up to n bytes of the stored record from offset on, and gives how many: 0 at its end. */
    uint32_t (*read)(const myo_calibration_memory_t *memory, uint32_t offset, void *data, uint32_t n);
};

extern const myo_calibration_functions_t myo_calibration_functions;

#endif
