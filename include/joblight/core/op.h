/*
 * One write, decoded: made by a loop thread, applied by the store thread, answered by the loop
 * thread. It is owned by whoever holds it; op_free() ends it.
 */
#ifndef JOBLIGHT_CORE_OP_H
#define JOBLIGHT_CORE_OP_H

#include "joblight/base/mailbox.h"
#include "joblight/core/model.h"
#include "joblight/core/outcome.h"

enum op_kind {
#define OP(kind, apply, decode, scope, watchers) OP_##kind,
#include "joblight/core/ops.def"
#undef OP
	OP_KIND_COUNT
};

/* A field of a change: not mentioned, null, or a value. */
enum given { GIVEN_NOT, GIVEN_NULL, GIVEN_VALUE };

/* What is asked of one task.  The slices point into the op's document. */
struct task_change {
	struct slice id; /* empty: make one */
	struct slice title, note;
	enum given has_title, has_status, has_note, has_progress, has_attempt, has_silence;
	enum task_status status;
	double progress;
	int64_t attempt;
	int64_t silence_ms; /* 0: off, also when null was given */
};

struct op {
	struct mail mail; /* first: the mailboxes link ops by it */
	enum op_kind kind;
	char job_id[ID_MAX + 1]; /* "" in a creation: make one */

	char task_id[ID_MAX + 1]; /* from a path, for `tasks` to point into; whom a command or a
	                             stall is about */

	/* of a job; a deliverable has a title too */
	enum given has_title, has_status, has_metadata, has_silence;
	struct slice title;
	enum job_status status;
	struct buf metadata; /* minified */
	int64_t silence_ms;  /* 0: off */

	/* of a deliverable */
	struct slice deliverable_id;  /* empty: make one */
	struct slice url, media_type; /* empty: none */

	/* of a command */
	struct slice command;

	/* what the event repeats as it is: the args of a command */
	struct buf payload; /* minified */

	/* of tasks */
	struct task_change *tasks;
	size_t task_count;
	bool batch; /* came as an array, and is answered as one */

	char key[KEY_MAX + 1]; /* idempotency key, "" for none */

	void *document; /* what the slices point into; cJSON tree or text */
	void (*document_free)(void *document);

	/* where the answer goes: set and read by net only */
	void *loop;
	uint64_t reply_to;

	/* the result, set by the engine */
	struct problem problem; /* its outcome is the op's outcome, error or not */
	bool replayed;          /* the stored answer of an earlier op with this key */
	char epoch[EPOCH_LEN + 1];
	uint64_t seq_first, seq_last; /* the events it made; 0: none */
	/* The answer: a JSON object for each item, each followed by a newline; empty for 204.
	 * answer.h makes the response of it. */
	struct buf body;
};

struct op *op_create(enum op_kind kind);
void op_free(struct op *op); /* NULL is fine */

/* SHA-256 over everything that was asked, the same for every transport and notation. */
void op_fingerprint(const struct op *op, uint8_t out[32]);

#endif
