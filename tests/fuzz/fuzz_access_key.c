/*
 * Access keys, against a keyring of three: one in force, one revoked, one expired.
 *
 * covers: src/core/access_key.c src/core/keyring.c
 *
 * bar: 50 %, because keyring.c has what the store thread and the key routes use; the header around
 *      the key belongs to fuzz_server.
 *
 * Only the exact text of the key in force gives its rights.
 */
#include "fuzz.h"

#include "joblight/base/xalloc.h"
#include "joblight/store/backend.h"
#include "joblight/core/keyring.h"

#define KEYS 3

static char texts[KEYS][ACCESS_KEY_LEN + 1];
static uint8_t counter;

static void entropy(void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = counter++;
}

static void put_key(struct store *store, int number)
{
	struct access_key_row row = { .rights = RIGHT_WATCH | RIGHT_REPORT, .created = 1 };

	row.name = xstrdup("a key");
	row.jobs = xstrdup("render-* other");
	row.revoked = number == 1;
	row.expires = number == 2;
	access_key_generate(&row, entropy, texts[number]);
	PROMISE(store->ops->access_key_put(store, &row) == STORE_OK);
	access_key_row_finish(&row);
}

static struct keyring *make_keyring(void)
{
	char error[200];
	struct database *db = database_open(":memory:", DURABILITY_FULL, error, sizeof(error));
	struct store *store = database_writer(db);
	struct keyring *ring = NULL;

	PROMISE(store->ops->begin(store) == STORE_OK);
	for (int i = 0; i < KEYS; i++)
		put_key(store, i);
	PROMISE(store->ops->commit(store) == STORE_OK);
	PROMISE(keyring_read(store, NULL, &ring) == STORE_OK);
	database_close(db);
	return ring;
}

/* $0, $1 and $2 stand for the keys, which no fuzzer would guess. */
static void expand(struct buf *out, struct slice input)
{
	for (size_t i = 0; i < input.len; i++) {
		unsigned number = i + 1 < input.len ? (unsigned)(input.ptr[i + 1] - '0') : KEYS;
		if (input.ptr[i] != '$' || number >= KEYS) {
			buf_char(out, input.ptr[i]);
			continue;
		}
		buf_text(out, texts[number]);
		i++;
	}
}

static void check(struct keyring *ring, struct slice key)
{
	struct credential *c = keyring_find(ring, key, 1000);

	PROMISE((c != NULL) == slice_is(key, texts[0]));
	PROMISE(!c || keyring_get(ring, c->key.id) == c);
	PROMISE(!c || (credential_covers(c, "render-1") && !credential_covers(c, "secret")));
	PROMISE(keyring_find(ring, key, 0) == c || slice_is(key, texts[2]));
}

void fuzz_one(struct slice input)
{
	static struct keyring *ring;
	struct buf text = { 0 };
	struct slice id;

	if (!ring)
		ring = make_keyring();
	expand(&text, input);
	struct slice header = fuzz_copy(buf_as_slice(&text));
	if (access_key_parse(header, &id))
		PROMISE(id.len == ACCESS_KEY_ID_LEN && header.len == ACCESS_KEY_LEN);
	check(ring, header);
	fuzz_free(header);
	buf_finish(&text);
}
