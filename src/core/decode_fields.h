/*
 * What the decoders of the nouns share: an object is a table of fields, and each field has a
 * function that checks its value and stores it in the target.  Private to the decoder.
 *
 * All functions return false when the problem is set.
 */
#ifndef JOBLIGHT_CORE_DECODE_FIELDS_H
#define JOBLIGHT_CORE_DECODE_FIELDS_H

#include "decode_tree.h"
#include "joblight/core/right.h"

#define SILENCE_FIELD "heartbeatTimeoutMs"

struct decoder {
	const struct limits *limits;
	struct problem *problem;
	struct slice text; /* the body, for raw members */
	struct op *op;
	char where[24]; /* "[3]" before a field's name in messages */
};

struct field {
	const char *name;
	bool (*take)(struct decoder *d, const cJSON *value, void *target);
};

/* One function for each row of ops.def. */
typedef bool decode_fn(struct decoder *d, const cJSON *root);
#define OP(kind, apply, decode, scope, watchers, audited) decode_fn decode;
#include "joblight/core/ops.def"
#undef OP

bool decode_refuse_value(struct decoder *d, const char *field, const char *message);

/* Reads an object by its table, which ends with an empty row.  All fields are checked, so that one
 * answer names every mistake (up to PROBLEM_ERRORS). */
bool decode_object(struct decoder *d, const cJSON *object, const struct field *fields,
                   void *target);

/* A whole number from 0 to `max`. */
bool decode_is_whole(const cJSON *value, double max);
bool decode_id(struct decoder *d, const cJSON *value, struct slice *id);
bool decode_text(struct decoder *d, const cJSON *value, size_t max, struct slice *text);
bool decode_title(struct decoder *d, const cJSON *value, struct slice *title);
/* An array of names of rights, which replaces *rights. */
bool decode_rights(struct decoder *d, const cJSON *value, enum right *rights);
/* How long a task may be silent; null and 0 switch the limit off. */
bool decode_silence_limit(struct decoder *d, const cJSON *value, int64_t *silence_ms);
/* An object as the client wrote it, minified: a tree would round its numbers.  null is {}. */
bool decode_raw_object(struct decoder *d, const cJSON *value, uint64_t max, struct buf *out);

/* The title of a job or a deliverable; a function for tables. */
bool decode_op_title(struct decoder *d, const cJSON *value, void *target);
/* The id of the task that an operation is about; a function for tables. */
bool decode_op_task(struct decoder *d, const cJSON *value, void *target);

/* The tasks that a new job comes with. */
bool decode_job_tasks(struct decoder *d, const cJSON *array);

#endif
