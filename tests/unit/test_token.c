/* The tokens that the server makes, the tickets that were used, and the tokens that were verified.
 */
#include "store_kit.h"

#include <pthread.h>

#include "joblight/core/token.h"
#include "net/credential_cache.h"
#include "net/tickets.h"

#define NOW 1700000000000LL
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint8_t next_byte;

static void counted(void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = next_byte++;
}

/* A server: its database, its keys "key" (for everything) and "short" (ends 10 s from now). */
struct server {
	struct bench bench;
	struct keyring *ring;
	char ids[2][ACCESS_KEY_ID_LEN + 1];
};

static void read_ring(struct server *s)
{
	keyring_release(s->ring);
	OK(keyring_read(s->bench.reader, NULL, &s->ring));
}

static void add_key(struct server *s, int number, int64_t expires)
{
	char text[ACCESS_KEY_LEN + 1];
	struct store *w = s->bench.writer;
	struct access_key_row row = { .rights = RIGHT_ALL,
		                      .created = 5,
		                      .expires = expires,
		                      .name = xstrdup(number ? "" : "the \"key\""),
		                      .jobs = xstrdup("a b-*") };

	access_key_generate(&row, counted, text);
	memcpy(s->ids[number], row.id, sizeof(row.id));
	OK(w->ops->begin(w));
	OK(w->ops->access_key_put(w, &row));
	OK(w->ops->commit(w));
	access_key_row_finish(&row);
}

static void open_server(struct server *s)
{
	*s = (struct server){ .bench = { .location = ":memory:" } };
	bench_open(&s->bench);
	OK(keyring_prepare(s->bench.writer, counted));
	add_key(s, 0, 0);
	add_key(s, 1, NOW + 10500);
	read_ring(s);
}

static void close_server(struct server *s)
{
	keyring_release(s->ring);
	bench_close(&s->bench);
}

static struct token token_of(struct server *s, enum token_kind kind, int key)
{
	struct token t = { .kind = kind, .issued = NOW, .expires = NOW + 3600000, .run = 77 };

	t.credential = credential_narrow(
	    keyring_get(s->ring, s->ids[key]), RIGHT_WATCH | RIGHT_CONTROL,
	    kind <= TOKEN_TICKET ? "b-1" : NULL, kind == TOKEN_TICKET ? 0 : t.expires);
	if (kind != TOKEN_TICKET)
		t.expires = t.credential->key.expires;
	token_identify(&t, counted);
	return t;
}

static struct buf text_of(struct server *s, enum token_kind kind, int key)
{
	struct token t = token_of(s, kind, key);
	struct buf text = { 0 };

	token_encode(&text, &t, s->ring);
	credential_release(t.credential);
	return text;
}

/* NULL: it is in force; otherwise why it is not. */
static const char *fault_of(struct server *s, enum token_kind kind, struct slice text, int64_t now)
{
	const char *fault = NULL;
	struct token t;
	bool ok = token_decode(s->ring, kind, text, now, &t, &fault);

	assert_true(ok == (t.credential != NULL) && (ok || fault));
	credential_release(t.credential);
	return ok ? NULL : fault;
}

static bool is_good(struct server *s, enum token_kind kind, const struct buf *text, int64_t now)
{
	return !fault_of(s, kind, buf_as_slice(text), now);
}

static void revoke_token(struct server *s, const char *token_id)
{
	struct revoked_token_row row = { .expires = NOW + 1 };
	struct store *w = s->bench.writer;

	memcpy(row.id, token_id, sizeof(row.id));
	OK(w->ops->begin(w));
	OK(w->ops->revoked_token_put(w, &row));
	OK(w->ops->commit(w));
	read_ring(s);
}

