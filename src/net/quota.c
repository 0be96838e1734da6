#include "quota.h"

#include <inttypes.h>
#include <stdio.h>

#include "joblight/core/credential.h"
#include "loop_private.h"

#define ANSWERED_MAX 64 /* connections over the limit that get an answer at a time */
#define MINUTE_MS 60000
#define BUSY_MS 1000 /* when to try again what is limited by number and not by rate */

const struct problem quota_connections_full = {
	.outcome = OUTCOME_RATE_LIMITED,
	.detail = "this address has the maximum number of connections; close some",
	.wait_ms = BUSY_MS,
};

static struct rate per_second(const struct conn *c, uint64_t count)
{
	uint64_t window = c->loop->limits->rate_window_ms;

	return (struct rate){ count * window / 1000, window };
}

static bool refuse(struct problem *problem, uint64_t wait_ms, const char *who, const char *what)
{
	problem->wait_ms = (unsigned)(wait_ms < UINT32_MAX ? wait_ms : UINT32_MAX);
	return problem_set(problem, OUTCOME_RATE_LIMITED, "%s %s; try again in %" PRIu64 " ms", who,
	                   what, wait_ms);
}

/* Connections. */

static struct client *hold_address(struct loop *l, const struct client_address *a)
{
	if (a->family != ADDRESS_IP || client_address_is_loopback(a))
		return NULL;
	struct client_name name = client_name_of_address(a);
	return clients_hold(l->loops->clients, &name, loop_now(l));
}

static void release(struct conn *c, struct client **client)
{
	clients_release(c->loop->loops->clients, *client, loop_now(c->loop));
	*client = NULL;
}

enum quota_verdict quota_arrive(struct loop *l, const struct client_address *peer,
                                struct client **origin)
{
	uint64_t max = l->limits->address_connections;

	*origin = trusted_proxies_have(&l->settings->proxies, peer) ? NULL : hold_address(l, peer);
	if (!*origin)
		return QUOTA_FREE;
	unsigned before = atomic_fetch_add_explicit(&(*origin)->connections, 1,
	                                            memory_order_relaxed);
	if (!max || before < max)
		return QUOTA_FREE;
	metric_count(METRIC_RATE_LIMITED + LABEL_LIMIT_ADDRESS_CONNECTIONS);
	return before < max + ANSWERED_MAX ? QUOTA_FULL : QUOTA_EXCESS;
}

void quota_leave(struct loop *l, struct client *origin)
{
	if (origin)
		atomic_fetch_sub_explicit(&origin->connections, 1, memory_order_relaxed);
	clients_release(l->loops->clients, origin, loop_now(l));
}

/* Who is behind a PROXY header without an address may send any X-Forwarded-For through the proxy.
 */
void quota_adopt(struct conn *c, const struct arrival *a)
{
	c->peer = c->address = a->peer;
	c->is_proxy = trusted_proxies_have(&c->loop->settings->proxies, &a->peer) &&
	              (!a->has_header || a->has_source);
	c->by_proxy = c->is_proxy || a->has_header;
	c->origin = a->origin;
	if (!c->is_proxy)
		c->by_address = hold_address(c->loop, &a->peer);
}

static void forget_key(struct conn *c)
{
	if (!c->by_key)
		return;
	atomic_fetch_sub_explicit(&c->by_key->connections, 1, memory_order_relaxed);
	release(c, &c->by_key);
}

void quota_finish(struct conn *c)
{
	forget_key(c);
	release(c, &c->by_address);
	quota_leave(c->loop, c->origin);
	c->origin = NULL;
}

/* Who sends a request. */

/* Only a proxy sends requests of several clients. */
static void find_address(struct conn *c, const struct request *r)
{
	if (!c->is_proxy)
		return;
	struct client_address now = client_address_forwarded(&c->loop->settings->proxies, &c->peer,
	                                                     r->headers[HEADER_X_FORWARDED_FOR]);

	if (c->by_address && client_address_equal(&now, &c->address))
		return;
	release(c, &c->by_address);
	c->address = now;
	if (!trusted_proxies_have(&c->loop->settings->proxies, &now))
		c->by_address = hold_address(c->loop, &now);
}

static bool limits_keys(const struct limits *l)
{
	return l->key_connections || l->key_streams || l->key_requests || l->key_updates;
}

static void find_key(struct conn *c)
{
	struct client_name name;

	if (!c->credential || !limits_keys(c->loop->limits)) {
		forget_key(c);
		return;
	}
	name = client_name_of_key(c->credential->identity);
	if (c->by_key && memcmp(&c->by_key->name, &name, sizeof(name)) == 0)
		return;
	forget_key(c);
	c->by_key = clients_hold(c->loop->loops->clients, &name, loop_now(c->loop));
	atomic_fetch_add_explicit(&c->by_key->connections, 1, memory_order_relaxed);
}

