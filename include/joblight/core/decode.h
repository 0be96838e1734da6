/*
 * Bodies into operations.  The only user of cJSON.
 *
 * Strict: unknown fields are 422 (they are usually typing errors), duplicate ones 400; every
 * refusal names the field and says what to change.  On failure the op is unchanged but for its
 * document.
 */
#ifndef JOBLIGHT_CORE_DECODE_H
#define JOBLIGHT_CORE_DECODE_H

#include "joblight/core/limits.h"
#include "joblight/core/op.h"

/* A JSON body for an op of this kind; job_id comes from the path before. */
bool decode_json(const struct limits *limits, struct slice body, struct op *op,
                 struct problem *problem);

/* application/x-www-form-urlencoded, for the webhook: the same fields, one task. */
bool decode_form(const struct limits *limits, struct slice body, struct op *op,
                 struct problem *problem);

#endif
