/* The parts of a bus of several nodes, for the files that share them. */
#ifndef JOBLIGHT_BUS_CLUSTER_STATE_H
#define JOBLIGHT_BUS_CLUSTER_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "carrier.h"
#include "cluster.h"
#include "joblight/base/mailbox.h"
#include "members.h"
#include "nodes.h"
#include "subscriptions.h"
#include "watched.h"

#define PREFIX_MAX 64

struct heads_read;

struct cluster {
	struct bus base; /* first */
	struct bus_members members;
	char prefix[PREFIX_MAX + 1];
	uint64_t id; /* of this node: a random number */
	enum label_BUS label;
	const struct service *service;
	struct credential *first_key;

	/* any thread */
	struct mailbox mail;      /* struct cluster_mail: what the other nodes are to know */
	atomic_size_t mail_bytes; /* of the batches in it */
	atomic_bool mail_lost;    /* it did not take a batch */
	struct mailbox answers;   /* of the reads of the database */
	struct watched *watched;
	atomic_bool stopping;
	pthread_mutex_t keys_lock;  /* protects the next one, and the order of keyrings */
	uint64_t keyrings;          /* how many this node has made */
	pthread_mutex_t state_lock; /* protects the next three */
	bool is_up;
	uint64_t changed_ms; /* since when */
	char cause[256];

	/* the thread of the bus */
	uv_loop_t loop;
	uv_async_t async;
	uv_timer_t tick;
	pthread_t thread;
	bool has_begun;
	struct carrier *carrier;
	bool is_connected; /* the carrier is up */
	struct slice nodes_channel, own_channel;
	char nodes_name[CHANNEL_MAX], own_name[CHANNEL_MAX];
	struct subscriptions *subscriptions;
	struct nodes *nodes;
	struct presence *agents; /* that report to this node */
	struct batch *arrived;   /* events of other nodes that the loops have not got; or NULL */
	struct buf body, message, counts, reports; /* see announce.c */
	uint64_t number;                           /* of the last message to all */
	bool has_lost;                             /* the other nodes miss events of this one */
	uint64_t here_ms, counts_ms, compared_ms, unread_ms, lost_told_ms;
	struct heads_read *read; /* that runs; or NULL */
	bool keys_doubted;
	struct keyring *offered; /* the last that the loops got from here; or NULL */
	uint64_t offered_after;  /* keyrings that this node had made by then */
};

#endif
