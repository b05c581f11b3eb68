/* Calibration's parts, as myo_pipeline has them; and a store whose power is cut.

   Operations: H config, tally, embeddings -> faded tally, exponent, weights, biases, softmax words;
   T records, undos and clears on a store whose power goes after so many steps -> what a new start finds;
   L a long life of them -> the first that left what it may not; B two bundles in one memory. */
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

enum { RECORD_BYTES = 24, MOST_PLACES = 4, MOST_BYTES = MYO_STORE_SLOT_BYTES(MOST_PLACES, RECORD_BYTES) + 8 };

/* Flash that wears its steps: each word that is written or erased is one, and after left of them the power is
   gone in the middle of it: noise says which of the word's bits have gone over. */
typedef struct {
    uint8_t bytes[MYO_STORE_SLOTS][MOST_BYTES];
    bool weak[MYO_STORE_SLOTS]; /* an erase was cut short: what reads as ones may not stay so */
    uint32_t left, steps, erases, noise;
} flash_t;

static flash_t flash;
static uint8_t identity[MYO_STORE_IDENTITY_BYTES] = {7};
static myo_store_port_t port;
static const myo_store_t store = {.port = &port, .identity = identity, .record_bytes = RECORD_BYTES};

static void flash_read(void *context, uint32_t slot, uint32_t offset, void *data, uint32_t n) {
    (void)context;
    if (offset % MYO_STORE_WORD != 0 || n % MYO_STORE_WORD != 0 || n > port.slot_bytes ||
        offset > port.slot_bytes - n) {
        abort();
    }
    memcpy(data, &flash.bytes[slot][offset], n);
}

static uint8_t draw_noise(uint32_t place) {
    uint32_t x = (flash.noise + place + 1u) * 2654435761u ^ flash.steps * 40503u;
    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    return flash.noise == 0 ? 0 : (uint8_t)x; /* 0: nothing has happened yet */
}

/* Takes a word from what it is towards what it shall be; false: the power is gone. */
static bool change(uint8_t *word, const uint8_t *wanted) {
    flash.steps++;
    if (flash.left == 0) {
        return false;
    }
    const bool last = --flash.left == 0;
    for (uint32_t i = 0; i < MYO_STORE_WORD; i++) {
        const uint8_t gone_over = last ? draw_noise(i) : 0xFF;
        word[i] = (uint8_t)((word[i] & (uint8_t)~gone_over) | (wanted[i] & gone_over));
    }
    return !last;
}

static bool flash_erase(void *context, uint32_t slot) {
    static const uint8_t ones[MYO_STORE_WORD] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    (void)context;
    flash.erases++;
    flash.weak[slot] = true;
    for (uint32_t at = 0; at < port.slot_bytes; at += MYO_STORE_WORD) {
        /* Some parts erase from the end. */
        const uint32_t place = flash.noise % 2u != 0 ? at : port.slot_bytes - MYO_STORE_WORD - at;
        if (!change(&flash.bytes[slot][place], ones)) {
            return false;
        }
    }
    flash.weak[slot] = false;
    return true;
}

static bool flash_write(void *context, uint32_t slot, uint32_t offset, const void *data, uint32_t n) {
    (void)context;
    if (offset % MYO_STORE_WORD != 0 || n % MYO_STORE_WORD != 0 || (uintptr_t)data % 4u != 0 ||
        n > port.slot_bytes || offset > port.slot_bytes - n) {
        abort();
    }
    for (uint32_t at = 0; at < n; at += MYO_STORE_WORD) {
        uint8_t *const word = &flash.bytes[slot][offset + at];
        const uint8_t *const wanted = (const uint8_t *)data + at;
        for (uint32_t i = 0; i < MYO_STORE_WORD; i++) {
            if ((word[i] != 0xFF || flash.weak[slot]) && wanted[i] != 0) {
                abort(); /* flash cannot be written twice, but to zeros */
            }
        }
        if (!change(word, wanted)) {
            return false;
        }
    }
    return true;
}

/* A new part of so many places a slot; 8 bytes at its end are no place. */
static void make_flash(uint32_t n_places) {
    port = (myo_store_port_t){.slot_bytes = MYO_STORE_SLOT_BYTES(n_places, RECORD_BYTES) + 8u,
                              .read = flash_read,
                              .erase = flash_erase,
                              .write = flash_write};
    memset(&flash, 0, sizeof flash);
    memset(flash.bytes, 0xA5, sizeof flash.bytes); /* what a new part holds means nothing */
    flash.left = UINT32_MAX;
    identity[0] = 7;
}

static uint32_t save(uint8_t fill) {
    _Alignas(4) uint8_t record[RECORD_BYTES];
    memset(record, fill, sizeof record);
    return myo_store_save(&store, record);
}

/* data: steps until the power is cut, identity's first byte at the new start, places a slot, noise, then a
   byte an operation: 'S' and the record's fill, 'U' undo, 'C' clear. */
static void run_store(const uint8_t *data, size_t n, buffer_t *out) {
    uint32_t left;
    memcpy(&left, data, sizeof left);
    make_flash(data[5]);
    flash.left = left;
    flash.noise = data[6];
    const uint8_t *op = data + 7;
    while (op < data + n && flash.left > 0) {
        if (*op == 'S') {
            (void)save(op[1]);
            op += 2;
        } else {
            (void)(*op == 'U' ? myo_store_undo(&store) : myo_store_clear(&store));
            op++;
        }
    }
    flash.left = UINT32_MAX;
    identity[0] = data[4];
    uint8_t record[RECORD_BYTES] = {0};
    bool foreign;
    const uint32_t sequence = myo_store_load(&store, record, &foreign);
    buffer_add_u32(out, flash.steps);
    buffer_add_u32(out, flash.erases);
    buffer_add_u32(out, sequence);
    buffer_add_u32(out, foreign);
    buffer_add(out, record, sizeof record);
    /* Whatever was left, the next save works, and is what a start after it finds. */
    const uint32_t next = save(0xEE);
    const uint32_t found = myo_store_load(&store, record, &foreign);
    buffer_add_u32(out, next != 0 && next == found && record[0] == 0xEE);
    /* And a last clear leaves nothing of anybody's. */
    const bool cleared = myo_store_clear(&store);
    buffer_add_u32(out, cleared && myo_store_load(&store, record, &foreign) == 0 && !foreign);
}

