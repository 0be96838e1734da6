/*
 * Decodes request bodies into operations.  Tokens (token.h) and the command line are the only other
 * users of cJSON.
 *
 * Decoding is strict: an unknown field is a 422 (it is usually a typing error), a duplicate one is
 * a 400, and every refusal names the field and says what to change.  On failure the op is unchanged
 * except for its document.
 */
#ifndef JOBLIGHT_CORE_DECODE_H
#define JOBLIGHT_CORE_DECODE_H

#include "joblight/core/limits.h"
#include "joblight/core/op.h"

/* Decodes a JSON body for an op of this kind.  The caller has set job_id from the path. */
bool decode_json(const struct limits *limits, struct slice body, struct op *op,
                 struct problem *problem);

/* Decodes application/x-www-form-urlencoded for the webhook: the same fields, for one task. */
bool decode_form(const struct limits *limits, struct slice body, struct op *op,
                 struct problem *problem);

#endif