static void a_token_comes_back_as_it_was_made(void **state)
{
	struct server s;
	const char *fault;

	(void)state;
	open_server(&s);
	for (int kind = TOKEN_ACCESS; kind <= TOKEN_CODE; kind++) {
		struct token made = token_of(&s, (enum token_kind)kind, 0), t;
		struct buf text = { 0 };
		free(made.credential->commands);
		made.credential->commands = xstrdup("pause a.b");
		token_encode(&text, &made, s.ring);
		assert_true(token_is_own(buf_as_slice(&text)));
		assert_true(token_decode(s.ring, (enum token_kind)kind, buf_as_slice(&text), NOW,
		                         &t, &fault));
		assert_string_equal(t.id, made.id);
		assert_int_equal(t.issued, NOW);
		assert_int_equal(t.expires, NOW + 3600000);
		assert_int_equal(t.run, kind == TOKEN_TICKET ? 77 : 0);
		assert_int_equal(t.credential->kind, CREDENTIAL_TOKEN);
		assert_string_equal(t.credential->key.id, s.ids[0]);
		assert_string_equal(t.credential->key.name, "the \"key\"");
		assert_string_equal(t.credential->key.jobs, kind <= TOKEN_TICKET ? "b-1" : "a b-*");
		assert_string_equal(t.credential->commands, "pause a.b");
		assert_string_equal(t.credential->identity, s.ids[0]);
		assert_string_equal(t.credential->token_id, kind == TOKEN_TICKET ? "" : made.id);
		assert_int_equal(credential_rights(t.credential), RIGHT_WATCH | RIGHT_CONTROL);
		credential_release(t.credential);
		credential_release(made.credential);
		buf_finish(&text);
	}
	close_server(&s);
}

static void no_kind_is_another(void **state)
{
	struct server s;

	(void)state;
	open_server(&s);
	for (int made = TOKEN_ACCESS; made <= TOKEN_CODE; made++) {
		struct buf text = text_of(&s, (enum token_kind)made, 0);
		for (int asked = TOKEN_ACCESS; asked <= TOKEN_CODE; asked++)
			assert_int_equal(is_good(&s, (enum token_kind)asked, &text, NOW),
			                 made == asked);
		buf_finish(&text);
	}
	close_server(&s);
}

static void a_token_with_a_changed_bit_is_refused(void **state)
{
	struct server s;

	(void)state;
	open_server(&s);
	for (int kind = TOKEN_ACCESS; kind <= TOKEN_CODE; kind++) {
		struct buf text = text_of(&s, (enum token_kind)kind, 0);
		for (size_t bit = 0; bit < text.len * 8; bit++) {
			text.ptr[bit / 8] = (char)(text.ptr[bit / 8] ^ 1 << bit % 8);
			assert_false(is_good(&s, (enum token_kind)kind, &text, NOW));
			text.ptr[bit / 8] = (char)(text.ptr[bit / 8] ^ 1 << bit % 8);
		}
		for (size_t len = 0; len < text.len; len++)
			assert_non_null(fault_of(&s, (enum token_kind)kind,
			                         (struct slice){ text.ptr, len }, NOW));
		buf_finish(&text);
	}
	close_server(&s);
}

static void a_token_of_another_server_is_refused(void **state)
{
	struct server s, other;
	struct buf text;

	(void)state;
	open_server(&s);
	open_server(&other);
	text = text_of(&s, TOKEN_ACCESS, 0);
	assert_true(is_good(&s, TOKEN_ACCESS, &text, NOW));
	assert_false(is_good(&other, TOKEN_ACCESS, &text, NOW));
	struct server none = { 0 };
	assert_false(is_good(&none, TOKEN_ACCESS, &text, NOW));
	buf_finish(&text);
	close_server(&s);
	close_server(&other);
}

static void the_signing_key_is_made_once(void **state)
{
	struct server s;
	struct signing_key_row before, after;

	(void)state;
	open_server(&s);
	before = *keyring_signing_key(s.ring);
	assert_int_equal(strlen(before.id), SIGNING_KEY_ID_LEN);
	OK(keyring_prepare(s.bench.writer, counted));
	read_ring(&s);
	after = *keyring_signing_key(s.ring);
	assert_string_equal(before.id, after.id);
	assert_memory_equal(before.secret, after.secret, SIGNING_SECRET_LEN);
	close_server(&s);
}

