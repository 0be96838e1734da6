/* The parts of a running server, for the files that start, change and stop it.  Main thread,
 * unless a function says otherwise. */
#ifndef JOBLIGHT_SERVE_SERVER_STATE_H
#define JOBLIGHT_SERVE_SERVER_STATE_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "config.h"
#include "exporter.h"
#include "file_stamp.h"
#include "joblight/api/api.h"
#include "joblight/api/base_path.h"
#include "joblight/core/issuer.h"
#include "joblight/base/metrics.h"
#include "joblight/core/bus.h"
#include "joblight/core/service.h"
#include "joblight/net/loop.h"
#include "joblight/net/loop_settings.h"
#include "joblight/store/backend.h"
#include "joblight/work/reader.h"
#include "joblight/work/writer.h"
#include "key_watch.h"
#include "listen_option.h"
#include "notify.h"
#include "passed_sockets.h"
#include "predecessor.h"
#include "successor.h"
#include "tls_files.h"

/* Writes that wait while another process tries to take the place of this one. */
struct parking {
	pthread_mutex_t lock; /* protects the rest */
	bool open;
	struct mail *first, **last;
	size_t count;
};

struct server {
	struct config config; /* in force; the server owns its texts */
	struct limits limits;
	struct notify notify;
	struct passed_sockets passed;
	struct listens listens;
	struct tls_files tls_files;
	struct file_stamp issuer_stamp; /* of --jwt-keys */
	struct database *database;
	_Atomic(struct writer *) writer;
	struct writer **ended; /* those of upgrades that failed; a loop may still look at one */
	size_t ended_count;
	struct parking parking;
	struct reader *reader;
	char base_path[BASE_PATH_MAX + 1]; /* "" or "/a/b" */
	struct pages *pages;
	struct api api;
	struct credential *first_key; /* of --key-file, or NULL */
	struct keyring *keyring;      /* as it was at the start */
	struct key_watch key_watch;
	struct issuer *issuer;     /* of --jwt-keys, or NULL */
	struct exporter *exporter; /* of --otlp-endpoint, or NULL */
	struct bus *bus;
	struct loops *loops;
	struct loop_settings *settings; /* of the loops */
	struct predecessor predecessor;
	struct successor successor;
	char successor_pid[16]; /* for the log */
	struct service service;
	uint64_t look_due;       /* when to look at the files again */
	struct store **sessions; /* one for each reader, which owns it once it has started */
	unsigned readers;
};

/* ---- server_state.c ---- */

/* The settings of the loops, as the configuration says.  The caller owns the reference. */
struct loop_settings *server_loop_settings(const struct server *s, const struct config *c);

/* ---- server_store.c ---- */

bool server_open_store(struct server *s, const struct config *c);
void server_start_writer(struct server *s);
/* Functions of struct service: any thread. */
bool server_submit(void *server, struct op *op);
/*
 * Commits what was submitted, and gives the database to another process; what is submitted from now
 * on waits.  Then either takes the database back and commits what has waited (false: it cannot be
 * had, for the reason that was logged), or refuses it.
 */
void server_lend_store(struct server *s);
bool server_take_back_store(struct server *s);
void server_refuse_parked(struct server *s);
void server_free_writers(struct server *s);
void server_measure_writer(void *server, struct metric_values *v); /* see metrics_add_source() */

/* ---- server_life.c ---- */

/* Feeds the watchdog of systemd while every loop and the store thread turn. */
void server_show_life(struct server *s);

/* ---- upgrade.c ---- */

/*
 * Starts the program again in the place of this process.  True: it serves, and this process is to
 * end.  False: this one goes on, with the signal *next if its number is not 0; SIGABRT, which
 * nobody sent: without a database.
 */
bool server_upgrade(struct server *s, const sigset_t *signals, siginfo_t *next);

#endif
