#include "server.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptors.h"
#include "first_key.h"
#include "issuer_file.h"
#include "joblight/base/audit.h"
#include "listen_option.h"
#include "tls_files.h"
#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/base/memory.h"
#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"
#include "joblight/bus/buses.h"
#include "joblight/net/loop.h"
#include "joblight/api/api.h"
#include "joblight/store/backend.h"
#include "joblight/work/reader.h"
#include "joblight/work/writer.h"

#define LARGE_BLOCK (1024 * 1024)

struct server {
	struct config config; /* its texts belong to the caller of server_run() */
	struct limits limits;
	struct passed_sockets passed;
	struct listens listens;
	struct tls_files tls_files;
	struct file_stamp issuer_stamp; /* of --jwt-keys */
	struct database *database;
	struct writer *writer;
	struct reader *reader;
	struct pages *pages;
	struct api api;
	struct credential *first_key; /* of --key-file, or NULL */
	struct keyring *keyring;      /* as it was at the start */
	struct issuer *issuer;        /* of --jwt-keys, or NULL */
	struct bus *bus;
	struct loops *loops;
	struct service service;
	struct store **sessions; /* one for each reader, which owns it once it has started */
	unsigned readers;
};

static bool submit(void *context, struct op *op)
{
	return writer_submit(((struct server *)context)->writer, op);
}

static bool read_store(void *context, struct read_request *r)
{
	return reader_submit(((struct server *)context)->reader, r);
}

static void deliver(void *context, struct batch *batch, struct op *ops)
{
	struct bus *bus = ((struct server *)context)->bus;

	bus->ops->publish(bus, batch, ops);
}

/* Without keys, whoever reaches the server may do everything. */
static bool check_reach(const struct config *c, const struct listen *l)
{
	char name[LISTEN_NAME_MAX];

	if (l->local)
		return true;
	listen_name(l, name);
	if (!c->insecure) {
		fprintf(
		    stderr,
		    "joblight: %s is not a loopback address and there are no keys: anybody who can "
		    "reach it could write.\n"
		    "Make a key with `joblight key create`, listen on 127.0.0.1, or pass "
		    "--insecure\n",
		    l->host);
		return false;
	}
	log_warn("anybody who can reach this address can read and write: --insecure", "listen",
	         name);
	return true;
}

static bool check_reach_of_all(const struct server *s, const struct config *c)
{
	bool is_open = keyring_is_open(s->keyring) && !s->issuer;

	for (unsigned i = 0; is_open && i < s->listens.count; i++)
		if (!check_reach(c, &s->listens.items[i]))
			return false;
	return true;
}

/*
 * The rest of the memory is for the kernel's side of the connections, and for the page cache, which
 * the store depends on.
 */
static void set_memory_defaults(struct limits *limits)
{
	if (!limits->memory_bytes)
		limits->memory_bytes = memory_of_machine() / 10 * 8;
	if (!limits->snapshot_bytes)
		limits->snapshot_bytes = limits->memory_bytes / 4;
	if (!limits->replies_bytes)
		limits->replies_bytes = limits->memory_bytes / 4;
	/*
	 * Returns large blocks to the system as soon as they are freed; by default the allocator
	 * would adapt and keep them.
	 */
	mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	mallopt(M_TRIM_THRESHOLD, 4 * LARGE_BLOCK);
}

static bool open_audit(const struct config *c)
{
	if (!c->audit_log || audit_open(c->audit_log))
		return true;
	fprintf(stderr, "joblight: --audit-log %s: %s\n", c->audit_log,
	        errno == ELOOP || errno == EINVAL
	            ? "it must be a file of its own, not a link, a pipe or a device"
	            : strerror(errno));
	return false;
}

static bool open_store(struct server *s, const struct config *c)
{
	enum durability d = strcmp(c->durability, "process") == 0 ? DURABILITY_PROCESS
	                                                          : DURABILITY_FULL;
	char error[512];

	s->database = database_open(c->db, d, error, sizeof(error));
	if (!s->database) {
		fprintf(stderr, "joblight: %s\n", error);
		return false;
	}
	s->sessions = xcalloc(c->readers, sizeof(*s->sessions));
	for (s->readers = 0; s->readers < c->readers; s->readers++) {
		s->sessions[s->readers] = database_reader(s->database);
		if (!s->sessions[s->readers]) {
			fprintf(stderr, "joblight: %s cannot be read\n", c->db);
			return false;
		}
	}
	return true;
}

