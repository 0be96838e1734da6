/* The two steps of decoding: text to a cJSON tree, and a tree to an op. */
#ifndef JOBLIGHT_CORE_DECODE_TREE_H
#define JOBLIGHT_CORE_DECODE_TREE_H

#include <cjson/cJSON.h>

#include "joblight/core/decode.h"

/* Parses and checks the text: at most `depth` levels, no duplicate names.  NULL: the problem is
 * set.  The caller frees the tree with cJSON_Delete(). */
cJSON *decode_parse(unsigned depth, struct slice text, struct problem *problem);

/* Decodes `value` into the op, which takes over `document` (the tree that holds it).  `text` is
 * what was parsed. */
bool decode_tree(const struct limits *limits, struct slice text, cJSON *document,
                 const cJSON *value, struct op *op, struct problem *problem);

/* Sets the problem of a parser that found no memory, and returns false. */
bool decode_refuse_memory(struct problem *problem);

#endif
