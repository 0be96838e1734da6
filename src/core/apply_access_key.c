#include "apply.h"

#include "joblight/core/keyring.h"

static bool put(struct engine *e, const struct access_key_row *row)
{
	if (store_failed(e, e->store->ops->access_key_put(e->store, row)))
		return false;
	e->batch->keys_changed = true;
	return true;
}

struct key_count {
	int64_t now;
	uint64_t in_force;
};

static bool count_key(void *context, const struct access_key_row *row)
{
	struct key_count *c = context;

	c->in_force += !row->revoked && (!row->expires || row->expires > c->now);
	return true;
}

/* There was no key when the client was let in; another node may have made one since. */
static bool is_too_late(const struct engine *e, const struct op *op, bool has_keys)
{
	return op->by_open && (has_keys || e->first_key || e->has_issuer);
}

static bool refuse_late(struct op *op)
{
	return problem_set(&op->problem, OUTCOME_UNAUTHORIZED,
	                   "the first key was made meanwhile: show it");
}

/*
 * The first key closes the server: without such a key nobody could make another one.  Every loop
 * has all keys in memory, so there is a limit.
 */
static bool check_others(struct engine *e, struct op *op)
{
	const struct access_key_row *row = &op->access_key;
	struct key_count count = { .now = engine_shared_time(e) };
	enum store_result r = e->store->ops->access_keys(e->store, count_key, &count);

	if (store_failed(e, r))
		return false;
	if (is_too_late(e, op, r != STORE_NONE))
		return refuse_late(op);
	if (count.in_force >= e->limits->access_keys)
		return problem_set(&op->problem, OUTCOME_TOO_MANY_KEYS,
		                   "there are %llu keys in force, which is the limit: revoke some",
		                   (unsigned long long)count.in_force);
	if (r != STORE_NONE || e->first_key || e->has_issuer ||
	    ((row->rights & RIGHT_ADMIN) && !row->expires && access_key_covers(row, "*")))
		return true;
	return problem_field(&op->problem, OUTCOME_INVALID_FIELD, "scope",
	                     "the first key must have admin, for all jobs and without an end, or "
	                     "nobody could make another one");
}

/* The answer is the only place where the text of the key is shown. */
bool apply_key_create(struct engine *e, struct op *op)
{
	struct access_key_row row = op->access_key; /* which may be applied again */
	char text[ACCESS_KEY_LEN + 1];

	if (!check_others(e, op))
		return false;
	row.created = engine_shared_time(e);
	if (row.expires)
		row.expires += row.created;
	access_key_generate(&row, e->entropy, text);
	if (!put(e, &row))
		return false;
	memcpy(op->access_key.id, row.id, sizeof(row.id)); /* for the audit log */
	buf_text(&op->body, "{\"key\":\"");
	buf_text(&op->body, text);
	buf_text(&op->body, "\",");
	access_key_encode(&op->body, &row);
	buf_text(&op->body, "}\n");
	op->problem.outcome = OUTCOME_CREATED;
	return true;
}

bool apply_key_revoke(struct engine *e, struct op *op)
{
	const char *id = op->access_key.id;
	struct access_key_row row = { 0 };
	enum store_result r;

	if (e->first_key && strcmp(e->first_key->key.id, id) == 0)
		return problem_set(&op->problem, OUTCOME_FORBIDDEN,
		                   "this is the key of --key-file: take it out of there");
	r = access_key_find(e->store, id, &row);
	if (store_failed(e, r))
		return false;
	if (r == STORE_NONE)
		return problem_set(&op->problem, OUTCOME_NOT_FOUND, "there is no key \"%s\"", id);
	if (is_too_late(e, op, true)) {
		access_key_row_finish(&row);
		return refuse_late(op);
	}
	op->unchanged = row.revoked != 0;
	if (!op->unchanged)
		row.revoked = engine_shared_time(e);
	bool ok = op->unchanged || put(e, &row);
	access_key_row_finish(&row);
	if (ok)
		op->problem.outcome = OUTCOME_NO_CONTENT;
	return ok;
}
