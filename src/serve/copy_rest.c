/* What belongs to no job: remembered answers that outlive jobs, keys, and what is known of tokens.
 * Each row is read again from the copy. */
#include <stdlib.h>
#include <string.h>

#include "copying.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/keyring.h"

#define PAGE_ROWS 1000

static bool refuse(const struct copying *c, const char *what)
{
	fprintf(stderr, "joblight: %s: %s: what was written is not what is read again\n",
	        c->to_name, what);
	return false;
}

/* ---- answers ---- */

struct answers {
	struct idempotency_row rows[PAGE_ROWS]; /* own their bodies */
	size_t count;
};

static bool keep_answer(void *context, const struct idempotency_row *row)
{
	struct answers *a = context;

	a->rows[a->count] = *row;
	a->rows[a->count++].body = row->body ? xstrdup(row->body) : NULL;
	return true;
}

static void forget_answers(struct answers *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->rows[i].body);
	a->count = 0;
}

static bool write_answers(struct copying *c, const struct answers *a)
{
	struct store *to = c->to;
	enum store_result r = to->ops->begin(to);

	for (size_t i = 0; i < a->count && r == STORE_OK; i++)
		r = to->ops->idempotency_put(to, &a->rows[i]);
	if (r == STORE_OK)
		r = to->ops->commit(to);
	if (r == STORE_OK)
		return true;
	to->ops->rollback(to);
	return copy_write_failed(c);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_answer(const struct idempotency_row *a, const struct idempotency_row *b)
{
	return memcmp(a->fingerprint, b->fingerprint, DIGEST_LEN) == 0 && a->time == b->time &&
	       a->outcome == b->outcome && a->seq_first == b->seq_first &&
	       a->seq_last == b->seq_last && strcmp(a->epoch, b->epoch) == 0 &&
	       same_text(a->body, b->body);
}

static bool check_answer(struct copying *c, const struct idempotency_row *row)
{
	struct idempotency_row read = { .time = 0 };
	enum store_result r = c->back->ops->idempotency_get(c->back, row->scope, row->key, &read);
	bool same = r == STORE_OK && same_answer(row, &read);

	free(read.body);
	if (r != STORE_OK && r != STORE_NONE)
		return copy_back_failed(c);
	c->rows += same;
	return same || refuse(c, "a remembered answer");
}

static bool check_answers(struct copying *c, const struct answers *a)
{
	if (c->back->ops->begin(c->back) != STORE_OK)
		return copy_back_failed(c);
	bool ok = true;
	for (size_t i = 0; i < a->count && ok; i++)
		ok = check_answer(c, &a->rows[i]);
	c->back->ops->rollback(c->back);
	return ok;
}

static bool copy_answers(struct copying *c)
{
	struct answers *a = xcalloc(1, sizeof(*a));
	char scope[ID_MAX + 1] = "", key[KEY_MAX + 1] = "";
	bool ok, more;

	do {
		enum store_result r = c->from->ops->lasting_answers(c->from, scope, key, PAGE_ROWS,
		                                                    keep_answer, a);
		more = a->count == PAGE_ROWS;
		if (a->count) {
			memcpy(scope, a->rows[a->count - 1].scope, sizeof(scope));
			memcpy(key, a->rows[a->count - 1].key, sizeof(key));
		}
		ok = r == STORE_OK || r == STORE_NONE || copy_read_failed(c);
		ok = ok && write_answers(c, a) && check_answers(c, a);
		forget_answers(a);
	} while (ok && more && !atomic_load(c->stop));
	free(a);
	return ok && !atomic_load(c->stop);
}

/* ---- keys, and tokens ---- */

/* They are written while they are read. */
struct rows {
	struct copying *copying;
	enum store_result r;
	uint64_t count;
	bool same;
};

static bool put_key(void *context, const struct access_key_row *row)
{
	struct rows *w = context;
	struct store *to = w->copying->to;

	w->r = to->ops->access_key_put(to, row);
	return w->r == STORE_OK;
}

static bool put_token(void *context, const struct revoked_token_row *row)
{
	struct rows *w = context;
	struct store *to = w->copying->to;

	w->r = to->ops->revoked_token_put(to, row);
	w->r = w->r == STORE_NONE ? STORE_OK : w->r;
	return w->r == STORE_OK;
}

static bool put_signing_key(struct rows *w)
{
	struct copying *c = w->copying;
	struct signing_key_row key;
	enum store_result r = c->from->ops->signing_key_get(c->from, &key);

	if (r == STORE_OK)
		w->r = c->to->ops->signing_key_put(c->to, &key);
	explicit_bzero(&key, sizeof(key));
	return r == STORE_OK || r == STORE_NONE || copy_read_failed(c);
}

static bool is_read(const struct copying *c, enum store_result r)
{
	return r == STORE_OK || r == STORE_NONE || copy_read_failed(c);
}

static bool put_rows(struct copying *c)
{
	struct rows w = { .copying = c };
	struct store *from = c->from, *to = c->to;

	w.r = to->ops->begin(to);
	if (w.r != STORE_OK)
		return copy_write_failed(c);
	bool ok = is_read(c, from->ops->access_keys(from, put_key, &w)) &&
	          (w.r != STORE_OK || put_signing_key(&w)) &&
	          (w.r != STORE_OK || is_read(c, from->ops->revoked_tokens(from, put_token, &w)));
	if (ok && w.r == STORE_OK)
		w.r = to->ops->commit(to);
	if (ok && w.r == STORE_OK)
		return true;
	to->ops->rollback(to);
	return ok && copy_write_failed(c);
}

static bool check_key(void *context, const struct access_key_row *row)
{
	struct rows *w = context;
	struct access_key_row read = { .rights = 0 };

	w->r = access_key_find(w->copying->back, row->id, &read);
	w->same = w->r == STORE_OK && memcmp(row->hash, read.hash, DIGEST_LEN) == 0 &&
	          row->rights == read.rights && strcmp(row->name, read.name) == 0 &&
	          strcmp(row->jobs, read.jobs) == 0 && row->created == read.created &&
	          row->expires == read.expires && row->revoked == read.revoked;
	access_key_row_finish(&read);
	w->count += w->same;
	return w->same;
}

static bool check_signing_key(struct copying *c)
{
	struct signing_key_row original = { 0 }, copy = { 0 };
	enum store_result r = c->from->ops->signing_key_get(c->from, &original);
	bool same = r != STORE_OK ||
	            (c->back->ops->signing_key_get(c->back, &copy) == STORE_OK &&
	             strcmp(original.id, copy.id) == 0 &&
	             memcmp(original.secret, copy.secret, sizeof(copy.secret)) == 0);

	explicit_bzero(&original, sizeof(original));
	explicit_bzero(&copy, sizeof(copy));
	c->rows += r == STORE_OK && same;
	return same || refuse(c, "the key that signs tokens");
}

struct tokens {
	struct revoked_token_row *rows;
	size_t count;
};

static bool keep_token(void *context, const struct revoked_token_row *row)
{
	struct tokens *t = context;

	if (t->count % 256 == 0)
		t->rows = xrealloc(t->rows, (t->count + 256) * sizeof(*t->rows));
	t->rows[t->count++] = *row;
	return true;
}

static int compare_tokens(const void *a, const void *b)
{
	const struct revoked_token_row *x = a, *y = b;

	return strcmp(x->id, y->id);
}

static bool has_token(const struct tokens *t, const struct revoked_token_row *row)
{
	const struct revoked_token_row *found = t->count ? bsearch(row, t->rows, t->count,
	                                                           sizeof(*row), compare_tokens)
	                                                 : NULL;

	return found && found->expires == row->expires;
}

static bool check_tokens(struct copying *c)
{
	struct tokens original = { 0 }, copy = { 0 };
	bool ok = is_read(c, c->from->ops->revoked_tokens(c->from, keep_token, &original));
	enum store_result r = c->back->ops->revoked_tokens(c->back, keep_token, &copy);

	if (ok && r != STORE_OK && r != STORE_NONE)
		ok = copy_back_failed(c);
	if (copy.count)
		qsort(copy.rows, copy.count, sizeof(*copy.rows), compare_tokens);
	for (size_t i = 0; i < original.count && ok; i++)
		ok = has_token(&copy, &original.rows[i]) || refuse(c, "a revoked token");
	c->rows += original.count;
	free(original.rows);
	free(copy.rows);
	return ok;
}

static bool check_keys(struct copying *c)
{
	struct rows w = { .copying = c, .same = true };

	if (!is_read(c, c->from->ops->access_keys(c->from, check_key, &w)))
		return false;
	c->rows += w.count;
	return w.same || refuse(c, "an access key");
}

bool copy_rest(struct copying *c)
{
	if (!copy_read_again(c) || !copy_answers(c) || !put_rows(c))
		return false;
	if (c->back->ops->begin(c->back) != STORE_OK)
		return copy_back_failed(c);
	bool ok = check_keys(c) && check_signing_key(c) && check_tokens(c);
	c->back->ops->rollback(c->back);
	return ok;
}
