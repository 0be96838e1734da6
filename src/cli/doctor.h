/*
 * `joblight doctor`: what its checks share.  A check is a function of a row in doctor.c; it looks
 * at one thing and reports one line.
 */
#ifndef JOBLIGHT_CLI_DOCTOR_H
#define JOBLIGHT_CLI_DOCTOR_H

#include <stdint.h>

#include "joblight/core/right.h"
#include "output.h"
#include "probe.h"
#include "probe_job.h"

enum advice {
#define ADVICE(name, nginx, caddy, haproxy, apache) ADVICE_##name,
#include "doctor_advice.def"
#undef ADVICE
};

enum proxy { PROXY_NGINX, PROXY_CADDY, PROXY_HAPROXY, PROXY_APACHE, PROXY_UNKNOWN };

#define DOCTOR_JOB_MAX 63

/* What GET /api/connection says. */
struct arrival {
	char client[64], host[300], http[4], version[32];
	unsigned port, max_body, max_connections, heartbeat_ms;
	bool tls, https, forwarded_for, forwarded_proto, trusted, open;
};

struct doctor {
	struct probe probe;
	const char *db;  /* the file of a local server; NULL: not known */
	int64_t idle_ms; /* how long connections stay idle; negative: the server's heartbeat */
	struct output output;
	enum proxy proxy; /* by --proxy, or as its answers say */
	bool reachable;   /* a joblight server answers, and takes the key */
	bool proxied;     /* something stands before the server */
	struct arrival arrival;
	enum right rights;
	char job[DOCTOR_JOB_MAX + 1]; /* that the checks use; "": there is none */
	struct probe_job own_job;     /* if it is created, it is that one, and takes updates */
	const char *check;            /* the name of the check that runs */
	unsigned failures;
};

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL, VERDICT_SKIP };

/*
 * Prints the line of the running check, and stops the probe when nobody reads it.  `change` is what
 * to do about it in the server; NULL: nothing; `advice` what to do in the proxy.
 */
void doctor_report(struct doctor *d, enum verdict v, const char *change, enum advice advice,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));
#define doctor_ok(d, ...) doctor_report(d, VERDICT_OK, NULL, ADVICE_NONE, __VA_ARGS__)
#define doctor_skip(d, ...) doctor_report(d, VERDICT_SKIP, NULL, ADVICE_NONE, __VA_ARGS__)

/* "nginx", "caddy", "haproxy" or "apache"; PROXY_UNKNOWN: none of them. */
enum proxy doctor_proxy_named(struct slice name);

/* The position after everything in the job; false: it cannot be read. */
bool doctor_read_cursor(struct doctor *d, char *cursor, size_t size);

void doctor_check_server(struct doctor *d);
void doctor_check_certificate(struct doctor *d);
void doctor_check_key(struct doctor *d);
void doctor_check_clock(struct doctor *d);
void doctor_check_host(struct doctor *d);
void doctor_check_http(struct doctor *d);
void doctor_check_upstream(struct doctor *d);
void doctor_check_client(struct doctor *d);
void doctor_check_https(struct doctor *d);
void doctor_check_job(struct doctor *d);
void doctor_check_compression(struct doctor *d);
void doctor_check_stream(struct doctor *d);
void doctor_check_websocket(struct doctor *d);
void doctor_check_polling(struct doctor *d);
void doctor_check_body(struct doctor *d);
void doctor_check_idle(struct doctor *d);
void doctor_check_descriptors(struct doctor *d);
void doctor_check_database(struct doctor *d);
void doctor_check_disk(struct doctor *d);

#endif
