#include "bench_limits.h"

#include <stdio.h>
#include <sys/resource.h>

#include "answer.h"

#define OWN_DESCRIPTORS 32 /* besides a connection for each watcher and worker */

bool bench_take_descriptors(const struct bench_options *o)
{
	rlim_t needed = (rlim_t)o->watchers + o->workers + OWN_DESCRIPTORS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= needed)
		return true;
	rlim_t hard = limit.rlim_max;
	limit.rlim_cur = hard < needed ? hard : needed;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (hard >= needed)
		return true;
	fprintf(stderr,
	        "joblight: %u watchers and %u workers need %llu file descriptors, and the limit "
	        "here is "
	        "%llu: raise it with `ulimit -Hn`, or take fewer --watchers\n",
	        o->watchers, o->workers, (unsigned long long)needed, (unsigned long long)hard);
	return false;
}

static int say(struct bench *b, const char *path, const struct exchange *x)
{
	bench_fault_of(b, path, x);
	bench_say_fault(b);
	if (x->status == 401)
		fputs("Set JOBLIGHT_KEY to a key of this server.\n", stderr);
	return b->status;
}

static int check_rights(const struct bench *b)
{
	const unsigned needed = RIGHT_WATCH | RIGHT_REPORT | RIGHT_CREATE;

	if ((b->rights & needed) == needed)
		return EXIT_OK;
	fputs("joblight: the key needs watch, report and create\n", stderr);
	return EXIT_REFUSED;
}

/* `most`: the server's --max-connections. */
static int check_connections(const struct bench *b, double most)
{
	unsigned needed = b->options.watchers + b->options.workers;

	if (most <= 0 || needed <= most)
		return EXIT_OK;
	fprintf(stderr,
	        "joblight: %u watchers and %u workers are more than the %.0f connections that the "
	        "server "
	        "takes: raise its limit of file descriptors or --max-connections, or take fewer "
	        "--watchers\n",
	        b->options.watchers, b->options.workers, most);
	return EXIT_FAILED;
}

int bench_ask_server(struct bench *b)
{
	struct exchange *x = probe_ask(b->probe, "GET", "/api/session", NULL);
	struct exchange *y = probe_ask(b->probe, "GET", "/api/connection", NULL);
	cJSON *session = answer_parse(buf_as_slice(&x->body));
	cJSON *connection = answer_parse(buf_as_slice(&y->body));

	b->rights = answer_rights(session);
	int status = b->probe->stopped  ? EXIT_INTERRUPTED
	             : x->status == 200 ? check_rights(b)
	                                : say(b, "GET /api/session", x);
	if (status == EXIT_OK)
		status = check_connections(b, answer_number(connection, "maxConnections", 0));
	cJSON_Delete(session);
	cJSON_Delete(connection);
	exchange_free(x);
	exchange_free(y);
	return status;
}
