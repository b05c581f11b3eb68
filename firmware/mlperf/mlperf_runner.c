#include "mlperf_runner.h"

#include <string.h>

#define MAX_COUNT 1000000000u
#define DEFAULT_WARMUP 10u /* runs, as in the reference */
#define WORDS_A_LINE 8u

/* Runners tell this firmware by the name of the reference's. */
static const char profile_name[] = "ULPMark for tinyML Firmware V0.0.1";

static void put(mlperf_runner_t *self, const char *text, size_t n) {
    const mlperf_runner_config_t *config = &self->config;
    for (size_t i = 0; i < n; i++) {
        const uint8_t byte = (uint8_t)text[i];
        while (!myo_byte_ring_write(config->tx, &byte, 1)) {
            config->send();
            config->wait();
        }
    }
    config->send();
}

static void say(mlperf_runner_t *self, const char *text) {
    put(self, text, strlen(text));
}

static void say_number(mlperf_runner_t *self, uint64_t value) {
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0);
    put(self, digits + i, sizeof digits - i);
}

static void say_line(mlperf_runner_t *self, const char *before, const char *value, const char *after) {
    say(self, before);
    say(self, value);
    say(self, after);
    say(self, "\r\n");
}

static void say_count(mlperf_runner_t *self, const char *before, uint64_t value, const char *after) {
    say(self, before);
    say_number(self, value);
    say(self, after);
    say(self, "\r\n");
}

static void advance_clock(mlperf_runner_t *self) {
    const uint32_t now = self->config.ticks();
    self->elapsed += now - self->last;
    self->last = now;
}

static void say_timestamp(mlperf_runner_t *self) {
    advance_clock(self);
    const uint32_t hz = self->config.tick_hz;
    const uint64_t us = self->elapsed / hz * 1000000u + self->elapsed % hz * 1000000u / hz;
    say_count(self, "m-lap-us-", us, "");
}

/* Six digits behind the point, rounded to nearest. */
static void say_real(mlperf_runner_t *self, double value) {
    if (value < 0) {
        say(self, "-");
        value = -value;
    }
    const uint64_t millionths = (uint64_t)(value * 1e6 + 0.5);
    say_number(self, millionths / 1000000u);
    char fraction[7] = ".000000";
    uint32_t rest = (uint32_t)(millionths % 1000000u);
    for (size_t i = sizeof fraction; i > 1; rest /= 10u) {
        fraction[--i] = (char)('0' + rest % 10u);
    }
    put(self, fraction, sizeof fraction);
}

static void say_results(mlperf_runner_t *self) {
    const mlperf_runner_config_t *config = &self->config;
    if (!self->inferred) {
        say(self, "e-[no result yet: infer first]\r\n");
        return;
    }
    say(self, "m-results-[");
    for (size_t i = 0; i < config->n_outputs; i++) {
        say(self, i == 0 ? "" : ",");
        say_real(self,
                 (double)(config->output[i] - config->output_zero_point) * (double)config->output_scale);
    }
    say(self, "]\r\n");
}

/* Parses a whole number; false where it is none, or too large. */
static bool read_count(const char *word, uint32_t *value) {
    uint32_t sum = 0;
    for (const char *c = word; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || sum > MAX_COUNT / 10u) {
            return false;
        }
        sum = sum * 10u + (uint32_t)(*c - '0');
    }
    *value = sum;
    return *word != '\0';
}

static int read_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void begin_load(mlperf_runner_t *self, const char *word) {
    uint32_t n;
    if (word == NULL || !read_count(word, &n) || n != self->config.n_inputs) {
        say_count(self, "e-[db load takes the size of the network's input, ", self->config.n_inputs, "]");
        return;
    }
    self->loaded = 0;
    self->loading = true;
    say_count(self, "m-[Expecting ", n, " bytes]");
}

static void load(mlperf_runner_t *self, const char *digits) {
    const size_t n = strlen(digits);
    if (!self->loading) {
        say(self, "e-[nothing more to load: db load first]\r\n");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (n % 2u != 0 || read_digit(digits[i]) < 0) {
            say(self, "e-[db takes pairs of hexadecimal digits]\r\n");
            return;
        }
    }
    for (size_t i = 0; i < n && self->loading; i += 2) {
        const int word = read_digit(digits[i]) * 16 + read_digit(digits[i + 1u]);
        self->config.input[self->loaded++] = (int8_t)(word < 128 ? word : word - 256);
        if (self->loaded == self->config.n_inputs) {
            self->loading = false;
            say(self, "m-load-done\r\n");
        }
    }
}

