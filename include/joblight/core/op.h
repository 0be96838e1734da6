/* One decoded write.  A loop thread makes it, the store thread applies it, and the loop thread
 * answers it.  Its holder owns it and ends it with op_free(). */
#ifndef JOBLIGHT_CORE_OP_H
#define JOBLIGHT_CORE_OP_H

#include "joblight/base/mailbox.h"
#include "joblight/core/access_key.h"
#include "joblight/core/model.h"
#include "joblight/core/outcome.h"
#include "joblight/core/token_row.h"
#include "joblight/core/traceparent.h"

struct credential;

enum op_kind {
#define OP(kind, apply, decode, scope, watchers, audited) OP_##kind,
#include "joblight/core/ops.def"
#undef OP
	OP_KIND_COUNT
};

/* The name of the operation in the audit log; NULL: it is not audited. */
const char *op_audited(enum op_kind kind);

#define OP_CLIENT_MAX 47 /* the text of an address */

/* A field of a change: not given, null, or a value. */
enum given { GIVEN_NOT, GIVEN_NULL, GIVEN_VALUE };

/* A change of one task.  The slices point into the op's document. */
struct task_change {
	struct slice id; /* empty: make one */
	struct slice title, note;
	enum given has_title, has_status, has_note, has_progress, has_attempt, has_silence;
	enum task_status status;
	double progress;
	int64_t attempt;
	int64_t silence_ms; /* 0: off, also when null was given */
};

/* The operations of one import come from one connection. */
enum import_step { IMPORT_PIECE, IMPORT_LAST, IMPORT_DROP };

struct op {
	struct mail mail; /* first member: mailboxes link ops by it */
	enum op_kind kind;
	char job_id[ID_MAX + 1]; /* "" in a creation: make one */

	char task_id[ID_MAX + 1]; /* from a path, and `tasks` points to it; or the task of a command
	                             or a stall */

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
	bool batch; /* the request was an array, and so is the answer */

	/* of an import, whose bytes are in `payload`; job_id: "" for the id in the export */
	enum import_step import_step;
	bool replace;    /* a job with this id is removed */
	bool keep_epoch; /* also when the job goes on */

	struct access_key_row access_key; /* of KEY_CREATE and KEY_REVOKE, in which its strings are
	                                     owned; `expires` is a duration, 0 forever */
	struct revoked_token_row token;   /* of SESSION_END, TOKEN_REVOKE and CODE_USE; its id of
	                                     TICKET_USE and TICKET_RETURN */
	uint64_t canary;                  /* of CANARY: its number */
	struct credential *by;            /* the credential of its client, held; NULL: none */
	bool by_open;                     /* its client needed none, because there was no key */
	char client[OP_CLIENT_MAX + 1];   /* the address of its client, if it is audited */

	char key[KEY_MAX + 1];                 /* idempotency key, "" for none */
	char traceparent[TRACEPARENT_LEN + 1]; /* its events have it; "": none */

	struct buf if_match, if_none_match; /* conditions: lists of tags, or "*"; empty: none */

	void *document; /* the slices point into it; a cJSON tree or a text */
	void (*document_free)(void *document);

	/* for its span: monotonic times, 0 if nobody wants one */
	uint64_t began_us;     /* set by net */
	uint64_t committed_us; /* set by the store thread */

	/* where the answer goes; only net sets and reads it */
	void *loop;
	uint64_t reply_to;
	uint64_t submitted_us; /* monotonic; 0: nobody waits for it */

	/* the result, set by the engine */
	struct problem problem; /* its outcome is the outcome of the op, also when it is no error */
	bool refused;           /* before it was applied */
	bool replayed;          /* the stored answer of an earlier op with this key */
	bool unchanged;         /* it was done before: nothing was written */
	char epoch[EPOCH_LEN + 1];
	uint64_t seq_first, seq_last; /* the events it made; 0: none */
	/* The answer: one JSON object per item, each followed by a newline; empty for 204. answer.h
	 * makes the response from it. */
	struct buf body;
};

struct op *op_create(enum op_kind kind);
void op_free(struct op *op); /* NULL is ignored */

/* How many updates it counts as: each task of a batch is one. */
static inline size_t op_updates(const struct op *op)
{
	return op->task_count > 1 ? op->task_count : 1;
}

/* Whether it ends its job and changes nothing else of it. */
static inline bool op_ends_job(const struct op *op)
{
	return op->kind == OP_JOB_PATCH && op->has_status && job_status_terminal(op->status) &&
	       !op->has_title && !op->has_metadata && !op->has_silence;
}

/* SHA-256 of everything that the op asks for.  It does not depend on the transport or notation. */
void op_fingerprint(const struct op *op, uint8_t out[32]);

#endif
