#include "access.h"

#include "joblight/base/clock.h"
#include "joblight/core/token.h"
#include "loop_private.h"
#include "transport.h"

bool access_is_open(const struct loop *l)
{
	return keyring_is_open(l->keyring) && !l->issuer;
}

/* ---- finding ---- */

/* A token of this server, or of the other issuer. */
static struct credential *verify(const struct loop *l, struct slice text, int64_t now,
                                 const char **fault)
{
	struct token token;

	if (!l->issuer || token_is_own(text))
		return token_decode(l->keyring, TOKEN_ACCESS, text, now, &token, fault)
		           ? token.credential
		           : NULL;
	return issuer_verify(l->issuer, text, now, fault);
}

static struct credential *find_token(struct loop *l, struct slice text, int64_t now,
                                     const char **fault)
{
	struct credential *c = credential_cache_find(&l->credentials, text, now);

	if (c)
		return c;
	c = verify(l, text, now, fault);
	if (c)
		credential_cache_add(&l->credentials, text, c);
	return c;
}

static struct credential *find(struct loop *l, struct slice text, int64_t now, const char **fault)
{
	if (text.len && memchr(text.ptr, '.', text.len))
		return find_token(l, text, now, fault);
	return credential_hold(keyring_find(l->keyring, text, now));
}

struct credential *access_find(struct conn *c, struct slice text, const char **fault)
{
	struct loop *l = c->loop;
	int64_t now = clock_shared_ms();
	struct credential *found = shown_find(&c->shown, text, l->keys_generation, now);

	*fault = NULL;
	if (found)
		return found;
	found = find(l, text, now, fault);
	if (found && c->state != CONN_SOCKET)
		shown_keep(&c->shown, text, l->keys_generation, found);
	return found;
}

/* ---- granting ---- */

const char *access_identity(const struct conn *c)
{
	return c->credential ? c->credential->identity : NULL;
}

void access_grant(struct conn *c, struct credential *credential, enum right rights)
{
	credential_hold(credential);
	credential_release(c->credential);
	c->credential = credential;
	c->rights = rights;
	if (credential && credential->key.expires && credential->key.expires < c->loop->next_end)
		c->loop->next_end = credential->key.expires;
}

static void expel(struct conn *c)
{
	if (c->transport && c->transport->expelled)
		c->transport->expelled(c);
	else
		conn_close(c);
}

/* Requests that are being answered finish; only streams, WebSockets and waiting polls are ended. */
static void check_connection(struct conn *c)
{
	struct loop *l = c->loop;
	int64_t end = c->credential ? c->credential->key.expires : 0;
	bool over = !c->credential || credential_is_over(c->credential, clock_shared_ms());

	if (over && c->transport && c->state != CONN_CLOSING)
		expel(c);
	else if (!over && end && end < l->next_end)
		l->next_end = end;
}

static void check_all(struct loop *l)
{
	l->next_end = INT64_MAX;
	connection_table_each(&l->conns, check_connection);
}

/* ---- changes ---- */

/* What the connection's credential is now; NULL: not in force any more. */
static struct credential *current(const struct loop *l, struct credential *c)
{
	switch (c->kind) {
	case CREDENTIAL_KEY:
		return keyring_get(l->keyring, c->key.id);
	case CREDENTIAL_TOKEN:
		return token_is_backed(l->keyring, c, clock_shared_ms()) ? c : NULL;
	case CREDENTIAL_FOREIGN:
		return issuer_knows(l->issuer, c) ? c : NULL;
	}
	return NULL;
}

bool access_is_backed(const struct loop *l, struct credential *c)
{
	return current(l, c) != NULL;
}

/* Connections without a credential were accepted before the first key was made. */
static void renew(struct conn *c)
{
	struct credential *now = c->credential ? current(c->loop, c->credential) : NULL;

	if (now != c->credential)
		access_grant(c, now, now ? credential_rights(now) : RIGHT_NONE);
}

static void renew_all(struct loop *l)
{
	l->keys_generation++;
	credential_cache_clear(&l->credentials);
	if (access_is_open(l))
		return;
	connection_table_each(&l->conns, renew);
	check_all(l);
}

void access_take_keyring(struct loop *l, struct keyring *ring)
{
	if (keyring_version(ring) && keyring_version(ring) <= keyring_version(l->keyring))
		return; /* it was overtaken, on its way from the database */
	keyring_hold(ring);
	keyring_release(l->keyring);
	l->keyring = ring;
	renew_all(l);
}

void access_take_issuer(struct loop *l, struct issuer *issuer)
{
	issuer_hold(issuer);
	issuer_release(l->issuer);
	l->issuer = issuer;
	renew_all(l);
}

void access_tick(struct loop *l)
{
	if (!access_is_open(l) && clock_shared_ms() >= l->next_end)
		check_all(l);
}