static bool read_keys(struct server *s, const struct config *c)
{
	if (c->key_file && !(s->first_key = first_key_read(c->key_file)))
		return false;
	struct store *writer = database_writer(s->database);
	if (keyring_prepare(writer, random_bytes) == STORE_OK &&
	    keyring_read(writer, s->first_key, &s->keyring) == STORE_OK)
		return true;
	fprintf(stderr, "joblight: the keys in %s cannot be read: %s\n", c->db,
	        store_error(writer));
	return false;
}

static bool read_issuer(struct server *s, const struct config *c)
{
	char error[512];

	if (c->jwt_keys)
		file_stamp_changed(&s->issuer_stamp, c->jwt_keys);
	if (issuer_file_read(c, &s->issuer, error, sizeof(error)))
		return true;
	fprintf(stderr, "joblight: %s\n", error);
	return false;
}

/* A file with a mistake changes nothing. */
static void reload_issuer(struct server *s)
{
	struct issuer *next;
	char error[512];

	if (!s->config.jwt_keys)
		return;
	if (!issuer_file_read(&s->config, &next, error, sizeof(error))) {
		log_error("the keys of tokens were not changed", "cause", error);
		return;
	}
	loops_set_issuer(s->loops, next);
	issuer_release(s->issuer);
	s->issuer = next;
	log_info("the keys of tokens were read again", "file", s->config.jwt_keys);
}

/* The loops exist by now, because the writer may publish at once; they are started last. */
static void start_threads(struct server *s)
{
	s->writer = writer_start(database_writer(s->database), &s->limits, deliver, s);
	writer_set_first_key(s->writer, s->first_key);
	if (s->issuer)
		writer_set_issuer(s->writer);
	s->reader = reader_start(s->sessions, s->readers, &s->limits, loop_deliver_read);
	loops_start(s->loops);
}

static bool open_pages(struct server *s, const struct config *c)
{
	char error[512];

	s->pages = pages_load(c->www, c->demo_run != NULL, error, sizeof(error));
	if (!s->pages)
		fprintf(stderr, "joblight: --www: %s\n", error);
	return s->pages != NULL;
}

/* Whether only this machine can reach the server. */
static bool is_local(const struct server *s)
{
	bool local = true;

	for (unsigned i = 0; i < s->listens.count; i++)
		local = local && s->listens.items[i].local;
	return local;
}

static bool open_loops(struct server *s, const struct config *c)
{
	s->bus = bus_start("null");
	s->api = (struct api){ .pages = s->pages,
		               .demo_run = c->demo_run,
		               .origin_rules = { &c->hosts, &c->origins },
		               .insecure = c->insecure && !is_local(s) };
	struct loops_config config = { .limits = &s->limits,
		                       .service = &s->service,
		                       .bus = s->bus,
		                       .keyring = s->keyring,
		                       .issuer = s->issuer,
		                       .listens = s->listens.items,
		                       .listen_count = s->listens.count,
		                       .certificates = s->tls_files.first,
		                       .count = c->loops,
		                       .trusted_proxies = &c->trusted_proxies,
		                       .proxy_protocol = c->proxy_protocol,
		                       .dispatch = &api_dispatch,
		                       .context = &s->api };
	char error[512];

	s->loops = loops_create(&config, error, sizeof(error));
	if (!s->loops)
		fprintf(stderr, "joblight: %s\n", error);
	return s->loops != NULL;
}

static void announce(const struct server *s, const struct config *c)
{
	char name[LISTEN_NAME_MAX];

	for (unsigned i = 0; i < s->listens.count; i++) {
		listen_name(loops_listen(s->loops, i), name);
		printf("joblight listening on %s\n", name);
		log_info("serving", "listen", name, "db", c->db, "durability", c->durability);
	}
	fflush(stdout);
}

#define SAME_SIGNAL_MS 1000 /* supervisors and terminals may send the same signal several times */

/* The settings that can change are taken over by each thread; nothing else is touched. */
static void take_config(struct server *s, const struct config *next)
{
	struct buf changed = { 0 }, waiting = { 0 };

	config_list_changes(&s->config, next, true, &changed);
	config_list_changes(&s->config, next, false, &waiting);
	limits_take_live(&s->config.limits, &next->limits);
	limits_take_live(&s->limits, &next->limits);
	loops_set_limits(s->loops, &s->limits);
	writer_set_limits(s->writer, &s->limits);
	log_info("the configuration was read again", "changed",
	         changed.len ? buf_string(&changed) : "nothing");
	if (waiting.len)
		log_warn("these settings take effect when the server is started again", "settings",
		         buf_string(&waiting));
	buf_finish(&changed);
	buf_finish(&waiting);
}

