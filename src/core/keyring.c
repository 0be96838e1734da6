#include "joblight/core/keyring.h"

#include <stdlib.h>

#include "joblight/base/base64url.h"
#include "joblight/base/hash.h"
#include "joblight/base/xalloc.h"

struct entry {
	struct credential *credential;
	UT_hash_handle hh;
};

struct revoked {
	char token_id[TOKEN_ID_LEN + 1];
	UT_hash_handle hh;
};

struct keyring {
	atomic_uint references;
	struct entry *entries; /* by id */
	struct revoked *revoked;
	struct signing_key_row signing_key; /* without an id: there is none */
	int64_t version;                    /* 0: there is none */
};

static void add(struct keyring *ring, struct credential *c)
{
	struct entry *e = xcalloc(1, sizeof(*e));

	e->credential = c;
	HASH_ADD_KEYPTR(hh, ring->entries, c->key.id, ACCESS_KEY_ID_LEN, e);
}

static void copy_row(struct access_key_row *to, const struct access_key_row *from)
{
	*to = *from;
	to->name = xstrdup(from->name);
	to->jobs = xstrdup(from->jobs);
}

static bool add_row(void *context, const struct access_key_row *row)
{
	struct access_key_row copy;

	copy_row(&copy, row);
	add(context, credential_create(&copy));
	return true;
}

static bool add_revoked(void *context, const struct revoked_token_row *row)
{
	struct keyring *ring = context;
	struct revoked *r = xcalloc(1, sizeof(*r));

	memcpy(r->token_id, row->id, sizeof(r->token_id));
	HASH_ADD_KEYPTR(hh, ring->revoked, r->token_id, TOKEN_ID_LEN, r);
	return true;
}

struct search {
	const char *id;
	struct access_key_row *found;
	bool done;
};

static bool compare_row(void *context, const struct access_key_row *row)
{
	struct search *s = context;

	s->done = strcmp(row->id, s->id) == 0;
	if (s->done)
		copy_row(s->found, row);
	return !s->done;
}

enum store_result access_key_find(struct store *store, const char *id, struct access_key_row *row)
{
	struct search s = { .id = id, .found = row };
	enum store_result r = store->ops->access_keys(store, compare_row, &s);

	return r == STORE_OK && !s.done ? STORE_NONE : r;
}

static bool found_or_none(enum store_result r)
{
	return r == STORE_OK || r == STORE_NONE;
}

enum store_result keyring_load(struct store *store, struct credential *first, struct keyring **ring)
{
	struct keyring *made = xcalloc(1, sizeof(*made));
	enum store_result r;

	atomic_init(&made->references, 1);
	/* first, so that a change meanwhile makes the rows newer than it and not older */
	r = store->ops->keys_version(store, &made->version);
	if (found_or_none(r))
		r = store->ops->access_keys(store, add_row, made);
	if (found_or_none(r))
		r = store->ops->revoked_tokens(store, add_revoked, made);
	if (found_or_none(r))
		r = store->ops->signing_key_get(store, &made->signing_key);
	if (!found_or_none(r)) {
		keyring_release(made);
		return r;
	}
	if (first && !keyring_get(made, first->key.id))
		add(made, credential_hold(first));
	*ring = made;
	return STORE_OK;
}

enum store_result keyring_read(struct store *store, struct credential *first, struct keyring **ring)
{
	enum store_result r = store->ops->begin(store);

	if (r != STORE_OK)
		return r;
	r = keyring_load(store, first, ring);
	store->ops->rollback(store);
	return r;
}

enum store_result keyring_prepare(struct store *store, access_key_entropy *entropy)
{
	struct signing_key_row key = { 0 };
	uint8_t id[SIGNING_KEY_ID_LEN / 4 * 3];
	struct buf text = { 0 };
	enum store_result r = store->ops->begin(store);

	if (r != STORE_OK)
		return r;
	r = store->ops->signing_key_get(store, &key);
	if (r == STORE_NONE) {
		entropy(id, sizeof(id));
		base64url_encode(&text, (struct slice){ (const char *)id, sizeof(id) });
		memcpy(key.id, text.ptr, SIGNING_KEY_ID_LEN);
		entropy(key.secret, sizeof(key.secret));
		r = store->ops->signing_key_put(store, &key);
	}
	if (r == STORE_OK)
		r = store->ops->commit(store);
	if (r != STORE_OK)
		store->ops->rollback(store);
	buf_finish(&text);
	return r;
}