static void print_input(mlperf_runner_t *self) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < self->loaded; i++) {
        const uint8_t word = (uint8_t)self->config.input[i];
        const char text[2] = {digits[word >> 4], digits[word & 15u]};
        say(self, i % WORDS_A_LINE == 0 ? "m-buffer-" : "-");
        put(self, text, sizeof text);
        if (i % WORDS_A_LINE == WORDS_A_LINE - 1u || i + 1u == self->loaded) {
            say(self, "\r\n");
        }
    }
}

static void run(mlperf_runner_t *self, uint32_t n) {
    while (n-- > 0) {
        self->config.infer();
        advance_clock(self);
    }
}

static void infer(mlperf_runner_t *self, const char *n_word, const char *warmup_word) {
    uint32_t n = 1;
    uint32_t n_warmup = DEFAULT_WARMUP;
    if ((n_word != NULL && (!read_count(n_word, &n) || n == 0)) ||
        (warmup_word != NULL && !read_count(warmup_word, &n_warmup))) {
        say(self, "e-[infer takes how many runs, above 0, and how many to warm up]\r\n");
        return;
    }
    if (self->loading || self->loaded == 0) {
        say_count(self, "e-[the input is not whole: db load ", self->config.n_inputs, ", then its bytes]");
        return;
    }
    say_count(self, "m-warmup-start-", n_warmup, "");
    run(self, n_warmup);
    say(self, "m-warmup-done\r\n");
    say_count(self, "m-infer-start-", n, "");
    say_timestamp(self);
    run(self, n);
    say_timestamp(self);
    say(self, "m-infer-done\r\n");
    self->inferred = true;
    say_results(self);
}

/* The next word of a command, ended in place; NULL behind the last one. */
static char *next_word(char **rest) {
    char *word = *rest;
    while (*word == ' ') {
        word++;
    }
    if (*word == '\0') {
        return NULL;
    }
    char *end = word;
    while (*end != ' ' && *end != '\0') {
        end++;
    }
    *rest = *end == '\0' ? end : end + 1;
    *end = '\0';
    return word;
}

static void answer(mlperf_runner_t *self) {
    char *rest = self->command;
    const char *command = next_word(&rest);
    if (command == NULL) {
        say(self, "e-[Unknown command: ]\r\n");
    } else if (strcmp(command, "name") == 0) {
        say_line(self, "m-name-dut-[", self->config.vendor, "]");
    } else if (strcmp(command, "timestamp") == 0) {
        say_timestamp(self);
    } else if (strcmp(command, "profile") == 0) {
        say_line(self, "m-profile-[", profile_name, "]");
        say_line(self, "m-model-[", self->config.model, "]");
    } else if (strcmp(command, "db") == 0) {
        const char *word = next_word(&rest);
        if (word == NULL) {
            say(self, "e-[db takes load N, print, or hexadecimal digits]\r\n");
        } else if (strcmp(word, "load") == 0) {
            begin_load(self, next_word(&rest));
        } else if (strcmp(word, "print") == 0) {
            print_input(self);
        } else {
            load(self, word);
        }
    } else if (strcmp(command, "infer") == 0) {
        const char *n = next_word(&rest);
        infer(self, n, next_word(&rest));
    } else if (strcmp(command, "results") == 0) {
        say_results(self);
    } else if (strcmp(command, "help") == 0) {
        say(self, "name, timestamp, profile, db load N, db HH.., db print, infer N [W], results\r\n");
    } else {
        say_line(self, "e-[Unknown command: ", command, "]");
    }
}

static void take(mlperf_runner_t *self, char c) {
    if (c == '%') {
        if (self->length > MLPERF_COMMAND_SIZE) {
            say_count(self, "e-[command of over ", MLPERF_COMMAND_SIZE, " characters]");
        } else {
            self->command[self->length] = '\0';
            answer(self);
        }
        say(self, "m-ready\r\n");
        self->length = 0;
    } else if (c != '\r' && c != '\n' && self->length <= MLPERF_COMMAND_SIZE) {
        self->command[self->length++] = c;
    }
}

myo_status_t mlperf_runner_init(mlperf_runner_t *self, const mlperf_runner_config_t *config) {
    if (self == NULL || config == NULL || config->rx == NULL || config->tx == NULL || config->input == NULL ||
        config->output == NULL) {
        return MYO_ERROR_NULL;
    }
    if (config->tick_hz == 0 || config->n_inputs == 0) {
        return MYO_ERROR_CONFIG;
    }
    *self = (mlperf_runner_t){.config = *config, .last = config->ticks()};
    say(self, "m-init-done\r\nm-ready\r\n");
    return MYO_OK;
}

bool mlperf_runner_poll(mlperf_runner_t *self) {
    uint8_t byte;
    bool served = false;
    advance_clock(self);
    while (myo_byte_ring_take(self->config.rx, &byte)) {
        take(self, (char)byte);
        served = true;
    }
    return served;
}
