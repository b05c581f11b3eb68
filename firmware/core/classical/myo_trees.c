#include "classical/myo_trees.h"

#include <stddef.h>

#include "classical/myo_scores.h"

/* The comparison is an index, not a branch: which way a walk goes is noise to a predictor, and costs the
 * same. */
static uint32_t find_leaf(const myo_tree_node_t *nodes, const int8_t *input) {
    uint32_t link = 0;
    do {
        const myo_tree_node_t *const node = &nodes[link];
        link = node->next[input[node->word] > node->threshold];
    } while (link < MYO_TREE_LEAF);
    return link - MYO_TREE_LEAF;
}

void myo_forest_run(const myo_forest_config_t *config, const int8_t *input, uint32_t *sums, int8_t *output) {
    const myo_trees_t *const trees = &config->trees;
    const size_t n_outputs = config->n_outputs;
    for (size_t i = 0; i < n_outputs; i++) {
        sums[i] = 0;
    }
    const myo_tree_node_t *nodes = trees->nodes;
    const uint8_t *votes = config->votes;
    for (size_t tree = 0; tree < trees->n_trees; tree++) {
        const size_t n_nodes = trees->n_nodes[tree];
        const uint8_t *const leaf = votes + (n_nodes > 0 ? find_leaf(nodes, input) : 0) * n_outputs;
        for (size_t i = 0; i < n_outputs; i++) {
            sums[i] += leaf[i];
        }
        nodes += n_nodes;
        votes += (n_nodes + 1) * n_outputs;
    }
    const uint32_t half = UINT32_C(1) << (MYO_FOREST_SHIFT - 1u);
    for (size_t i = 0; i < n_outputs; i++) {
        const int32_t share = (int32_t)((sums[i] * config->multiplier + half) >> MYO_FOREST_SHIFT) + INT8_MIN;
        output[i] = (int8_t)(share < INT8_MAX ? share : INT8_MAX);
    }
}

void myo_boosted_run(const myo_boosted_config_t *config, const int8_t *input, int32_t *sums, int8_t *logits) {
    const myo_trees_t *const trees = &config->trees;
    for (size_t i = 0; i < config->n_outputs; i++) {
        sums[i] = config->base[i];
    }
    int32_t *const first = sums + (config->n_outputs - config->n_scores);
    const myo_tree_node_t *nodes = trees->nodes;
    const int16_t *leaves = config->leaves;
    size_t score = 0;
    for (size_t tree = 0; tree < trees->n_trees; tree++) {
        const size_t n_nodes = trees->n_nodes[tree];
        first[score] += leaves[n_nodes > 0 ? find_leaf(nodes, input) : 0];
        score = score + 1 < config->n_scores ? score + 1 : 0;
        nodes += n_nodes;
        leaves += n_nodes + 1;
    }
    myo_scores_to_logits(sums, config->n_outputs, config->shift, logits);
}
