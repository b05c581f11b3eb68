#include "calibration/myo_calibration.h"

#include <string.h>

/* Takes up the stored record, or begins with none. The head is made of the record as it was stored; what is
   collected from now on adds to it as far as memory_windows goes. */
static void load(const myo_calibration_config_t *config, const myo_calibration_memory_t *memory) {
    myo_calibration_t *const self = memory->state;
    self->sequence = myo_store_load(&self->store, memory->record, &self->foreign);
    if (self->sequence == 0) {
        memset(memory->record, 0, self->store.record_bytes);
    } else {
        myo_head_fit(config->head, &self->tally, memory->scratch, &self->head);
        myo_tally_fade(config->head, &self->tally);
    }
    memset(memory->fresh, 0, config->head->n_classes * sizeof memory->fresh[0]);
    self->label = MYO_NO_LABEL;
    self->left_out = 0;
}

static myo_status_t init(const myo_calibration_config_t *config, const myo_calibration_memory_t *memory,
                         uint16_t n_outputs, const uint8_t *identity) {
    const myo_head_config_t *const head = config->head;
    const myo_store_port_t *const port = memory->store;
    myo_calibration_t *const self = memory->state;
    if (head == NULL || self == NULL || memory->record == NULL || memory->weights == NULL ||
        memory->bias == NULL || memory->scratch == NULL || memory->fresh == NULL || memory->output == NULL ||
        port == NULL || port->read == NULL || port->erase == NULL || port->write == NULL) {
        return MYO_ERROR_NULL;
    }
    const myo_status_t status = myo_head_check(head);
    if (status != MYO_OK) {
        return status;
    }
    if (head->n_classes != n_outputs) {
        return MYO_ERROR_CONFIG;
    }
    const uint32_t n_classes = head->n_classes;
    const uint32_t n_weights = n_classes * head->n_words;
    const uint32_t record_bytes = MYO_CALIBRATION_RECORD_BYTES(n_classes, (uint32_t)head->n_words);
    if (memory->record_bytes < record_bytes || memory->n_weights < n_weights || memory->n_bias < n_classes ||
        memory->n_scratch < n_classes || memory->n_scratch < head->n_words || memory->n_fresh < n_classes ||
        memory->n_output < n_classes || port->slot_bytes < MYO_STORE_SLOT_BYTES(1u, record_bytes)) {
        return MYO_ERROR_MEMORY;
    }
    self->store = (myo_store_t){.port = port, .identity = identity, .record_bytes = record_bytes};
    self->tally = (myo_tally_t){.counts = (uint16_t *)&memory->record[n_weights], .sums = memory->record};
    self->head = (myo_head_t){.weights = memory->weights, .bias = memory->bias};
    load(config, memory);
    return MYO_OK;
}

static void reset(const myo_calibration_memory_t *memory) {
    memory->state->label = MYO_NO_LABEL;
}

static const int8_t *run(const myo_calibration_config_t *config, const myo_calibration_memory_t *memory,
                         const int8_t *embedding, uint32_t first_sample, bool is_gated) {
    myo_calibration_t *const self = memory->state;
    if (self->label != MYO_NO_LABEL && (int32_t)(first_sample - self->from) >= 0) {
        const uint32_t label = (uint32_t)self->label;
        if (!is_gated && myo_tally_add(config->head, &self->tally, label, embedding)) {
            memory->fresh[label]++; /* no class counts more than fits */
        } else {
            self->left_out++;
        }
    }
    if (self->sequence == 0) {
        return NULL;
    }
    myo_head_run(config->head, &self->head, embedding, memory->scratch, memory->output);
    return memory->output;
}

static myo_calibration_error_t commit(const myo_calibration_config_t *config,
                                      const myo_calibration_memory_t *memory) {
    myo_calibration_t *const self = memory->state;
    uint32_t n_fresh = 0;
    for (uint32_t k = 0; k < config->head->n_classes; k++) {
        if (self->tally.counts[k] < config->head->min_windows) {
            return MYO_CALIBRATION_ERROR_TOO_FEW;
        }
        n_fresh += memory->fresh[k];
    }
    if (n_fresh == 0) {
        return MYO_CALIBRATION_ERROR_TOO_FEW;
    }
    if (myo_store_save(&self->store, memory->record) == 0) {
        return MYO_CALIBRATION_ERROR_STORE_FAILED;
    }
    load(config, memory); /* what decides from now on is what a reset would load */
    return MYO_CALIBRATION_ERROR_NONE;
}

static myo_calibration_error_t serve(const myo_calibration_config_t *config,
                                     const myo_calibration_memory_t *memory,
                                     const myo_calibrate_message_t *request, uint32_t sample) {
    myo_calibration_t *const self = memory->state;
    const uint8_t action = request->action;
    if (action == MYO_CALIBRATION_ACTION_STATUS || action == MYO_CALIBRATION_ACTION_READ) {
        return MYO_CALIBRATION_ERROR_NONE;
    }
    if (action == MYO_CALIBRATION_ACTION_END) {
        self->label = MYO_NO_LABEL;
        return MYO_CALIBRATION_ERROR_NONE;
    }
    if (self->label != MYO_NO_LABEL) {
        return MYO_CALIBRATION_ERROR_BUSY;
    }
    bool done = true;
    switch (action) {
    case MYO_CALIBRATION_ACTION_COLLECT:
        if (request->label >= config->head->n_classes) {
            return MYO_CALIBRATION_ERROR_BAD_LABEL;
        }
        self->label = (int16_t)request->label;
        self->from = sample;
        return MYO_CALIBRATION_ERROR_NONE;
    case MYO_CALIBRATION_ACTION_COMMIT:
        return commit(config, memory);
    case MYO_CALIBRATION_ACTION_UNDO:
        if (self->sequence == 0) {
            return MYO_CALIBRATION_ERROR_NOTHING_TO_UNDO;
        }
        done = myo_store_undo(&self->store);
        break;
    case MYO_CALIBRATION_ACTION_FACTORY:
        done = myo_store_clear(&self->store);
        break;
    case MYO_CALIBRATION_ACTION_DISCARD:
        break;
    default:
        return MYO_CALIBRATION_ERROR_BAD_ACTION;
    }
    load(config, memory);
    return done ? MYO_CALIBRATION_ERROR_NONE : MYO_CALIBRATION_ERROR_STORE_FAILED;
}

static myo_calibration_error_t act(const myo_calibration_config_t *config,
                                   const myo_calibration_memory_t *memory,
                                   const myo_calibrate_message_t *request, uint32_t sample,
                                   myo_calibration_message_t *answer) {
    const myo_calibration_t *const self = memory->state;
    const myo_calibration_error_t error = serve(config, memory, request, sample);
    *answer = (myo_calibration_message_t){
        .action = request->action,
        .error = (uint8_t)error,
        .collecting = self->label,
        .sequence = self->sequence,
        .foreign = self->foreign,
        .outlives_power = self->store.port->outlives_power,
        .left_out = self->left_out,
        .sample = sample,
        .n_words = config->head->n_words,
    };
    return error;
}

static uint32_t read(const myo_calibration_memory_t *memory, uint32_t offset, void *data, uint32_t n) {
    const myo_store_t *const store = &memory->state->store;
    const uint32_t left = offset < store->record_bytes ? store->record_bytes - offset : 0;
    const uint32_t n_bytes = n < left ? n : left;
    return memory->state->sequence != 0 && myo_store_read(store, offset, data, n_bytes) ? n_bytes : 0;
}

const myo_calibration_functions_t myo_calibration_functions = {
    .init = init, .reset = reset, .run = run, .act = act, .read = read};
