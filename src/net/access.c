#include "access.h"

#include "joblight/base/clock.h"
#include "loop_private.h"
#include "transport.h"

void access_grant(struct conn *c, struct credential *credential, enum right rights)
{
	credential_hold(credential);
	credential_release(c->credential);
	c->credential = credential;
	c->rights = rights;
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
	bool over = !c->credential || credential_is_over(c->credential, clock_wall_ms());

	if (over && c->transport && c->state != CONN_CLOSING)
		expel(c);
}

/* Connections without a credential were accepted before the first key was made. */
static void renew(struct conn *c)
{
	const char *id = c->credential ? c->credential->key.id : NULL;
	struct credential *now = id ? keyring_get(c->loop->keyring, id) : NULL;

	access_grant(c, now, now ? credential_rights(now) : RIGHT_NONE);
	check_connection(c);
}

void access_take_keyring(struct loop *l, struct keyring *ring)
{
	keyring_hold(ring);
	keyring_release(l->keyring);
	l->keyring = ring;
	l->next_key_end = 0;
	connection_table_each(&l->conns, renew);
}

void access_tick(struct loop *l)
{
	int64_t now = clock_wall_ms();

	if (keyring_is_open(l->keyring) || now < l->next_key_end)
		return;
	l->next_key_end = keyring_next_end(l->keyring, now);
	connection_table_each(&l->conns, check_connection);
}
