/* Calibration's parts, as myo_pipeline has them; and a store whose power is cut.

   Operations: H config, tally, embeddings -> faded tally, exponent, weights, biases, softmax words;
   T records, undos and clears on a store whose power goes after so many steps -> what a new start finds. */
#include "calibration/myo_head.h"
#include "calibration/myo_store.h"
#include "harness.h"

typedef struct { /* as pack_head in test_calibration.py; prior, precision, counts, sums, embeddings follow */
    int32_t n_classes, n_words, zero_point, precision_shift, prior_windows, memory_windows, n_embeddings;
} head_t;

static const uint8_t *take(void *to, const uint8_t *from, size_t n) {
    memcpy(to, from, n);
    return from + n;
}

static void *own(size_t bytes) {
    return malloc(bytes > 0 ? bytes : 1);
}

static void run_head(const uint8_t *data, buffer_t *out) {
    head_t h;
    data = take(&h, data, sizeof h);
    const size_t c = (size_t)h.n_classes;
    const size_t w = (size_t)h.n_words;
    int16_t *prior = own(2 * c * w);
    int32_t *precision = own(4 * w * (w + 1) / 2);
    uint16_t *counts = own(2 * c);
    int32_t *sums = own(4 * c * w);
    int16_t *weights = own(2 * c * w);
    int32_t *bias = own(4 * c);
    int32_t *scratch = own(4 * (c > w ? c : w));
    int8_t *embedding = own(w);
    int8_t *output = own(c);
    data = take(prior, data, 2 * c * w);
    data = take(precision, data, 4 * w * (w + 1) / 2);
    data = take(counts, data, 2 * c);
    data = take(sums, data, 4 * c * w);
    const myo_head_config_t config = {.n_classes = (uint16_t)c,
                                      .n_words = (uint16_t)w,
                                      .zero_point = (int8_t)h.zero_point,
                                      .precision_shift = (uint8_t)h.precision_shift,
                                      .prior_windows = (uint16_t)h.prior_windows,
                                      .memory_windows = (uint16_t)h.memory_windows,
                                      .prior = prior,
                                      .precision = precision};
    const myo_tally_t tally = {.counts = counts, .sums = sums};
    myo_head_t head = {.weights = weights, .bias = bias};
    buffer_add_u32(out, myo_head_check(&config));
    for (int32_t i = 0; i < h.n_embeddings; i++) { /* each is added to a class in turn, then all are scored */
        (void)myo_tally_add(&config, &tally, (uint32_t)i % (uint32_t)c, (const int8_t *)data + (size_t)i * w);
    }
    myo_head_fit(&config, &tally, scratch, &head);
    buffer_add_u32(out, head.exponent);
    buffer_add(out, weights, 2 * c * w);
    buffer_add(out, bias, 4 * c);
    for (int32_t i = 0; i < h.n_embeddings; i++) {
        data = take(embedding, data, w);
        myo_head_run(&config, &head, embedding, scratch, output);
        buffer_add(out, output, c);
    }
    myo_tally_fade(&config, &tally);
    buffer_add(out, counts, 2 * c);
    buffer_add(out, sums, 4 * c * w);
    free(prior), free(precision), free(counts), free(sums), free(weights), free(bias), free(scratch);
    free(embedding), free(output);
}

enum { RECORD_BYTES = 24, SLOT_BYTES = RECORD_BYTES + MYO_STORE_OVERHEAD + 8 };

/* Flash that wears its steps: each word that is written or erased is one, and after left of them the power is
   gone in the middle of it, with noise in the word that was under way. */
static struct {
    uint8_t bytes[MYO_STORE_SLOTS][SLOT_BYTES];
    uint32_t left, steps;
} flash;

static void flash_read(void *context, uint32_t slot, uint32_t offset, void *data, uint32_t n) {
    (void)context;
    memcpy(data, &flash.bytes[slot][offset], n);
}

static bool spend(uint8_t *word) {
    flash.steps++;
    if (flash.left == 0) {
        return false;
    }
    if (--flash.left == 0) {
        for (uint32_t i = 0; i < MYO_STORE_WORD; i++) {
            word[i] = (uint8_t)(0x5Au + 31u * i + flash.steps);
        }
        return false;
    }
    return true;
}

static bool flash_erase(void *context, uint32_t slot) {
    (void)context;
    for (uint32_t at = 0; at < SLOT_BYTES; at += MYO_STORE_WORD) {
        if (!spend(&flash.bytes[slot][at])) {
            return false;
        }
        memset(&flash.bytes[slot][at], 0xFF, MYO_STORE_WORD);
    }
    return true;
}

static bool flash_write(void *context, uint32_t slot, uint32_t offset, const void *data, uint32_t n) {
    (void)context;
    for (uint32_t at = 0; at < n; at += MYO_STORE_WORD) {
        uint8_t *const word = &flash.bytes[slot][offset + at];
        for (uint32_t i = 0; i < MYO_STORE_WORD; i++) {
            if (word[i] != 0xFF) {
                abort(); /* flash cannot be written twice */
            }
        }
        if (!spend(word)) {
            return false;
        }
        memcpy(word, (const uint8_t *)data + at, MYO_STORE_WORD);
    }
    return true;
}

/* data: steps until the power is cut, identity's first byte at the new start, then a byte an operation: 'S'
   and the record's fill, 'U' undo, 'C' clear. */
static void run_store(const uint8_t *data, size_t n, buffer_t *out) {
    static const myo_store_port_t port = {
        .slot_bytes = SLOT_BYTES, .read = flash_read, .erase = flash_erase, .write = flash_write};
    uint8_t identity[MYO_STORE_IDENTITY_BYTES] = {7};
    const myo_store_t store = {.port = &port, .identity = identity, .record_bytes = RECORD_BYTES};
    uint8_t record[RECORD_BYTES];
    uint32_t left;
    memset(&flash, 0xA5, sizeof flash); /* what a new part holds means nothing */
    memcpy(&left, data, sizeof left);
    const uint8_t *op = data + 5;
    flash.left = left;
    flash.steps = 0;
    while (op < data + n && flash.left > 0) {
        if (*op == 'S') {
            memset(record, op[1], sizeof record);
            (void)myo_store_save(&store, record);
            op += 2;
        } else {
            (void)(*op == 'U' ? myo_store_undo(&store) : myo_store_clear(&store));
            op++;
        }
    }
    const uint32_t done = (uint32_t)(op - data) - 5u;
    flash.left = UINT32_MAX;
    identity[0] = data[4];
    memset(record, 0, sizeof record);
    bool foreign;
    const uint32_t sequence = myo_store_load(&store, record, &foreign);
    buffer_add_u32(out, flash.steps);
    buffer_add_u32(out, done);
    buffer_add_u32(out, sequence);
    buffer_add_u32(out, foreign);
    buffer_add(out, record, sizeof record);
    /* Whatever was left, the next save works, and is what a start after it finds. */
    memset(record, 0xEE, sizeof record);
    const uint32_t next = myo_store_save(&store, record);
    const uint32_t found = myo_store_load(&store, record, &foreign);
    buffer_add_u32(out, next != 0 && next == found && record[0] == 0xEE);
}

int main(void) {
    uint8_t *data;
    uint32_t length;
    int operation;
    buffer_t out = {0};
    while ((operation = harness_read(&data, &length)) != EOF) {
        if (operation == 'H') {
            run_head(data, &out);
        } else {
            run_store(data, length, &out);
        }
        harness_answer(&out);
        free(data);
    }
    free(out.bytes);
    return 0;
}
