#include "myo_nn_dispatch.h"

#if MYO_NN_DSP

#include <stdbool.h>
#include <string.h>

#include "myo_nn_span.h"
#include "myo_nn_tile.h"

/* What stays the same while the window moves. */
typedef struct {
    const myo_conv_dsp_config_t *config;
    size_t row_size; /* words in one row of a filter */
    bool rows_dense; /* a row of the window is contiguous in the input */
    bool rows_whole; /* row_size is a multiple of 4: rows are widened one by one */
    int8_t *patch;   /* row_size or filter size words: what cannot be widened where it stands */
} myo_conv_plan_t;

/* One row of the window, with padding where it leaves the input. `row` is NULL where it is padding. */
static void copy_row(const myo_conv_plan_t *plan, const int8_t *row, myo_nn_span_t columns, int8_t *to) {
    const myo_conv_dsp_config_t *config = plan->config;
    const size_t channels = config->weight_channels;
    if (row == NULL || columns.begin >= columns.end) {
        memset(to, config->zero_point, plan->row_size);
        return;
    }
    for (int32_t x = 0; x < config->window.width; x++) {
        if (x < columns.begin || x >= columns.end) {
            memset(to, config->zero_point, channels);
        } else {
            const size_t column = (size_t)(columns.origin + x * config->window.dilation_width);
            memcpy(to, row + column * config->input.channels, channels);
        }
        to += channels;
    }
}

/* Positions whose windows are contiguous in the input, lie inside of it, and are equally far apart: windows
   of two such neighbours are widened together where they stand. */
typedef struct {
    size_t begin;
    size_t n_pairs; /* from there on, that is how many positions begin a pair */
    size_t step;    /* words from the window of one position to that of the next */
    size_t offset;  /* words by which the window of position 0 begins before the input */
} myo_conv_run_t;

/* All positions of a pointwise convolution, and those of a convolution over time whose windows padding does
   not reach into; elsewhere none. */
static myo_conv_run_t find_run(const myo_conv_plan_t *plan) {
    const myo_conv_dsp_config_t *config = plan->config;
    const myo_nn_window_t *window = &config->window;
    const size_t n_columns = config->output.width;
    const bool pointwise = window->width == 1 && window->stride_height == 1 && window->stride_width == 1 &&
                           config->input.height == config->output.height &&
                           config->input.width == config->output.width;
    const bool one_row = config->output.height == 1 && config->input.height == 1;
    const int32_t room = config->input.width + window->pad_left - window->width;
    myo_conv_run_t run = {.step = (size_t)window->stride_width * config->input.channels};
    if (window->height != 1 || !plan->rows_dense || !plan->rows_whole) {
        return run;
    }
    size_t end = 0;
    if (pointwise) {
        end = config->output.height * n_columns;
    } else if (one_row && room >= 0) {
        const size_t n_fitting = (size_t)(room / window->stride_width) + 1;
        run.begin = (size_t)((window->pad_left + window->stride_width - 1) / window->stride_width);
        end = n_fitting < n_columns ? n_fitting : n_columns;
        run.offset = (size_t)window->pad_left * config->input.channels;
    }
    run.n_pairs = end > run.begin ? end - run.begin - 1 : 0;
    return run;
}

/* The window of one output position, widened. `group`: the input at the group's first channel. */
static void gather(const myo_conv_plan_t *plan, const int8_t *group, size_t position, uint32_t *to,
                   size_t step) {
    const myo_conv_dsp_config_t *config = plan->config;
    const myo_nn_window_t *window = &config->window;
    const int32_t oy = (int32_t)(position / config->output.width);
    const int32_t ox = (int32_t)(position % config->output.width);
    const myo_nn_span_t rows = myo_nn_span(oy, window->stride_height, window->pad_top,
                                           window->dilation_height, window->height, config->input.height);
    const myo_nn_span_t columns = myo_nn_span(ox, window->stride_width, window->pad_left,
                                              window->dilation_width, window->width, config->input.width);
    const bool inside = columns.begin == 0 && columns.end == window->width;
    const size_t input_row = (size_t)config->input.width * config->input.channels;
    int8_t *patch = plan->patch;

    for (int32_t y = 0; y < window->height; y++) {
        const int8_t *row = NULL;
        if (y >= rows.begin && y < rows.end) {
            row = group + (size_t)(rows.origin + y * window->dilation_height) * input_row;
        }
        if (row != NULL && inside && plan->rows_dense && plan->rows_whole) {
            const int8_t *from = row + (size_t)columns.origin * config->input.channels;
            to = myo_nn_widen(from, plan->row_size, to, step);
            continue;
        }
        copy_row(plan, row, columns, patch);
        if (plan->rows_whole) {
            to = myo_nn_widen(patch, plan->row_size, to, step);
        } else {
            patch += plan->row_size;
        }
    }
    if (!plan->rows_whole) {
        myo_nn_widen(plan->patch, plan->row_size * window->height, to, step);
    }
}

void myo_conv_dsp_run(const myo_conv_dsp_config_t *config, const int8_t *input, int8_t *output,
                      void *scratch) {
    const myo_nn_window_t *window = &config->window;
    const size_t n_groups = config->input.channels / config->weight_channels;
    const size_t n_outputs = config->output.channels / n_groups; /* of a group */
    const size_t n_tiles = (n_outputs + MYO_NN_TILE - 1) / MYO_NN_TILE;
    const size_t n_positions = (size_t)config->output.height * config->output.width;
    const size_t row_size = (size_t)window->width * config->weight_channels;
    const size_t tile_bytes = myo_nn_tile_bytes(config->kernel, row_size * window->height);
    const size_t widened = (row_size * window->height + 3) / 4 * 4; /* pairs of two positions */
    uint32_t *const x = scratch;
    const myo_conv_plan_t plan = {
        .config = config,
        .row_size = row_size,
        .rows_dense = n_groups == 1 && (window->dilation_width == 1 || window->width == 1),
        .rows_whole = row_size % 4 == 0,
        .patch = (int8_t *)(x + widened),
    };
    const myo_conv_run_t run = find_run(&plan);

    for (size_t group = 0; group < n_groups; group++) {
        const int8_t *from = input + group * config->weight_channels;
        const void *weights = (const uint8_t *)config->weights + group * n_tiles * tile_bytes;
        const myo_nn_tile_t *tiles = config->tiles + group * n_tiles;
        int8_t *to = output + group * n_outputs;
        size_t position = 0;
        for (; position + 2 <= n_positions; position += 2) {
            if (position - run.begin < run.n_pairs) {
                const int8_t *const first = from + (position * run.step - run.offset);
                myo_nn_widen_two(first, first + run.step, row_size, x);
            } else {
                gather(&plan, from, position, x, 2);
                gather(&plan, from, position + 1, x + 1, 2);
            }
            myo_nn_run_two(config->kernel, x, weights, tiles, n_outputs, tile_bytes, to,
                           config->output.channels);
            to += 2 * (size_t)config->output.channels;
        }
        if (position < n_positions) {
            gather(&plan, from, position, x, 1);
            myo_nn_run_one(config->kernel, x, weights, tiles, n_outputs, tile_bytes, to);
        }
    }
    myo_nn_clamp(output, n_positions * config->output.channels, config->low, config->high);
}

#endif
