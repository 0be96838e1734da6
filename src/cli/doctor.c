/*
 * `joblight doctor`: measures a server through the address that browsers use, and names the line to
 * change.  It makes a job of its own if its key allows that, and ends it.
 */
#include "doctor.h"

#include <stdlib.h>
#include <unistd.h>

#include "serve/database_check.h"
#include "verbs.h"

#define IDLE_MAX_MS 3600000

/*
 * In the order in which they run: the later ones use what the earlier ones have found.  `remote`:
 * it asks the server.
 */
static const struct check {
	const char *name;
	bool remote;
	void (*run)(struct doctor *d);
} checks[] = {
	{ "certificate", false, doctor_check_certificate },
	{ "server", false, doctor_check_server },
	{ "key", true, doctor_check_key },
	{ "clock", true, doctor_check_clock },
	{ "Host", true, doctor_check_host },
	{ "HTTP version", true, doctor_check_http },
	{ "HTTP version to the server", true, doctor_check_upstream },
	{ "X-Forwarded-For", true, doctor_check_client },
	{ "X-Forwarded-Proto", true, doctor_check_https },
	{ "descriptors", true, doctor_check_descriptors },
	{ "job", true, doctor_check_job },
	{ "compression", true, doctor_check_compression },
	{ "stream", true, doctor_check_stream },
	{ "WebSocket", true, doctor_check_websocket },
	{ "polling", true, doctor_check_polling },
	{ "body", true, doctor_check_body },
	{ "idle", true, doctor_check_idle },
	{ "database", false, doctor_check_database },
	{ "disk", false, doctor_check_disk },
};

static int take_idle(struct doctor *d, const char *text)
{
	if (!text || (arguments_time(text, &d->idle_ms) && d->idle_ms <= IDLE_MAX_MS))
		return EXIT_OK;
	return arguments_fault("--idle", text, "it takes a time up to 1h, such as 70s");
}

static int take_database(struct doctor *d, const char *location)
{
	d->db = location;
	if (!location || !database_shows_password(location))
		return EXIT_OK;
	return arguments_fault("--db", "the address",
	                       "a password in a flag is seen by all users of this machine; give "
	                       "the address in JOBLIGHT_DB, or the password in PGPASSWORD");
}

static int take_flags(struct doctor *d, const struct arguments *a)
{
	const char *proxy = arguments_value(a, "proxy");

	d->proxy = proxy ? doctor_proxy_named(slice_of(proxy)) : PROXY_UNKNOWN;
	output_init(&d->output, a);
	int status = take_database(d, arguments_value(a, "db"));
	return status == EXIT_OK ? take_idle(d, arguments_value(a, "idle")) : status;
}

/* The database of a server on this machine, if it is where servers have it by default. */
static void find_database(struct doctor *d)
{
	const char *db = getenv("JOBLIGHT_DB");
	char shown[DATABASE_SHOWN_MAX];

	if (d->db || !probe_url_is_loopback(&d->probe.url))
		return;
	if (!db || !db[0])
		db = "joblight.db";
	if (access(db, F_OK) == 0 || database_is_on_server(db, shown))
		d->db = db;
}

static void run_checks(struct doctor *d)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && !d->probe.stopped; i++) {
		d->check = checks[i].name;
		if (!checks[i].remote || d->reachable)
			checks[i].run(d);
	}
}

/* Its job ends in any case. */
static int run(struct doctor *d)
{
	find_database(d);
	run_checks(d);
	bool stopped = d->probe.stopped;
	probe_resume(&d->probe);
	probe_job_end(&d->probe, &d->own_job, d->rights);
	output_check();
	return stopped ? EXIT_INTERRUPTED : d->failures ? EXIT_FAILED : EXIT_OK;
}

int verb_doctor(const struct arguments *a)
{
	struct doctor d = { .idle_ms = -1 };
	int status = take_flags(&d, a);

	if (status == EXIT_OK)
		status = probe_open(&d.probe, a);
	if (status != EXIT_OK)
		return status;
	status = run(&d);
	probe_close(&d.probe);
	return status;
}