/* The fill of the newest record, 0 where there is none; of the one before it by a look at a copy. */
typedef struct {
    uint8_t newest, before;
} held_t;

static uint8_t load_fill(void) {
    uint8_t record[RECORD_BYTES] = {0};
    bool foreign;
    if (myo_store_load(&store, record, &foreign) == 0) {
        return 0;
    }
    for (uint32_t i = 1; i < RECORD_BYTES; i++) {
        if (record[i] != record[0]) {
            abort(); /* a mix */
        }
    }
    return record[0];
}

static held_t look(void) {
    const flash_t kept = flash;
    held_t held = {.newest = load_fill()};
    flash.left = UINT32_MAX;
    if (held.newest != 0 && myo_store_undo(&store)) {
        held.before = load_fill();
        if (held.before != 0 && (!myo_store_undo(&store) || load_fill() != 0)) {
            abort(); /* one can go back once */
        }
    }
    flash = kept;
    return held;
}

/* data: places a slot, operations, seed. A long life of saves, undos and clears, a third of which lose power,
   at the end of each of which the store holds what it may; gives the first operation after which not, and
   erases. */
static void live(const uint8_t *data, buffer_t *out) {
    uint32_t n, random;
    make_flash(data[0]);
    memcpy(&n, data + 1, sizeof n);
    memcpy(&random, data + 5, sizeof random);
    held_t held = look();
    uint32_t k;
    bool fine = held.newest == 0;
    for (k = 0; k < n && fine; k++) {
        random = random * 1664525u + 1013904223u;
        const uint32_t what = random >> 24;
        const uint8_t fill = (uint8_t)(1u + k % 255u);
        const bool cut = (random >> 8 & 0xFFu) < 85u;
        flash.left = cut ? 1u + (random >> 13 & 0x3Fu) : UINT32_MAX;
        flash.noise = random >> 20 & 7u;
        held_t then;
        if (what < 180u) {
            (void)save(fill);
            then = (held_t){fill, held.newest};
        } else if (what < 235u) {
            (void)myo_store_undo(&store);
            then = (held_t){held.before, 0};
        } else {
            (void)myo_store_clear(&store);
            then = (held_t){0};
        }
        const bool done = flash.left > 0;
        flash.left = UINT32_MAX;
        const held_t found = look();
        const bool is_then = found.newest == then.newest && found.before == then.before;
        /* Cut short: as it was, but that the one before may be gone to make room. */
        const bool is_old =
            found.newest == held.newest &&
            (found.before == held.before || (found.before == 0 && (what < 180u || what >= 235u)));
        fine = is_then || (!done && is_old);
        held = found;
    }
    buffer_add_u32(out, fine ? n : k - 1u);
    buffer_add_u32(out, flash.erases);
}

/* Two bundles whose records differ in size have the same memory, one after the other, saves of each in turn.
   What each finds after its turns: sequence, foreign; at the end one clears, and the other finds nothing
   either. */
static void share(uint32_t n_places, buffer_t *out) {
    static const uint8_t other_identity[MYO_STORE_IDENTITY_BYTES] = {9};
    enum { OTHER_BYTES = 40 };
    _Static_assert(MYO_STORE_SLOT_BYTES(3u, OTHER_BYTES) <= MOST_BYTES, "both fit");
    const myo_store_t other = {.port = &port, .identity = other_identity, .record_bytes = OTHER_BYTES};
    uint32_t record[OTHER_BYTES / 4u] = {0};
    make_flash(n_places);
    port.slot_bytes = MYO_STORE_SLOT_BYTES(n_places, OTHER_BYTES);
    for (uint32_t turn = 0; turn < 4u; turn++) {
        const myo_store_t *const self = turn % 2u == 0 ? &other : &store;
        bool foreign;
        const uint32_t before = myo_store_load(self, record, &foreign);
        buffer_add_u32(out, turn == 0 ? before == 0 && !foreign : foreign || before != 0);
        for (uint32_t k = 0; k < 5u; k++) {
            memset(record, (int)(10u * turn + k), sizeof record);
            const uint32_t saved = myo_store_save(self, record);
            buffer_add_u32(out, saved != 0 && myo_store_load(self, record, &foreign) == saved &&
                                    record[0] == (10u * turn + k) * 0x01010101u);
        }
    }
    bool foreign;
    buffer_add_u32(out, myo_store_clear(&store));
    buffer_add_u32(out, myo_store_load(&other, record, &foreign) == 0 && !foreign);
    buffer_add_u32(out, myo_store_load(&store, record, &foreign) == 0 && !foreign);
}

int main(void) {
    uint8_t *data;
    uint32_t length;
    int operation;
    buffer_t out = {0};
    while ((operation = harness_read(&data, &length)) != EOF) {
        if (operation == 'H') {
            run_head(data, &out);
        } else if (operation == 'T') {
            run_store(data, length, &out);
        } else if (operation == 'B') {
            share(data[0], &out);
        } else {
            live(data, &out);
        }
        harness_answer(&out);
        free(data);
    }
    free(out.bytes);
    return 0;
}
