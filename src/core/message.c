#include "joblight/core/message.h"

#include <stdio.h>
#include <stdlib.h>

#include "decode_tree.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/hub.h"

#define KIND_MAX 15 /* bytes of a kind's name */

#define MESSAGE(kind, name, take, id, job, rights, refusal, handle)                                \
	_Static_assert(sizeof(name) <= KIND_MAX + 1, "KIND_MAX has room for " name);
#include "joblight/core/messages.def"
#undef MESSAGE

struct envelope;

#define MESSAGE(kind, name, take, id, job, rights, refusal, handle)                                \
	static bool take(struct envelope *e, struct message *m);
#include "joblight/core/messages.def"
#undef MESSAGE

static const struct {
	const char *name;
	bool (*take)(struct envelope *e, struct message *m);
	bool needs_id, needs_job;
	enum op_kind operation; /* OP_KIND_COUNT: none */
} kinds[MESSAGE_KIND_COUNT] = {
#define MESSAGE(kind, name, take, id, job, rights, refusal, handle)                                \
	[MESSAGE_##kind] = { name, take, id, job, OP_KIND_COUNT },
#define WRITE_MESSAGE(kind, name, rights, operation)                                               \
	[MESSAGE_##kind] = { name, take_write, true, true, OP_##operation },
#include "joblight/core/messages.def"
#undef MESSAGE
};

struct envelope {
	const struct limits *limits;
	struct slice text;
	cJSON *root;
	struct problem *problem;
};

static bool refuse(struct envelope *e, enum outcome o, const char *field, const char *message)
{
	return problem_field(e->problem, o, field, message);
}

/* Takes a member out of the message, so that the members of its kind are left. */
static cJSON *take(struct envelope *e, const char *name)
{
	return cJSON_DetachItemFromObjectCaseSensitive(e->root, name);
}

/* Takes a string of at most `max` bytes into `out`.  *given says whether it was there. */
static bool take_string(struct envelope *e, const char *name, char *out, size_t max, bool *given)
{
	cJSON *value = take(e, name);
	char message[64];

	*given = value != NULL;
	bool ok = !value || (cJSON_IsString(value) && strlen(value->valuestring) <= max);
	if (value && ok)
		memcpy(out, value->valuestring, strlen(value->valuestring) + 1);
	cJSON_Delete(value);
	snprintf(message, sizeof(message), "must be a string of at most %zu bytes", max);
	return ok || refuse(e, OUTCOME_INVALID_FIELD, name, message);
}

static bool refuse_kind(struct envelope *e)
{
	struct buf message = { 0 };

	buf_text(&message, "must be one of");
	for (int k = 0; k < MESSAGE_KIND_COUNT; k++)
		buf_format(&message, "%s %s", k ? "," : "", kinds[k].name);
	refuse(e, OUTCOME_INVALID_FIELD, "type", buf_string(&message));
	buf_finish(&message);
	return false;
}

static bool take_kind(struct envelope *e, struct message *m)
{
	char name[KIND_MAX + 1] = "";
	bool given;

	m->unreadable = true;
	if (!take_string(e, "type", name, sizeof(name) - 1, &given))
		return false;
	for (int k = 0; k < MESSAGE_KIND_COUNT; k++)
		if (strcmp(name, kinds[k].name) == 0) {
			m->kind = (enum message_kind)k;
			m->unreadable = false;
			return true;
		}
	return refuse_kind(e);
}

static bool take_message_id(struct envelope *e, struct message *m)
{
	bool given;

	if (!take_string(e, "id", m->id, KEY_MAX, &given))
		return false;
	if (m->id[0] && !key_valid(slice_of(m->id)))
		return refuse(e, OUTCOME_INVALID_FIELD, "id", "must be visible ASCII characters");
	return !kinds[m->kind].needs_id || m->id[0] ||
	       refuse(e, OUTCOME_INVALID_FIELD, "id",
	              "is missing: it is the idempotency key and comes back in the ack");
}

static bool take_job(struct envelope *e, struct message *m)
{
	bool given;

	if (!kinds[m->kind].needs_job)
		return true;
	if (!take_string(e, "jobId", m->job_id, ID_MAX, &given))
		return false;
	return id_valid(slice_of(m->job_id)) ||
	       refuse(e, OUTCOME_INVALID_ID, "jobId", given ? "is not a job's id" : "is missing");
}

static bool nothing_left(struct envelope *e)
{
	return !e->root->child ||
	       refuse(e, OUTCOME_UNKNOWN_FIELD, e->root->child->string, "is not known here");
}

static bool take_nothing(struct envelope *e, struct message *m)
{
	(void)m;
	return nothing_left(e);
}

/* Any string is accepted.  If it cannot be parsed, the subscription starts with a reset. */
static bool take_since(struct envelope *e, struct message *m)
{
	cJSON *value = take(e, "since");
	bool ok = !value || cJSON_IsString(value) || cJSON_IsNull(value);

	m->since = position_parse(slice_of(cJSON_GetStringValue(value)));
	cJSON_Delete(value);
	return ok || refuse(e, OUTCOME_INVALID_FIELD, "since", "must be a cursor in quotes");
}

/* Takes a whole number in [min, max] into *out, which is unchanged when there is none. */
static bool take_number(struct envelope *e, const char *name, unsigned min, unsigned max,
                        uint8_t *out)
{
	cJSON *value = take(e, name);
	double number = value && cJSON_IsNumber(value) ? value->valuedouble : 0;
	bool ok = !value || (number >= min && number <= max && number == (unsigned)number);
	char message[64];

	if (value && ok)
		*out = (uint8_t)number;
	cJSON_Delete(value);
	snprintf(message, sizeof(message), "must be a whole number from %u to %u", min, max);
	return ok || refuse(e, OUTCOME_INVALID_FIELD, name, message);
}

static bool take_subscribe(struct envelope *e, struct message *m)
{
	char types[128] = "", message[160];
	bool has_types;

	if (!take_since(e, m) || !take_string(e, "types", types, sizeof(types) - 1, &has_types) ||
	    !take_number(e, "heartbeat", HEARTBEAT_SECONDS_MIN, HEARTBEAT_SECONDS_MAX,
	                 &m->heartbeat_s) ||
	    !take_number(e, "tabs", 1, TABS_MAX, &m->tabs))
		return false;
	m->types = TYPE_BITS_ALL;
	if (has_types && !type_filter_parse(slice_of(types), &m->types)) {
		snprintf(message, sizeof(message), "must be a list of %s", event_type_all());
		return refuse(e, OUTCOME_INVALID_FIELD, "types", message);
	}
	return nothing_left(e);
}

/* What is no traceparent is ignored, as in the header. */
static bool take_traceparent(struct envelope *e, struct op *op)
{
	cJSON *value = take(e, "traceparent");
	bool ok = !value || cJSON_IsString(value);

	if (value && ok)
		traceparent_parse(slice_of(value->valuestring), op->traceparent);
	cJSON_Delete(value);
	return ok || refuse(e, OUTCOME_INVALID_FIELD, "traceparent", "must be a string");
}

/* The body of the operation is in the message itself.  A batch of updates is in `updates`. */
static bool take_write(struct envelope *e, struct message *m)
{
	enum op_kind operation = kinds[m->kind].operation;

	m->op = op_create(operation);
	if (!take_traceparent(e, m->op))
		return false;
	cJSON *many = operation == OP_TASK_REPORT
	                  ? cJSON_GetObjectItemCaseSensitive(e->root, "updates")
	                  : NULL;

	memcpy(m->op->job_id, m->job_id, sizeof(m->op->job_id));
	memcpy(m->op->key, m->id, sizeof(m->op->key));
	const cJSON *value = many ? many : e->root;
	if (many && (!cJSON_IsArray(many) || many->next || many->prev != many))
		return refuse(e, OUTCOME_INVALID_FIELD, "updates",
		              "must be an array, without the fields of an update");
	cJSON *document = e->root;
	e->root = NULL; /* the op owns it from here on */
	return decode_tree(e->limits, e->text, document, value, m->op, e->problem);
}

static bool take_token(struct envelope *e, struct message *m)
{
	cJSON *value = take(e, "token");
	bool ok = cJSON_IsString(value) && value->valuestring[0];

	if (ok)
		m->token = xstrdup(value->valuestring);
	cJSON_Delete(value);
	return (ok || refuse(e, OUTCOME_INVALID_FIELD, "token", "must be a key or a token")) &&
	       nothing_left(e);
}

static bool take_report(struct envelope *e, struct presence_report *w, bool *has_agent)
{
	bool given, has_task;

	if (!take_string(e, "agent", w->agent, ID_MAX, has_agent) ||
	    !take_string(e, "taskId", w->task_id, ID_MAX, &has_task) ||
	    !take_string(e, "state", w->state, AGENT_STATE_MAX, &given))
		return false;
	if (!given)
		return refuse(e, OUTCOME_INVALID_FIELD, "state",
		              "is missing; an empty one means that the agent leaves");
	if (has_task && !id_valid(slice_of(w->task_id)))
		return refuse(e, OUTCOME_INVALID_ID, "taskId", "is not a task's id");
	if (*has_agent && !id_valid(slice_of(w->agent)))
		return refuse(e, OUTCOME_INVALID_ID, "agent", "must look like an id");
	return nothing_left(e);
}

static bool take_presence(struct envelope *e, struct message *m)
{
	bool has_agent;

	memcpy(m->report.job_id, m->job_id, sizeof(m->report.job_id));
	return take_report(e, &m->report, &has_agent);
}

static bool take_message(struct envelope *e, struct message *m)
{
	if (!take_kind(e, m) || !take_message_id(e, m) || !take_job(e, m))
		return false;
	return kinds[m->kind].take(e, m);
}

static bool open_envelope(struct envelope *e)
{
	e->root = decode_parse((unsigned)e->limits->json_depth, e->text, e->problem);
	if (!e->root)
		return false;
	return cJSON_IsObject(e->root) ||
	       problem_set(e->problem, OUTCOME_INVALID_JSON, "it must be an object");
}

bool message_decode(const struct limits *limits, struct slice text, struct message *m,
                    struct problem *problem)
{
	struct envelope e = { limits, text, NULL, problem };

	*m = (struct message){ .unreadable = true };
	bool ok = open_envelope(&e) && take_message(&e, m);
	cJSON_Delete(e.root);
	if (ok)
		return true;
	op_free(m->op);
	free(m->token);
	m->op = NULL;
	m->token = NULL;
	return false;
}

bool presence_decode(const struct limits *limits, struct slice text, struct presence_report *w,
                     struct problem *problem)
{
	struct envelope e = { limits, text, NULL, problem };
	bool has_agent = false;
	bool ok = open_envelope(&e) && take_report(&e, w, &has_agent);

	if (ok && !has_agent)
		ok = refuse(&e, OUTCOME_INVALID_FIELD, "agent", "is missing");
	cJSON_Delete(e.root);
	return ok;
}
