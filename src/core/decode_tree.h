/* The steps of decode.c, for message.c: text into a cJSON tree, a tree into an op. */
#ifndef JOBLIGHT_CORE_DECODE_TREE_H
#define JOBLIGHT_CORE_DECODE_TREE_H

#include <cjson/cJSON.h>

#include "joblight/core/decode.h"

/* Checked text without duplicate names; NULL: the problem is set.  cJSON_Delete() it. */
cJSON *decode_parse(const struct limits *limits, struct slice text, struct problem *problem);

/* Reads `value` into the op; `document` (which holds it) becomes the op's.  `text` is where it was
 * parsed from. */
bool decode_tree(const struct limits *limits, struct slice text, cJSON *document,
                 const cJSON *value, struct op *op, struct problem *problem);

/* Sets the problem of a parser that found no memory, and returns false. */
bool decode_refuse_memory(struct problem *problem);

#endif