/* Rates.  The limits of a connection, the buckets that they use, and their names for clients. */

enum scope { SCOPE_ADDRESS, SCOPE_KEY, SCOPE_ALL, SCOPE_COUNT };

#define AT(field) offsetof(struct limits, field)

static const struct {
	const char *who;      /* in a message */
	const char *names[2]; /* in the fields: of requests, of updates */
	size_t limits[2];     /* where they are in struct limits */
	enum label_LIMIT labels[2];
} scopes[SCOPE_COUNT] = {
	[SCOPE_ADDRESS] = { "this address sends",
	                    { "address", "address-updates" },
	                    { AT(address_requests), AT(address_updates) },
	                    { LABEL_LIMIT_ADDRESS_REQUESTS, LABEL_LIMIT_ADDRESS_UPDATES } },
	[SCOPE_KEY] = { "this key sends",
	                { "key", "key-updates" },
	                { AT(key_requests), AT(key_updates) },
	                { LABEL_LIMIT_KEY_REQUESTS, LABEL_LIMIT_KEY_UPDATES } },
	[SCOPE_ALL] = { "all clients together send",
	                { "all", "all-updates" },
	                { AT(all_requests), AT(all_updates) },
	                { LABEL_LIMIT_ALL_REQUESTS, LABEL_LIMIT_ALL_UPDATES } },
};

/* NULL: the connection has no limits of this scope. */
static struct client *client_of(const struct conn *c, enum scope s)
{
	return s == SCOPE_ADDRESS ? c->by_address
	       : s == SCOPE_KEY   ? (c->credential ? c->by_key : NULL)
	                          : &c->loop->loops->everyone;
}

/* In each second; 0: there is no such limit. */
static uint64_t limit_of(const struct conn *c, enum scope s, bool updates)
{
	const char *limits = (const char *)c->loop->limits;

	return *(const uint64_t *)(const void *)(limits + scopes[s].limits[updates]);
}

static bool take(struct conn *c, enum scope s, bool updates, size_t count, struct problem *problem)
{
	uint64_t limit = limit_of(c, s, updates);
	struct client *client = limit ? client_of(c, s) : NULL;

	if (!client)
		return true;
	struct rate rate = per_second(c, limit);
	uint64_t wait = bucket_take(updates ? &client->updates : &client->requests, &rate, count,
	                            loop_now(c->loop));
	if (!wait)
		return true;
	metric_count(METRIC_RATE_LIMITED + scopes[s].labels[updates]);
	return refuse(problem, wait, scopes[s].who,
	              updates ? "too many updates" : "too many requests");
}

bool quota_takes_request(struct conn *c, const struct request *r, struct problem *problem)
{
	find_address(c, r);
	c->writes = false;
	return take(c, SCOPE_ADDRESS, false, 1, problem) && take(c, SCOPE_ALL, false, 1, problem);
}

bool quota_takes_key(struct conn *c, struct problem *problem)
{
	uint64_t max = c->loop->limits->key_connections;

	find_key(c);
	if (max && c->by_key && atomic_load(&c->by_key->connections) > max) {
		forget_key(c);
		metric_count(METRIC_RATE_LIMITED + LABEL_LIMIT_KEY_CONNECTIONS);
		return refuse(problem, BUSY_MS, "this key",
		              "has the maximum number of connections");
	}
	return take(c, SCOPE_KEY, false, 1, problem);
}

bool quota_takes_message(struct conn *c, struct problem *problem)
{
	return take(c, SCOPE_ADDRESS, false, 1, problem) && take(c, SCOPE_KEY, false, 1, problem) &&
	       take(c, SCOPE_ALL, false, 1, problem);
}

bool quota_takes_updates(struct conn *c, size_t count, struct problem *problem)
{
	c->writes = true;
	return take(c, SCOPE_ADDRESS, true, count, problem) &&
	       take(c, SCOPE_KEY, true, count, problem) && take(c, SCOPE_ALL, true, count, problem);
}

bool quota_takes_wrong_key(struct conn *c, struct problem *problem)
{
	struct rate rate = { c->loop->limits->wrong_keys, MINUTE_MS };
	uint64_t wait = c->by_address
	                    ? bucket_take(&c->by_address->wrong_keys, &rate, 1, loop_now(c->loop))
	                    : 0;

	if (!wait)
		return true;
	metric_count(METRIC_RATE_LIMITED + LABEL_LIMIT_WRONG_KEYS);
	return refuse(problem, wait, "this address sends", "too many wrong keys");
}

/* Streams. */

