/*
 * What the limits count for each client: one entry for each address (an IPv6 network of 64 bits)
 * and one for each access key or token, with the connections and streams that are open, and the
 * buckets of its rates.
 *
 * All loops share one table, because the kernel gives the connections of one client to any of them:
 * a limit that were divided among the loops would be too low for a client with one connection, and
 * a limit for each loop too high for one with many.  A connection looks its entry up once (behind a
 * proxy: when the address of its requests changes), under a mutex, and holds it.  From then on a
 * request costs one load and one compare-and-swap on the entry.
 *
 * The table is bounded: an entry that no connection holds is forgotten after a while, and earlier,
 * the oldest first, when there are more than CLIENTS_IDLE_MAX of them.
 */
#ifndef JOBLIGHT_NET_CLIENTS_H
#define JOBLIGHT_NET_CLIENTS_H

#include "bucket.h"
#include "joblight/base/hash.h"
#include "joblight/base/list.h"
#include "joblight/net/client_address.h"

#define CLIENTS_IDLE_MAX 16384
#define CLIENTS_IDLE_MS 120000 /* longer than most windows */
#define CLIENT_NAME_MAX 40     /* at least IDENTITY_MAX */

/* The key of an entry: an address, or the identity of a credential. */
struct client_name {
	uint8_t kind; /* 'a' or 'k' */
	uint8_t bytes[CLIENT_NAME_MAX];
};

struct client {
	struct client_name name;
	atomic_uint connections, streams;
	struct bucket requests, updates, wrong_keys;
	/* of the table, under its mutex */
	unsigned references;
	uint64_t idle_since;
	struct list idle;
	UT_hash_handle hh;
};

struct clients;

struct client_name client_name_of_address(const struct client_address *a);
struct client_name client_name_of_key(const char *id);

struct clients *clients_create(void);
void clients_free(struct clients *t);
/* Any thread.  Finds or makes the entry, and holds it. */
struct client *clients_hold(struct clients *t, const struct client_name *name, uint64_t now_ms);
void clients_release(struct clients *t, struct client *c, uint64_t now_ms); /* NULL is ignored */
/* Any thread.  Forgets entries that nobody has held for CLIENTS_IDLE_MS. */
void clients_tick(struct clients *t, uint64_t now_ms);
size_t clients_count(struct clients *t);

#endif
