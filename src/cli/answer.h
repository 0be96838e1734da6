/* The JSON of an answer. */
#ifndef JOBLIGHT_CLI_ANSWER_H
#define JOBLIGHT_CLI_ANSWER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "joblight/base/buf.h"
#include "joblight/core/right.h"

/* NULL: it is no object.  The caller deletes it. */
cJSON *answer_parse(struct slice answer);

/* Members of an object; NULL, or `otherwise`, when there is none of this type. */
const char *answer_text(const cJSON *object, const char *name);
double answer_number(const cJSON *object, const char *name, double otherwise);
/* A whole number from 0 to 2^53; `otherwise` as well when it is another one. */
uint64_t answer_count(const cJSON *object, const char *name, uint64_t otherwise);

bool answer_true(const cJSON *object, const char *name); /* false as well when there is none */

/* The rights that GET /api/session names. */
enum right answer_rights(const cJSON *session);

/* The answer without the line feed at its end. */
struct slice answer_line(const struct buf *answer);

#endif