static bool add_stream(struct client *client, uint64_t max)
{
	if (!client)
		return true;
	if (atomic_fetch_add_explicit(&client->streams, 1, memory_order_relaxed) < max || !max)
		return true;
	atomic_fetch_sub_explicit(&client->streams, 1, memory_order_relaxed);
	return false;
}

static void remove_stream(struct client *client)
{
	if (client)
		atomic_fetch_sub_explicit(&client->streams, 1, memory_order_relaxed);
}

bool quota_count_stream(struct conn *c, struct problem *problem)
{
	const struct limits *limits = c->loop->limits;
	bool by_address = add_stream(c->by_address, limits->address_streams);

	if (by_address && add_stream(c->by_key, limits->key_streams))
		return true;
	if (by_address)
		remove_stream(c->by_address);
	metric_count(METRIC_RATE_LIMITED +
	             (by_address ? LABEL_LIMIT_KEY_STREAMS : LABEL_LIMIT_ADDRESS_STREAMS));
	return refuse(problem, BUSY_MS, by_address ? "this key" : "this address",
	              "has the maximum number of streams");
}

void quota_uncount_stream(struct conn *c)
{
	remove_stream(c->by_address);
	remove_stream(c->by_key);
}

bool quota_renew(struct conn *c, struct problem *problem)
{
	if (c->counted)
		remove_stream(c->by_key);
	find_key(c);
	if (!c->counted || add_stream(c->by_key, c->loop->limits->key_streams))
		return true;
	if (c->by_key) /* it is closed, and then counted out */
		atomic_fetch_add_explicit(&c->by_key->streams, 1, memory_order_relaxed);
	metric_count(METRIC_RATE_LIMITED + LABEL_LIMIT_KEY_STREAMS);
	return refuse(problem, BUSY_MS, "this key", "has the maximum number of streams");
}

/* Refusals. */

#define DELAY_MS 100

bool quota_is_refusal(int status)
{
	return status == 401 || status == 403 || status == 404 || status == 421 || status == 429;
}

void quota_count_answer(struct conn *c, int status)
{
	uint64_t max = c->loop->limits->refusals;

	c->refusals = quota_is_refusal(status) ? c->refusals + 1 : 0;
	if (!max || c->refusals < max || c->close_after)
		return;
	c->close_after = true;
	metric_count(METRIC_REFUSED_IN_A_ROW);
}

uint64_t quota_delay_ms(const struct conn *c)
{
	uint64_t max = c->loop->limits->refusals;

	return max && c->refusals > max / 2 && !c->close_after ? DELAY_MS : 0;
}

/* The fields of answers. */

static uint64_t seconds(uint64_t ms)
{
	return (ms + 999) / 1000;
}

/* Calls add() for each limit of the request, whose result is its number. */
static int add_all(const struct conn *c, struct buf *head,
                   void (*add)(struct buf *, struct bucket *, const struct rate *, uint64_t now))
{
	int count = 0;

	for (int i = 0; i < 2 * SCOPE_COUNT; i++) {
		bool updates = i >= SCOPE_COUNT;
		enum scope s = (enum scope)(i % SCOPE_COUNT);
		uint64_t limit = limit_of(c, s, updates);
		struct client *client = limit ? client_of(c, s) : NULL;
		if (!client || (updates && !c->writes))
			continue;
		struct rate rate = per_second(c, limit);
		buf_text(head, count++ ? ", \"" : "\"");
		buf_text(head, scopes[s].names[updates]);
		add(head, updates ? &client->updates : &client->requests, &rate, loop_now(c->loop));
	}
	return count;
}

static void add_policy(struct buf *head, struct bucket *b, const struct rate *r, uint64_t now)
{
	(void)b;
	(void)now;
	buf_text(head, "\";q=");
	buf_u64(head, r->quota);
	buf_text(head, ";w=");
	buf_u64(head, seconds(r->window_ms));
}

static void add_level(struct buf *head, struct bucket *b, const struct rate *r, uint64_t now)
{
	struct bucket_level level = bucket_level(b, r, now);

	buf_text(head, "\";r=");
	buf_u64(head, level.left);
	buf_text(head, ";t=");
	buf_u64(head, seconds(level.full_ms));
}

void quota_add_fields(const struct conn *c, struct buf *head)
{
	size_t before = head->len;
	const struct limits *limits = c->loop->limits;

	if (!c->by_address && !c->by_key && !limits->all_requests && !limits->all_updates)
		return;
	buf_text(head, "RateLimit-Policy: ");
	if (!add_all(c, head, add_policy)) {
		head->len = before;
		return;
	}
	buf_text(head, "\r\nRateLimit: ");
	add_all(c, head, add_level);
	buf_text(head, "\r\n");
}
