#include "options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

struct row {
	const char *name;
	size_t offset;
	uint64_t initial, min, max;
	const char *help;
};

#define ROW(flag, field, initial, min, max, help)                                                  \
	{                                                                                          \
		"--" flag, offsetof(struct options, field), initial, min, max, help                \
	}

static const struct row rows[] = {
	ROW("port", port, 0, 1, 65535, "port of the server on 127.0.0.1"),
	ROW("subscribers", subscribers, 0, 0, 60000, "connections that watch the jobs written to"),
	ROW("publishers", publishers, 0, 0, 4096,
	    "keep-alive connections that post, each waiting for its answers"),
	ROW("idle", idle, 0, 0, 60000, "connections that watch a job nobody writes to"),
	ROW("stalled", stalled, 0, 0, 60000,
	    "connections that watch like subscribers but never read again"),
	ROW("slow", slow, 0, 0, 60000, "connections that watch and read one byte a second"),
	ROW("half", half, 0, 0, 60000,
	    "connections that watch and have shut down their own direction"),
	ROW("vanished", vanished, 0, 0, 60000,
	    "connections that watch and then answer nothing, not even TCP"),
	ROW("quitters", quitters, 0, 0, 10000,
	    "posts per second whose connection is closed before the answer"),
	ROW("jobs", jobs, 1, 1, 10000, "jobs; subscribers and publishers are dealt out over them"),
	ROW("tasks", tasks, 1, 1, 10000, "tasks a job is created with, at least one per publisher"),
	ROW("walk", walk, 0, 0, 1,
	    "1: publishers go from job to job with every post; nobody watches"),
	ROW("sources", sources, 8, 1, 250, "addresses 127.0.0.1, .2, … to connect from"),
	ROW("width", width, 256, 1, 60000, "subscribers that are on their way at a time"),
	ROW("batch", batch, 1, 1, 256, "updates per post"),
	ROW("depth", depth, 1, 1, 256,
	    "posts a publisher has under way; more than one over WebSocket only"),
	ROW("keys", keys, 0, 0, 1,
	    "1: every post carries its own Idempotency-Key; over WebSocket all do"),
	ROW("rate", rate, 0, 0, 1000000,
	    "posts per second over all publishers; 0 = as fast as answers come"),
	ROW("window", window, 0, 0, 1000000,
	    "committed updates that may wait for delivery; 0 = any number"),
	ROW("warm-ms", warm_ms, 500, 0, 600000, "publishing before the measurement begins"),
	ROW("run-ms", run_ms, 3000, 0, 600000, "length of the measurement"),
	ROW("count", count, 0, 0, UINT32_MAX,
	    "end the measurement after so many posts; 0 = by time alone"),
	ROW("heartbeat", heartbeat_s, 0, 0, 60,
	    "those who watch ask for one every so many seconds; 0 = they do not"),
	ROW("tls", tls, 0, 0, 1, "1: speak TLS; the certificate is not checked"),
	ROW("rest-ms", rest_ms, 0, 0, 600000,
	    "watch the server at rest, before anything is published"),
	ROW("after-ms", after_ms, 0, 0, 600000,
	    "watch the server at rest, after everything is published"),
	ROW("gone-ms", gone_ms, 0, 0, 600000,
	    "wait so long for the server to close those that do not read"),
	ROW("storm", storm, 0, 0, 60000,
	    "connections cut and back at once, on a job of their own (storm.h)"),
	ROW("storm-fresh", storm_fresh, 0, 0, 1, "1: they come back without a position"),
	ROW("storm-before", storm_before, 20, 1, 100000, "updates they see before they are cut"),
	ROW("storm-missed", storm_missed, 20, 0, 100000, "updates they miss"),
	ROW("storm-rate", storm_rate, 5, 1, 100000,
	    "updates per second on their job while they come back"),
};

enum { ROWS = sizeof(rows) / sizeof(*rows) };

static const struct list_row {
	const char *name;
	size_t offset;
	uint64_t max;
	const char *help;
} lists[] = {
	{ "--pid", offsetof(struct options, pids), 1 << 22,
	  "process ids of the servers, for their CPU seconds and RSS" },
	{ "--engines", offsetof(struct options, engines), 1 << 22,
	  "process ids of what they use, for the CPU seconds of these and their children" },
	{ "--post-to", offsetof(struct options, post_to), 65535,
	  "ports of the servers that publishers are dealt out over (--port)" },
};

enum { LISTS = sizeof(lists) / sizeof(*lists) };

static uint64_t *field(struct options *options, const struct row *row)
{
	return (uint64_t *)(void *)((char *)options + row->offset);
}