/* A file with a mistake changes nothing. */
static void reload(struct server *s)
{
	struct config next;
	char *message = NULL;
	size_t len;
	FILE *errors = open_memstream(&message, &len);

	audit_reopen();
	if (!errors)
		return;
	bool ok = config_read_again(&next, &s->config, errors);
	fclose(errors);
	if (ok)
		take_config(s, &next);
	else
		log_error("the configuration has a mistake; nothing was changed", "cause",
		          strtok(message, "\n"));
	config_finish(&next);
	free(message);
}

static void read_certificates_again(struct server *s)
{
	struct certificates *next = s->tls_files.first ? tls_files_read_again(&s->tls_files) : NULL;

	if (next)
		loops_set_certificates(s->loops, next);
	certificates_release(next);
}

/* Files that have changed are read again without a signal. */
static void look_at_files(struct server *s)
{
	if (tls_files_changed(&s->tls_files))
		read_certificates_again(s);
	if (s->config.jwt_keys && file_stamp_changed(&s->issuer_stamp, s->config.jwt_keys))
		reload_issuer(s);
}

static void hang_up(struct server *s)
{
	reload(s);
	reload_issuer(s);
	tls_files_changed(&s->tls_files);
	read_certificates_again(s);
}

/* Looks at the files once a second while it waits. */
static int next_signal(struct server *s, const sigset_t *signals)
{
	const struct timespec second = { .tv_sec = 1 };
	int number;

	while ((number = sigtimedwait(signals, NULL, &second)) < 0)
		if (errno == EAGAIN)
			look_at_files(s);
	return number;
}

struct second_signal {
	sigset_t signals;
	uint64_t first_ms; /* when the first signal came, monotonic */
};

/* The first signal drains; a second one, later than SAME_SIGNAL_MS, ends the process at once. */
static void *exit_on_second_signal(void *context)
{
	const struct second_signal *s = context;
	int number;

	do
		sigwait(&s->signals, &number);
	while (number == SIGHUP || clock_monotonic_ms() < s->first_ms + SAME_SIGNAL_MS);
	log_warn("stopped at once by a second signal", "signal", strsignal(number));
	_exit(1);
}

/* Returns when the server is to stop. */
static void wait_for_signal(struct server *s, const sigset_t *signals)
{
	static struct second_signal second; /* outlives this function */
	int number;
	pthread_t thread;

	while ((number = next_signal(s, signals)) == SIGHUP)
		hang_up(s);
	log_info("stopping", "signal", strsignal(number));
	second = (struct second_signal){ *signals, clock_monotonic_ms() };
	if (pthread_create(&thread, NULL, exit_on_second_signal, &second) == 0)
		pthread_detach(thread);
}

static void stop(struct server *s)
{
	loops_close(s->loops);
	writer_stop(s->writer);
	reader_stop(s->reader);
	loops_stop(s->loops);
	s->bus->ops->stop(s->bus);
	loops_free(s->loops);
	writer_free(s->writer);
	reader_free(s->reader);
	free(s->sessions);
	database_close(s->database);
	pages_free(s->pages);
	keyring_release(s->keyring);
	issuer_release(s->issuer);
	credential_release(s->first_key);
	tls_files_finish(&s->tls_files);
	log_info("stopped");
}

/* Threads inherit the mask, so signals are delivered to the main thread only. */
static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	signal(SIGHUP, SIG_DFL); /* sigwait() does not see what is ignored */
}

/* What to listen on, and the descriptors for it. */
static bool open_addresses(struct server *s, const struct config *c)
{
	return passed_sockets_take(&s->passed) &&
	       tls_files_start(&s->tls_files, &c->tls_certificates, &c->tls_keys) &&
	       listens_read(&s->listens, &c->listen, &s->passed, s->tls_files.first != NULL) &&
	       descriptors_take(&s->limits, c->loops, c->readers, s->listens.count);
}

int server_run(const struct config *config)
{
	static struct server server;
	struct server *s = &server;
	sigset_t signals;

	if (config->verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	s->config = *config;
	s->limits = config->limits;
	s->service = (struct service){ s, submit, read_store };
	block_signals(&signals);
	set_memory_defaults(&s->limits);
	if (!random_check() || !open_addresses(s, config) || !open_audit(config) ||
	    !open_pages(s, config) || !open_store(s, config) || !read_keys(s, config) ||
	    !read_issuer(s, config) || !check_reach_of_all(s, config) ||
	    !descriptors_share(&s->limits, config->loops, s->listens.count) ||
	    !open_loops(s, config))
		return 1;
	start_threads(s);
	announce(s, config);
	wait_for_signal(s, &signals);
	stop(s);
	return 0;
}