static void a_token_expires_at_its_millisecond(void **state)
{
	static const enum token_kind kinds[] = { TOKEN_ACCESS, TOKEN_SESSION, TOKEN_CODE };
	struct server s;

	(void)state;
	open_server(&s);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct buf text = text_of(&s, kinds[i], 0);
		assert_true(is_good(&s, kinds[i], &text, NOW + 3599999));
		assert_string_equal(fault_of(&s, kinds[i], buf_as_slice(&text), NOW + 3600000),
		                    "it has expired");
		buf_finish(&text);
	}
	close_server(&s);
}

static void a_token_ends_with_its_key(void **state)
{
	struct server s;

	(void)state;
	open_server(&s);
	for (int kind = TOKEN_ACCESS; kind <= TOKEN_CODE; kind++) {
		struct buf text = text_of(&s, (enum token_kind)kind, 1);
		assert_true(is_good(&s, (enum token_kind)kind, &text, NOW + 9999));
		assert_false(is_good(&s, (enum token_kind)kind, &text, NOW + 10500));
		buf_finish(&text);
	}
	close_server(&s);
}

/* The time in which it opens a stream is compared by tickets_open(). */
static void an_expired_ticket_continues_as_long_as_its_key(void **state)
{
	struct server s;

	(void)state;
	open_server(&s);
	struct buf text = text_of(&s, TOKEN_TICKET, 0);
	assert_true(is_good(&s, TOKEN_TICKET, &text, NOW + 3600000LL * 1000));
	buf_finish(&text);
	close_server(&s);
}

static void a_revoked_key_ends_its_tokens(void **state)
{
	struct server s;
	struct buf texts[4];

	(void)state;
	open_server(&s);
	for (int kind = TOKEN_ACCESS; kind <= TOKEN_CODE; kind++)
		texts[kind] = text_of(&s, (enum token_kind)kind, 0);
	struct access_key_row row = keyring_get(s.ring, s.ids[0])->key;
	struct store *w = s.bench.writer;
	row.revoked = NOW;
	OK(w->ops->begin(w));
	OK(w->ops->access_key_put(w, &row));
	OK(w->ops->commit(w));
	read_ring(&s);
	for (int kind = TOKEN_ACCESS; kind <= TOKEN_CODE; kind++) {
		assert_string_equal(
		    fault_of(&s, (enum token_kind)kind, buf_as_slice(&texts[kind]), NOW),
		    "it was revoked");
		buf_finish(&texts[kind]);
	}
	close_server(&s);
}

static void a_revoked_session_ends_and_so_does_its_ticket(void **state)
{
	struct server s;
	struct buf session = { 0 }, other, ticket = { 0 };

	(void)state;
	open_server(&s);
	struct token t = token_of(&s, TOKEN_SESSION, 0),
	             child = { .kind = TOKEN_TICKET, .issued = NOW };
	token_encode(&session, &t, s.ring);
	other = text_of(&s, TOKEN_SESSION, 0);
	memcpy(t.credential->token_id, t.id, sizeof(t.id));
	child.credential = credential_narrow(t.credential, RIGHT_ALL, "a", 0);
	child.expires = NOW + 30000;
	token_identify(&child, counted);
	token_encode(&ticket, &child, s.ring);
	assert_true(is_good(&s, TOKEN_TICKET, &ticket, NOW) &&
	            is_good(&s, TOKEN_SESSION, &session, NOW));
	assert_true(token_is_backed(s.ring, t.credential, NOW));
	revoke_token(&s, t.id);
	assert_false(token_is_backed(s.ring, t.credential, NOW));
	assert_false(is_good(&s, TOKEN_TICKET, &ticket, NOW) ||
	             is_good(&s, TOKEN_SESSION, &session, NOW));
	assert_true(is_good(&s, TOKEN_SESSION, &other, NOW));
	assert_false(keyring_has_revoked(s.ring, ""));
	credential_release(t.credential);
	credential_release(child.credential);
	buf_finish(&session);
	buf_finish(&other);
	buf_finish(&ticket);
	close_server(&s);
}