struct keyring *keyring_hold(struct keyring *ring)
{
	if (ring)
		atomic_fetch_add_explicit(&ring->references, 1, memory_order_relaxed);
	return ring;
}

void keyring_release(struct keyring *ring)
{
	struct entry *e, *next;

	if (!ring || atomic_fetch_sub_explicit(&ring->references, 1, memory_order_acq_rel) != 1)
		return;
	HASH_ITER(hh, ring->entries, e, next) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): see uthash.h */
		HASH_DEL(ring->entries, e);
		credential_release(e->credential);
		free(e);
	}
	struct revoked *revoked, *after;
	HASH_ITER(hh, ring->revoked, revoked, after) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): see uthash.h */
		HASH_DEL(ring->revoked, revoked);
		free(revoked);
	}
	explicit_bzero(&ring->signing_key, sizeof(ring->signing_key));
	free(ring);
}

bool keyring_is_open(const struct keyring *ring)
{
	return !ring || !ring->entries;
}

void keyring_each(const struct keyring *ring,
                  void (*visit)(void *context, const struct credential *c), void *context)
{
	if (!ring)
		return;
	for (const struct entry *e = ring->entries; e; e = e->hh.next)
		visit(context, e->credential);
}

struct credential *keyring_get(const struct keyring *ring, const char *id)
{
	struct entry *e = NULL;

	if (ring)
		HASH_FIND(hh, ring->entries, id, ACCESS_KEY_ID_LEN, e);
	return e ? e->credential : NULL;
}

int64_t keyring_version(const struct keyring *ring)
{
	return ring ? ring->version : 0;
}

const struct signing_key_row *keyring_signing_key(const struct keyring *ring)
{
	return ring && ring->signing_key.id[0] ? &ring->signing_key : NULL;
}

bool keyring_has_revoked(const struct keyring *ring, const char *token_id)
{
	struct revoked *r = NULL;

	if (ring && token_id[0])
		HASH_FIND(hh, ring->revoked, token_id, TOKEN_ID_LEN, r);
	return r != NULL;
}

struct credential *keyring_find(const struct keyring *ring, struct slice key, int64_t wall_ms)
{
	static const uint8_t nobody[DIGEST_LEN];
	uint8_t hash[DIGEST_LEN];
	struct slice id;

	if (!access_key_parse(key, &id))
		return NULL;
	access_key_hash(key, hash);
	struct credential *c = keyring_get(ring, id.ptr);
	bool same = digest_equal(hash, c ? c->key.hash : nobody);
	return c && same && !credential_is_over(c, wall_ms) ? c : NULL;
}

/* ---- comparing ---- */

static bool row_equal(const struct access_key_row *a, const struct access_key_row *b)
{
	return memcmp(a->hash, b->hash, sizeof(a->hash)) == 0 && a->rights == b->rights &&
	       strcmp(a->name, b->name) == 0 && strcmp(a->jobs, b->jobs) == 0 &&
	       a->created == b->created && a->expires == b->expires && a->revoked == b->revoked;
}

static bool signing_key_equal(const struct signing_key_row *a, const struct signing_key_row *b)
{
	return strcmp(a->id, b->id) == 0 && memcmp(a->secret, b->secret, sizeof(a->secret)) == 0;
}

bool keyring_equal(const struct keyring *a, const struct keyring *b)
{
	if (HASH_COUNT(a->entries) != HASH_COUNT(b->entries) ||
	    HASH_COUNT(a->revoked) != HASH_COUNT(b->revoked) ||
	    !signing_key_equal(&a->signing_key, &b->signing_key))
		return false;
	for (const struct entry *e = a->entries; e; e = e->hh.next) {
		const struct credential *other = keyring_get(b, e->credential->key.id);
		if (!other || !row_equal(&e->credential->key, &other->key))
			return false;
	}
	for (const struct revoked *r = a->revoked; r; r = r->hh.next)
		if (!keyring_has_revoked(b, r->token_id))
			return false;
	return true;
}
