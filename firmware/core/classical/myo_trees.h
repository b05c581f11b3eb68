/* Decision trees over int8 words: a forest whose leaves vote, and boosted trees whose leaves add up.

   All tables are const and lie tree after tree. A walk ends because a link to a node leads to one behind it;
   the export proves that of its tables, nothing checks it here. Functions are pure: ISR-safe, reentrant. */
#ifndef MYO_TREES_H
#define MYO_TREES_H

#include <stdint.h>

#define MYO_TREE_LEAF 0x80u  /* of a link: the other bits number a leaf of the tree */
#define MYO_FOREST_SHIFT 22u /* of a forest's multiplier */

/* Goes on at next[0] where input[word] <= threshold, else at next[1]: a node of the same tree by its number,
   or MYO_TREE_LEAF + leaf. */
typedef struct {
    uint8_t word;
    int8_t threshold;
    uint8_t next[2];
} myo_tree_node_t;

typedef struct {
    const myo_tree_node_t *nodes; /* the root of a tree is its node 0; a tree of no node has leaf 0 */
    const uint8_t *n_nodes;       /* of each tree, 0 .. 127; it has one leaf more */
    uint16_t n_trees;
} myo_trees_t;

/* The mean of the leaves' class shares, int8 with scale 1/256 and zero point -128. */
typedef struct {
    myo_trees_t trees;
    const uint8_t *votes; /* [leaf][n_outputs], a share of 1 being 255 */
    uint16_t n_outputs;
    uint32_t multiplier; /* 256 / (255 n_trees) * 2^MYO_FOREST_SHIFT */
} myo_forest_config_t;

/* sums: n_outputs of working memory. Input, sums and output must not overlap. */
void myo_forest_run(const myo_forest_config_t *config, const int8_t *input, uint32_t *sums, int8_t *output);

/* Sums of leaves, tree k adding to output n_outputs - n_scores + k % n_scores, as logits below the highest:
   scale 1/32, zero point 127. */
typedef struct {
    myo_trees_t trees;
    const int16_t *leaves;
    const int32_t *base; /* [n_outputs], before any tree */
    uint16_t n_outputs;
    uint16_t n_scores; /* 1 .. n_outputs, divides n_trees */
    uint8_t shift;     /* a logit is 2^shift scores */
} myo_boosted_config_t;

/* sums: n_outputs of working memory. Input, sums and logits must not overlap. */
void myo_boosted_run(const myo_boosted_config_t *config, const int8_t *input, int32_t *sums, int8_t *logits);

#endif
