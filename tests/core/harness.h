/* The harnesses' side of the conversation with conftest.py: operation, length, data; length, answer. */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint8_t *bytes;
    size_t length, capacity;
} buffer_t;

static inline void buffer_add(buffer_t *self, const void *data, size_t n) {
    if (self->length + n > self->capacity) {
        self->capacity = (self->length + n) * 2;
        self->bytes = realloc(self->bytes, self->capacity);
    }
    if (n > 0) {
        memcpy(self->bytes + self->length, data, n);
    }
    self->length += n;
}

static inline void buffer_add_u32(buffer_t *self, uint32_t value) {
    buffer_add(self, &value, sizeof value);
}

/* Reads one request into a buffer of exactly its size, so that the sanitizer sees a read past its end. */
static inline int harness_read(uint8_t **data, uint32_t *length) {
    const int operation = getchar();
    if (operation == EOF || fread(length, sizeof *length, 1, stdin) != 1) {
        return EOF;
    }
    *data = malloc(*length > 0 ? *length : 1);
    return fread(*data, 1, *length, stdin) == *length ? operation : EOF;
}

static inline void harness_answer(buffer_t *out) {
    const uint32_t length = (uint32_t)out->length;
    (void)fwrite(&length, sizeof length, 1, stdout);
    (void)fwrite(out->bytes, 1, out->length, stdout);
    (void)fflush(stdout);
    out->length = 0;
}

/* All of a harness that knows one operation, on words: a main's exit code. */
static inline int harness_serve(int known, void (*run)(const int32_t *words, buffer_t *out)) {
    buffer_t out = {0};
    uint8_t *data;
    uint32_t n;
    for (int operation; (operation = harness_read(&data, &n)) != EOF;) {
        if (operation != known) {
            return 2;
        }
        run((const int32_t *)(const void *)data, &out);
        harness_answer(&out);
        free(data);
    }
    free(out.bytes);
    return 0;
}

#endif
