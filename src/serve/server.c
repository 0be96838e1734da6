#include "server.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus_option.h"
#include "config_check.h"
#include "descriptors.h"
#include "exporter.h"
#include "first_key.h"
#include "issuer_file.h"
#include "joblight/api/base_path.h"
#include "joblight/base/audit.h"
#include "notify.h"
#include "pid_file.h"
#include "reach.h"
#include "process_metrics.h"
#include "reload.h"
#include "reload_answer.h"
#include "server_state.h"
#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/base/log_output.h"
#include "joblight/base/memory.h"
#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/metric.h"
#include "joblight/net/loop.h"
#include "joblight/api/api.h"
#include "joblight/store/backend.h"
#include "joblight/work/reader.h"
#include "joblight/work/writer.h"

#define LARGE_BLOCK (1024 * 1024)
#define LOOK_MS 1000        /* how often the files of keys and certificates are looked at */
#define SIGNAL_WAIT_MS 1000 /* how often there may be something to look at */

static bool read_store(void *context, struct read_request *r)
{
	return reader_submit(((struct server *)context)->reader, r);
}

/* Without keys, whoever reaches the server may do everything. */
static bool check_reach(const struct server *s, const struct config *c)
{
	bool is_open = keyring_is_open(s->keyring) && !s->issuer;

	reach_warn_of_operators(&s->listens);
	return !is_open || reach_check(c, &s->listens);
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

static bool read_keys(struct server *s, const struct config *c)
{
	if (c->key_file && !(s->first_key = first_key_read(c->key_file)))
		return false;
	struct store *writer = database_writer(s->database);
	if (keyring_prepare(writer, random_bytes) == STORE_OK &&
	    keyring_read(writer, s->first_key, &s->keyring) == STORE_OK)
		return true;
	char db[DATABASE_SHOWN_MAX];
	database_show(c->db, db, sizeof(db));
	fprintf(stderr, "joblight: the keys in %s cannot be read: %s\n", db, store_error(writer));
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

/* To the loop that asked, or to the bus. */
static void deliver_read(struct read_request *r)
{
	if (r->loop)
		loop_deliver_read(r);
	else
		r->done(r);
}

/* The loops exist by now, because the writer may publish at once; they are started last. */
static void start_threads(struct server *s)
{
	server_start_writer(s);
	s->reader = reader_start(s->sessions, s->readers, &s->limits, deliver_read);
	if (s->bus->ops->begin)
		s->bus->ops->begin(s->bus);
	exporter_start(s->exporter);
	process_metrics_start();
	metrics_add_source(server_measure_writer, s);
	metrics_add_source(reader_measure, s->reader);
	metrics_add_source(loops_measure, s->loops);
	loops_start(s->loops);
	if (database_is_remote(s->config.db))
		key_watch_start(&s->key_watch, &s->service, s->loops, s->first_key, s->keyring);
}

static bool open_pages(struct server *s, const struct config *c)
{
	char error[512];

	base_path_read(slice_of(c->base_path), s->base_path); /* config_parse() has checked it */
	s->pages = pages_load(c->www, s->base_path, c->demo_run != NULL, error, sizeof(error));
	if (!s->pages) {
		fprintf(stderr, "joblight: --www: %s\n", error);
		return false;
	}
	struct slice first = base_path_first(s->base_path);
	if (!pages_have_folder(s->pages, first))
		return true;
	fprintf(stderr,
	        "joblight: --base-path: \"%s\" is not valid: there is a page /%.*s: choose "
	        "another first segment\n",
	        c->base_path, (int)first.len, first.ptr);
	return false;
}

static bool open_bus(struct server *s, const struct config *c)
{
	const struct bus_config parts = { .service = &s->service, .first_key = s->first_key };

	s->bus = bus_option_start(c, &parts);
	return s->bus != NULL;
}

static bool open_loops(struct server *s, const struct config *c)
{
	if (!open_bus(s, c))
		return false;
	s->api = (struct api){ .pages = s->pages,
		               .base_path = s->base_path,
		               .demo_run = c->demo_run,
		               .insecure = c->insecure && !reach_is_local(&s->listens) };
	s->settings = server_loop_settings(s, c);
	struct loops_config config = { .limits = &s->limits,
		                       .service = &s->service,
		                       .bus = s->bus,
		                       .keyring = s->keyring,
		                       .issuer = s->issuer,
		                       .has_nodes = database_is_remote(c->db),
		                       .listens = s->listens.items,
		                       .listen_count = s->listens.count,
		                       .inherited = s->predecessor.inherited,
		                       .certificates = s->tls_files.first,
		                       .count = c->loops,
		                       .base_path = s->base_path,
		                       .log_requests = c->log_requests,
		                       .spans = exporter_sink(s->exporter),
		                       .settings = s->settings,
		                       .dispatch = &api_dispatch };
	char error[512];

	s->loops = loops_create(&config, error, sizeof(error));
	if (!s->loops)
		fprintf(stderr, "joblight: %s\n", error);
	return s->loops != NULL;
}

static bool open_exporter(struct server *s, const struct config *c)
{
	char error[1024];

	if (exporter_open(&s->exporter, c, error, sizeof(error)))
		return true;
	fprintf(stderr, "joblight: %s\n", error);
	return false;
}

/* A process that takes the place of another writes it when it is the server. */
static bool write_pid_file(const struct server *s, bool is_server)
{
	const struct config *c = &s->config;

	return !c->pid_file || is_server != (s->predecessor.control < 0) ||
	       pid_file_write(c->pid_file);
}

#define FLUSH_MS 200 /* for the lines of the log, before others are told of the same */

static void announce(const struct server *s, const struct config *c)
{
	char name[LISTEN_NAME_MAX], db[DATABASE_SHOWN_MAX];

	database_show(c->db, db, sizeof(db));
	for (unsigned i = 0; i < s->listens.count; i++) {
		listen_name(loops_listen(s->loops, i), name);
		log_info("serving", "listen", name, "db", db, "durability", c->durability);
	}
	log_output_flush(FLUSH_MS);
	for (unsigned i = 0; i < s->listens.count && s->predecessor.control < 0; i++) {
		listen_name(loops_listen(s->loops, i), name);
		printf("joblight listening on %s\n", name);
	}
	fflush(stdout);
	notify_send(&s->notify, "READY=1\nSTATUS=Serving %s", name);
}

#define SAME_SIGNAL_MS 1000 /* supervisors and terminals may send the same signal several times */

static void hang_up(struct server *s, const siginfo_t *signal)
{
	struct buf answer = { 0 };

	notify_reloading(&s->notify);
	bool taken = reload_all(s, &answer);
	log_output_flush(FLUSH_MS);
	notify_send(&s->notify, "READY=1");
	reload_answer_send(signal, taken, &answer);
	buf_finish(&answer);
}

/* The work between two signals. */
static void look_around(struct server *s)
{
	uint64_t now = clock_monotonic_ms();

	server_show_life(s);
	if (now < s->look_due)
		return;
	s->look_due = now + LOOK_MS;
	key_watch_look(&s->key_watch);
	reload_changed_files(s);
	process_metrics_tick(now);
}

/* Waits for a signal, and no longer than until look_around() has something to do.  0: none came. */
static int wait_for_signal(const struct server *s, const sigset_t *signals, siginfo_t *signal)
{
	uint64_t now = clock_monotonic_ms(), rest = notify_rest_ms(&s->notify, now);

	rest = rest < SIGNAL_WAIT_MS ? rest : SIGNAL_WAIT_MS;
	const struct timespec wait = { (time_t)(rest / 1000), (long)(rest % 1000) * 1000000 };
	int number = sigtimedwait(signals, signal, &wait);
	return number < 0 ? 0 : number;
}

static int next_signal(struct server *s, const sigset_t *signals, siginfo_t *signal)
{
	int number;

	while (!(number = wait_for_signal(s, signals, signal)))
		look_around(s);
	return number;
}

struct second_signal {
	sigset_t signals;
	uint64_t first_ms; /* when the first signal came, monotonic */
	pid_t successor;   /* 0: none serves */
};

/* The first signal drains; a second one, later than SAME_SIGNAL_MS, ends the process at once. */
static void *exit_on_second_signal(void *context)
{
	const struct second_signal *s = context;
	siginfo_t signal;

	do {
		signal.si_signo = 0;
		sigwaitinfo(&s->signals, &signal);
		if (signal.si_signo == SIGHUP && s->successor)
			reload_pass_on(&signal, s->successor);
	} while (!signal.si_signo || signal.si_signo == SIGHUP || signal.si_signo == SIGUSR2 ||
	         clock_monotonic_ms() < s->first_ms + SAME_SIGNAL_MS);
	log_warn("stopped at once by a second signal", "signal", strsignal(signal.si_signo));
	log_output_flush(FLUSH_MS);
	_exit(1);
}

/* From now on a second signal ends the process at once. */
static void begin_to_end(const sigset_t *signals, pid_t successor)
{
	static struct second_signal second; /* outlives this function */
	pthread_t thread;

	second = (struct second_signal){ *signals, clock_monotonic_ms(), successor };
	if (pthread_create(&thread, NULL, exit_on_second_signal, &second) == 0)
		pthread_detach(thread);
}

/* Runs until the server is to end.  Returns the signal; SIGUSR2: another process serves. */
static int run(struct server *s, const sigset_t *signals)
{
	siginfo_t signal = { 0 };

	for (;;) {
		int number = signal.si_signo ? signal.si_signo : next_signal(s, signals, &signal);
		if (number == SIGUSR2 && server_upgrade(s, signals, &signal))
			return SIGUSR2;
		if (number == SIGHUP)
			hang_up(s, &signal);
		else if (number != SIGUSR2)
			return number;
		if (number != SIGUSR2)
			signal.si_signo = 0;
	}
}

#define STOP_MS 9000 /* what may wait is given up then: the whole stop takes 10 s at most */

static uint64_t left_ms(uint64_t end)
{
	uint64_t now = clock_monotonic_ms();

	return end > now ? end - now : 0;
}

/* `stop_by`: when nothing is waited for any more. */
static void finish(struct server *s, uint64_t stop_by)
{
	loops_stop(s->loops);
	predecessor_finish(&s->predecessor);
	s->bus->ops->stop(s->bus);
	loops_free(s->loops);
	exporter_stop(s->exporter, left_ms(stop_by));
	server_free_writers(s);
	reader_free(s->reader);
	free(s->sessions);
	database_close(s->database);
	pages_free(s->pages);
	keyring_release(s->keyring);
	issuer_release(s->issuer);
	credential_release(s->first_key);
	tls_files_finish(&s->tls_files);
	loop_settings_release(s->settings);
	config_finish(&s->config);
	log_info("stopped");
}

/* The store thread has ended already when another process serves. */
static void stop(struct server *s, int number)
{
	uint64_t stop_by = number == SIGUSR2 ? UINT64_MAX : clock_monotonic_ms() + STOP_MS;

	if (number == SIGUSR2) {
		loops_leave(s->loops, successor_pass, &s->successor);
	} else {
		log_info("stopping", "signal", strsignal(number));
		notify_send(&s->notify, "STOPPING=1\nSTATUS=Stopping");
		if (s->config.pid_file)
			pid_file_remove(s->config.pid_file);
		loops_close(s->loops);
	}
	if (number != SIGUSR2 && number != SIGABRT)
		writer_stop(atomic_load(&s->writer));
	reader_stop(s->reader);
	finish(s, stop_by);
}

/* Threads inherit the mask, so signals are delivered to the main thread only. */
static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	signal(SIGHUP, SIG_DFL); /* sigwait() does not see what is ignored */
	signal(SIGUSR2, SIG_DFL);
}

/* What to listen on, and the descriptors for it. */
static bool open_addresses(struct server *s, const struct config *c)
{
	bool ok = config_check_credentials(c) && config_check_password(c) &&
	          predecessor_find(&s->predecessor) && passed_sockets_take(&s->passed) &&
	          tls_files_start(&s->tls_files, &s->config.tls_certificates,
	                          &s->config.tls_keys) &&
	          listens_read(&s->listens, &c->listen, &s->passed, s->tls_files.first != NULL);

	if (ok)
		predecessor_match(&s->predecessor, &s->listens);
	return ok && descriptors_take(&s->limits, c->loops, c->readers, s->listens.count);
}

static bool start(struct server *s, const struct config *config)
{
	return random_check() && open_addresses(s, config) && open_audit(config) &&
	       open_pages(s, config) && open_exporter(s, config) &&
	       predecessor_release(&s->predecessor) && server_open_store(s, config) &&
	       read_keys(s, config) && read_issuer(s, config) && check_reach(s, config) &&
	       descriptors_share(&s->limits, config->loops, s->listens.count) &&
	       open_loops(s, config) && write_pid_file(s, true);
}

/* Returns the exit status. */
static int serve(struct server *s, const struct config *config, const sigset_t *signals)
{
	start_threads(s);
	predecessor_follow(&s->predecessor, s->loops);
	write_pid_file(s, false);
	announce(s, config);
	int number = run(s, signals);
	begin_to_end(signals, s->successor.pid);
	stop(s, number);
	return number == SIGABRT;
}

int server_run(const struct config *config)
{
	static struct server server;
	struct server *s = &server;
	sigset_t signals;

	s->config = *config;
	config_own_texts(&s->config);
	s->limits = config->limits;
	s->service = (struct service){ s, server_submit, read_store };
	successor_find_program();
	notify_start(&s->notify);
	pthread_mutex_init(&s->parking.lock, NULL);
	block_signals(&signals);
	if (config->verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	log_start();
	set_memory_defaults(&s->limits);
	int status = start(s, config) ? serve(s, config, &signals) : 1;
	log_stop(LOG_STOP_MS);
	return status;
}