/* A ticket that was made with the token of another issuer names the key that signed that token. */
static void a_foreign_ticket_names_its_signer(void **state)
{
	struct server s;
	struct buf text = { 0 };
	const char *fault;

	(void)state;
	open_server(&s);
	struct token t = token_of(&s, TOKEN_TICKET, 0), read;
	t.credential->kind = CREDENTIAL_FOREIGN;
	t.credential->key.id[0] = '\0';
	memset(t.credential->signer, 0xa5, DIGEST_LEN);
	credential_identify(t.credential, "jwt", SLICE("ann"));
	token_encode(&text, &t, s.ring);
	assert_true(token_decode(s.ring, TOKEN_TICKET, buf_as_slice(&text), NOW, &read, &fault));
	assert_int_equal(read.credential->kind, CREDENTIAL_FOREIGN);
	assert_memory_equal(read.credential->signer, t.credential->signer, DIGEST_LEN);
	assert_string_equal(read.credential->identity, t.credential->identity);
	credential_release(read.credential);
	buf_finish(&text);
	/* without a signer and without a key it is nobody's */
	t.credential->kind = CREDENTIAL_TOKEN;
	token_encode(&text, &t, s.ring);
	assert_false(is_good(&s, TOKEN_TICKET, &text, NOW));
	credential_release(t.credential);
	buf_finish(&text);
	close_server(&s);
}

/* ---- credential_narrow ---- */

static struct credential *maker_of(int64_t expires)
{
	struct access_key_row row = { .id = "AAAAAAAAAAAA",
		                      .rights = RIGHT_WATCH | RIGHT_REPORT,
		                      .name = xstrdup(""),
		                      .jobs = xstrdup("a b"),
		                      .expires = expires };

	return credential_create(&row);
}

static void a_part_has_no_right_and_no_time_that_the_maker_has_not(void **state)
{
	static const struct {
		int64_t maker, asked, got;
	} rows[] = { { 0, 0, 0 },          { 0, 5999, 5000 },    { 9999, 0, 9000 },
		     { 9999, 5001, 5000 }, { 5001, 9999, 5000 }, { 5000, 5000, 5000 } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct credential *maker = maker_of(rows[i].maker);
		struct credential *part = credential_narrow(maker, RIGHT_WATCH | RIGHT_ADMIN, "a",
		                                            rows[i].asked);
		assert_int_equal(part->key.expires, rows[i].got);
		assert_int_equal(credential_rights(part), RIGHT_WATCH);
		assert_string_equal(part->key.jobs, "a");
		assert_string_equal(part->key.name, "AAAAAAAAAAAA"); /* it has no name of its own */
		assert_int_equal(part->kind, CREDENTIAL_TOKEN);
		credential_release(part);
		part = credential_narrow(maker, RIGHT_ALL, NULL, 0);
		assert_string_equal(part->key.jobs, "a b");
		credential_release(part);
		credential_release(maker);
	}
}

static void identities_begin_with_their_maker_and_differ(void **state)
{
	struct credential *c = maker_of(0), *d = maker_of(0);

	(void)state;
	credential_identify(c, "AAAAAAAAAAAA", SLICE("ann"));
	credential_identify(d, "AAAAAAAAAAAA", SLICE("ann"));
	assert_string_equal(c->identity, d->identity);
	assert_memory_equal(c->identity, "AAAAAAAAAAAA/", 13);
	assert_int_equal(strlen(c->identity), 13 + TOKEN_ID_LEN);
	credential_identify(d, "AAAAAAAAAAAA", SLICE("bob"));
	assert_string_not_equal(c->identity, d->identity);
	credential_identify(d, "AAAAAAAAAAAB", SLICE("ann"));
	assert_string_not_equal(c->identity, d->identity);
	credential_release(c);
	credential_release(d);
}

