/*
 * The messages of WebSocket clients: one JSON object per text message, with a `type`.  They are
 * the rows of messages.def; docs/protocol.md has their members.
 */
#ifndef JOBLIGHT_CORE_MESSAGE_H
#define JOBLIGHT_CORE_MESSAGE_H

#include "joblight/core/cursor.h"
#include "joblight/core/limits.h"
#include "joblight/core/op.h"
#include "joblight/core/presence.h"

enum message_kind {
#define MESSAGE(kind, name, take, id, job, rights, refusal, handle) MESSAGE_##kind,
#include "joblight/core/messages.def"
#undef MESSAGE
	MESSAGE_KIND_COUNT
};

struct message {
	enum message_kind kind;
	char id[KEY_MAX + 1]; /* "" when none was given */
	char job_id[ID_MAX + 1];
	struct position since;
	unsigned types;                /* TYPE_BITs of type_filter.h */
	uint8_t heartbeat_s, tabs;     /* as in struct attach; 0 when not given */
	struct presence_report report; /* agent "" when none was given */
	struct op *op;                 /* of a write; the caller owns it */
	char *token;                   /* of TOKEN; the caller frees it */
	bool unreadable;               /* on failure: the kind could not be read */
};

/* False: the problem is set, `id`, `job_id` and `kind` are set as far as they could be read, and
 * `op` and `token` are NULL. */
bool message_decode(const struct limits *limits, struct slice text, struct message *m,
                    struct problem *problem);

/* The body of POST …/presence: {agent, state, taskId?}. */
bool presence_decode(const struct limits *limits, struct slice text, struct presence_report *w,
                     struct problem *problem);

#endif