static void help(FILE *out)
{
	char names[256];
	peer_names(names, sizeof(names));
	fprintf(out,
	        "usage: loadgen --peer NAME --port N [--pid N,…] [options]\n"
	        "       loadgen --self-test\n\n"
	        "Prints one line of JSON. Exit status: 0 clean, 1 an event was lost, came twice, "
	        "out of order or to the\n"
	        "wrong job, or a connection failed, 2 the command line is wrong.\n\n"
	        "  --peer NAME          %s\n"
	        "  --transport NAME     sse or ws: how subscribers come (what the server has, sse "
	        "first)\n"
	        "  --publish-over NAME  http or ws: how publishers come (what the server has, http "
	        "first)\n",
	        names);
	for (size_t i = 0; i < ROWS; i++)
		fprintf(out, "  %-20s %s (%llu)\n", rows[i].name, rows[i].help,
		        (unsigned long long)rows[i].initial);
	for (size_t i = 0; i < LISTS; i++)
		fprintf(out, "  %-20s %s\n", lists[i].name, lists[i].help);
}

static _Noreturn void refuse(const char *flag, const char *why)
{
	fprintf(stderr, "loadgen: %s: %s\n", flag, why);
	exit(2);
}

static void read_number(struct options *options, const struct row *row, const char *value)
{
	char *end;
	errno = 0;
	uint64_t number = strtoull(value, &end, 10);
	if (errno || *end || end == value || *value == '-' || number < row->min ||
	    number > row->max)
		refuse(row->name, "not a number in its range");
	*field(options, row) = number;
}

static void read_list(struct options *options, const struct list_row *row, const char *value)
{
	struct number_list *list = (void *)((char *)options + row->offset);
	char *end;
	for (const char *at = value;; at = end + 1) {
		errno = 0;
		uint64_t number = strtoull(at, &end, 10);
		if (errno || end == at || (*end && *end != ',') || !number || number > row->max ||
		    list->count == OPTIONS_LIST_MAX)
			refuse(row->name, "not a list of numbers in their range");
		list->all[list->count++] = number;
		if (!*end)
			return;
	}
}

static void read_pair(struct options *options, const char *flag, const char *value)
{
	if (!value)
		refuse(flag, "needs a value");
	if (!strcmp(flag, "--peer")) {
		options->peer = peer_find(value);
		if (!options->peer)
			refuse(flag, "unknown server");
		return;
	}
	if (!strcmp(flag, "--transport") || !strcmp(flag, "--publish-over")) {
		bool publish = flag[2] == 'p', websocket = !strcmp(value, "ws");
		*(publish ? &options->publish_ws : &options->websocket) = websocket;
		if (!websocket && strcmp(value, publish ? "http" : "sse") != 0)
			refuse(flag, publish ? "http or ws" : "sse or ws");
		return;
	}
	for (size_t i = 0; i < ROWS; i++) {
		if (!strcmp(flag, rows[i].name)) {
			read_number(options, &rows[i], value);
			return;
		}
	}
	for (size_t i = 0; i < LISTS; i++) {
		if (!strcmp(flag, lists[i].name)) {
			read_list(options, &lists[i], value);
			return;
		}
	}
	refuse(flag, "unknown; try --help");
}

/* If a server has only one of the two ways, that one is used. */
static void choose_ways(struct options *options)
{
	const struct peer *peer = options->peer;
	options->websocket |= !peer->sse_path;
	options->publish_ws |= !peer->post_path;
	if (options->websocket && !peer->ws_path)
		refuse("--transport", "this server has no WebSocket");
	if (options->publish_ws && !peer->ws_post_path)
		refuse("--publish-over", "this server takes nothing over WebSocket");
	if (options->depth > 1 && !options->publish_ws)
		refuse("--depth", "over WebSocket only");
	if (options->batch > 1 && (peer->relays || !peer->has_jobs) &&
	    strcmp(peer->name, "floor") != 0)
		refuse("--batch", "this server knows no batches");
}

static void check_whole(const struct options *options)
{
	uint64_t watchers = options->subscribers + options->idle + options->stalled +
	                    options->slow + options->half + options->vanished;
	if (options->walk ? watchers : options->publishers && options->publishers < options->jobs)
		refuse("--jobs, --walk", "a job each at most, unless they walk and nobody watches");
	if (options->storm && !options->peer->has_seq)
		refuse("--storm", "this server has no positions to come back to");
}

void options_read(struct options *options, int argc, char **argv)
{
	memset(options, 0, sizeof(*options));
	for (size_t i = 0; i < ROWS; i++)
		*field(options, &rows[i]) = rows[i].initial;
	for (int i = 1; i < argc; i += 2) {
		if (!strcmp(argv[i], "--self-test")) {
			options->self_test = true;
			return;
		}
		if (!strcmp(argv[i], "--help")) {
			help(stdout);
			exit(0);
		}
		read_pair(options, argv[i], argv[i + 1]);
	}
	if (!options->peer || !options->port)
		refuse("--peer, --port", "are needed");
	if (!options->post_to.count)
		options->post_to = (struct number_list){ { options->port }, 1 };
	choose_ways(options);
	check_whole(options);
}