/* ---- tickets ---- */

static struct token ticket(const struct tickets *t, char name, int64_t expires)
{
	struct token token = { .kind = TOKEN_TICKET, .expires = expires, .run = tickets_run(t) };

	memset(token.id, name, TOKEN_ID_LEN);
	return token;
}

static void a_ticket_is_used_once_and_then_continued(void **state)
{
	struct tickets *t = tickets_create(10, false);
	struct token a = ticket(t, 'a', 100), old = ticket(t, 'o', 100);

	(void)state;
	assert_false(tickets_continue(t, &a));
	assert_false(tickets_open(t, &a, 100));
	assert_true(tickets_open(t, &a, 99));
	assert_false(tickets_open(t, &a, 99));
	assert_true(tickets_continue(t, &a));
	old.run++; /* of an earlier process */
	assert_false(tickets_open(t, &old, 0));
	assert_true(tickets_continue(t, &old));
	tickets_free(t);
	tickets_free(NULL);
}

static void a_ticket_that_is_given_back_can_be_used_again(void **state)
{
	struct tickets *t = tickets_create(1, false);
	struct token a = ticket(t, 'a', 100), b = ticket(t, 'b', 100);

	(void)state;
	tickets_give_back(t, a.id);
	assert_true(tickets_open(t, &a, 0));
	assert_false(tickets_open(t, &b, 0));
	tickets_give_back(t, a.id);
	assert_false(tickets_continue(t, &a));
	assert_true(tickets_open(t, &b, 0));
	tickets_free(t);
}

/* One that could open another stream must not be forgotten: the new one has to wait. */
static void a_full_table_forgets_the_one_that_was_not_used_for_longest(void **state)
{
	struct tickets *t = tickets_create(3, false);
	struct token of[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		of[i] = ticket(t, (char)('a' + i), 100 + i);
	assert_true(tickets_open(t, &of[0], 0) && tickets_open(t, &of[1], 0) &&
	            tickets_open(t, &of[2], 0));
	assert_false(tickets_open(t, &of[3], 99));
	assert_true(tickets_continue(t, &of[0])); /* the oldest is now of[1], which ends at 101 */
	assert_false(tickets_open(t, &of[3], 100));
	assert_true(tickets_open(t, &of[3], 101));
	assert_true(tickets_continue(t, &of[0]) && tickets_continue(t, &of[2]));
	assert_false(tickets_continue(t, &of[1]) || tickets_open(t, &of[1], 101));
	tickets_free(t);
}

static void a_ticket_of_any_node_is_remembered_once_it_was_used(void **state)
{
	struct tickets *a = tickets_create(10, true), *b = tickets_create(10, true);
	struct token made = ticket(a, 'm', 100), noted = ticket(a, 'n', 100);

	(void)state;
	assert_true(tickets_have_nodes(a) && tickets_run(a) == tickets_run(b));
	assert_false(tickets_continue(b, &made)); /* the database may know of it */
	assert_true(tickets_open(b, &made, 0));
	assert_false(tickets_open(b, &made, 0));
	assert_true(tickets_continue(b, &made));
	for (int i = 0; i < 2; i++)
		tickets_note(b, &noted, 0);
	assert_true(tickets_continue(b, &noted));
	assert_false(tickets_open(b, &noted, 0));
	tickets_give_back(b, made.id);
	assert_true(tickets_open(b, &made, 0));
	tickets_free(a);
	tickets_free(b);
}

struct race {
	struct tickets *tickets;
	atomic_int opened;
};

static void *open_all(void *context)
{
	struct race *r = context;

	for (int i = 0; i < 1000; i++) {
		struct token t = ticket(r->tickets, 'a', 100);
		snprintf(t.id, sizeof(t.id), "%022d", i);
		r->opened += tickets_open(r->tickets, &t, 0);
		assert_true(tickets_continue(r->tickets, &t));
	}
	return NULL;
}

static void a_ticket_is_used_once_by_many_threads(void **state)
{
	struct race r = { .tickets = tickets_create(1000, false) };
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_all, &r), 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(r.opened, 1000);
	tickets_free(r.tickets);
}

/* ---- the cache ---- */

static void a_verified_token_is_found_until_it_expires(void **state)
{
	struct credential_cache *cache = xcalloc(1, sizeof(*cache));
	struct credential *c = maker_of(1000), *found;

	(void)state;
	assert_null(credential_cache_find(cache, SLICE("t"), 0));
	credential_cache_add(cache, SLICE("t"), c);
	found = credential_cache_find(cache, SLICE("t"), 999);
	assert_ptr_equal(found, c);
	credential_release(found);
	assert_null(credential_cache_find(cache, SLICE("t"), 1000));
	assert_null(credential_cache_find(cache, SLICE("T"), 0));
	assert_null(credential_cache_find(cache, SLICE(""), 0));
	assert_int_equal(c->references, 2);
	credential_cache_clear(cache);
	assert_null(credential_cache_find(cache, SLICE("t"), 0));
	assert_int_equal(c->references, 1);
	credential_release(c);
	free(cache);
}

static void a_token_takes_the_place_of_another_one(void **state)
{
	struct credential_cache *cache = xcalloc(1, sizeof(*cache));
	struct credential *c = maker_of(0);
	size_t found = 0;

	(void)state;
	for (int i = 0; i < 3 * CREDENTIAL_CACHE_SLOTS; i++) {
		char text[16];
		snprintf(text, sizeof(text), "t%d", i);
		credential_cache_add(cache, slice_of(text), c);
	}
	for (int i = 0; i < 3 * CREDENTIAL_CACHE_SLOTS; i++) {
		char text[16];
		snprintf(text, sizeof(text), "t%d", i);
		struct credential *one = credential_cache_find(cache, slice_of(text), 0);
		found += one != NULL;
		credential_release(one);
	}
	assert_in_range(found, CREDENTIAL_CACHE_SLOTS / 2, CREDENTIAL_CACHE_SLOTS);
	assert_int_equal(c->references, found + 1);
	credential_cache_clear(cache);
	credential_release(c);
	free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_comes_back_as_it_was_made),
		cmocka_unit_test(no_kind_is_another),
		cmocka_unit_test(a_token_with_a_changed_bit_is_refused),
		cmocka_unit_test(a_token_of_another_server_is_refused),
		cmocka_unit_test(the_signing_key_is_made_once),
		cmocka_unit_test(a_token_expires_at_its_millisecond),
		cmocka_unit_test(a_token_ends_with_its_key),
		cmocka_unit_test(an_expired_ticket_continues_as_long_as_its_key),
		cmocka_unit_test(a_revoked_key_ends_its_tokens),
		cmocka_unit_test(a_revoked_session_ends_and_so_does_its_ticket),
		cmocka_unit_test(a_foreign_ticket_names_its_signer),
		cmocka_unit_test(a_part_has_no_right_and_no_time_that_the_maker_has_not),
		cmocka_unit_test(identities_begin_with_their_maker_and_differ),
		cmocka_unit_test(a_ticket_is_used_once_and_then_continued),
		cmocka_unit_test(a_ticket_that_is_given_back_can_be_used_again),
		cmocka_unit_test(a_ticket_of_any_node_is_remembered_once_it_was_used),
		cmocka_unit_test(a_full_table_forgets_the_one_that_was_not_used_for_longest),
		cmocka_unit_test(a_ticket_is_used_once_by_many_threads),
		cmocka_unit_test(a_verified_token_is_found_until_it_expires),
		cmocka_unit_test(a_token_takes_the_place_of_another_one),
	};

	return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
