/* What a server does that has a transaction for each request.
 *
 *   transactions SHAPE --connections N --jobs N --warm-ms N --run-ms N --engines PID CONNINFO
 *   transactions SHAPE --connections N --jobs N --serve 1 CONNINFO
 *
 * Without --serve it is the floor, without any HTTP: each connection has one update under way, and
 * begins the next when it has its answer. With it, it is a server: each client has its own
 * connection to PostgreSQL, and it speaks just enough HTTP for the load generator. `nine` is a
 * transaction of nine statements, as a server writes it that decides in its own code; each is sent
 * when the one before was answered. `one` does the same in one statement, which fails where the
 * other would refuse, and puts the title of the task into the event; `function` in one statement
 * that calls a function of the server, with the nine in it. All write what a server must that
 * promises an order and to count a repeated request once: the job's number, the task, the event,
 * and the key of the request. All statements are prepared. Prints one line of JSON, or
 * "transactions listening on http://127.0.0.1:PORT". */
#include <arpa/inet.h>
#include <errno.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"
#include "usage.h"

#define CONNECTIONS_MAX 1024
#define STATEMENTS_MAX 9
#define PARAMETERS_MAX 7
#define REQUEST_SIZE 8192

static const char schema[] =
    "CREATE TABLE jobs (id text PRIMARY KEY, title text NOT NULL, status "
    "int NOT NULL, seq bigint NOT NULL, updated bigint "
    "NOT NULL) WITH (fillfactor = 60);"
    "CREATE TABLE tasks (job text NOT NULL, id text NOT NULL, title text "
    "NOT NULL, status int NOT NULL, note text, updated "
    "bigint NOT NULL, PRIMARY KEY (job, id)) WITH (fillfactor = 60);"
    "CREATE TABLE job_activity (job text NOT NULL, seq bigint NOT NULL, "
    "time bigint NOT NULL, json text NOT NULL, PRIMARY "
    "KEY (job, seq));"
    "CREATE TABLE idempotency (key text PRIMARY KEY, job text NOT NULL, "
    "seq bigint NOT NULL, time bigint NOT NULL);"
    "CREATE FUNCTION update_task(a_job text, a_task text, a_time bigint, a_note text, a_head text, "
    "a_rest text, a_key text) RETURNS bigint LANGUAGE plpgsql AS $$ "
    "DECLARE j record; t record; "
    "BEGIN "
    "PERFORM FROM idempotency WHERE key = a_key; "
    "IF FOUND THEN RAISE 'the request is repeated'; END IF; "
    "SELECT seq + 1 AS seq, status INTO j FROM jobs WHERE id = a_job FOR NO KEY UPDATE; "
    "SELECT title, status INTO t FROM tasks WHERE job = a_job AND id = a_task; "
    "IF j.status <> 1 OR t.status > 1 THEN RAISE 'the job or the task has ended'; END IF; "
    "UPDATE tasks SET status = 1, note = a_note, updated = a_time WHERE job = a_job AND id = "
    "a_task; "
    "UPDATE jobs SET seq = j.seq, updated = a_time WHERE id = a_job; "
    "INSERT INTO job_activity VALUES (a_job, j.seq, a_time, a_head || to_json(t.title) || a_rest); "
    "INSERT INTO idempotency VALUES (a_key, a_job, j.seq, a_time); "
    "RETURN j.seq; END $$;";

/* Those of joblight: rows are found by their keys, although the server has not counted them yet. */
static const char settings[] =
    "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; "
    "SET jit = off";

/* The letters name the parameters: see value_of(). */
struct statement {
	const char *text, *parameters;
	bool answers_seq; /* the job's number, which the next ones use */
};

struct shape {
	const char *name;
	struct statement statements[STATEMENTS_MAX];
	int count;
};

static const struct shape shapes[] = {
	{ "nine",
	  { { "BEGIN", "", false },
	    { "SELECT job, seq FROM idempotency WHERE key = $1", "k", false },
	    { "SELECT seq + 1, title, status FROM jobs WHERE id = $1 FOR NO KEY UPDATE", "j",
	      true },
	    { "SELECT title, status, note FROM tasks WHERE job = $1 AND id = $2", "jt", false },
	    { "UPDATE tasks SET status = 1, note = $3, updated = $4 WHERE job = $1 AND id = $2",
	      "jtnd", false },
	    { "UPDATE jobs SET seq = $2, updated = $3 WHERE id = $1", "jsd", false },
	    { "INSERT INTO job_activity (job, seq, time, json) VALUES ($1, $2, $3, $4)", "jsde",
	      false },
	    { "INSERT INTO idempotency (key, job, seq, time) VALUES ($1, $2, $3, $4)", "kjsd",
	      false },
	    { "COMMIT", "", false } },
	  9 },
	{ "one",
	  { { "WITH j AS (UPDATE jobs SET seq = seq + 1, updated = $3 WHERE id = $1 AND status = 1 "
	      "RETURNING seq), "
	      "t AS (UPDATE tasks SET status = 1, note = $4, updated = $3 WHERE job = $1 AND id = "
	      "$2 AND status <= 1 RETURNING title), "
	      "e AS (INSERT INTO job_activity (job, seq, time, json) SELECT $1, j.seq, $3, $5 || "
	      "to_json(t.title) || $6 FROM j, t), "
	      "i AS (INSERT INTO idempotency (key, job, seq, time) SELECT $7, $1, j.seq, $3 FROM "
	      "j) "
	      "SELECT CASE count(*) WHEN 1 THEN min(j.seq) ELSE ('the job or the task has ended: ' "
	      "|| "
	      "count(*))::int8 END FROM j, t",
	      "jtdnhrk", false } },
	  1 },
	{ "function",
	  { { "SELECT update_task($1, $2, $3, $4, $5, $6, $7)", "jtdnhrk", false } },
	  1 },
};

/* What an event of the loop is about. */
enum source { SOURCE_POSTGRES, SOURCE_CLIENT, SOURCE_LISTENER };

/* Of a server: it has one request under way. */
struct client {
	enum source source; /* first */
	int fd;
	struct connection *connection;
	char request[REQUEST_SIZE + 1];
	size_t have;
};

struct connection {
	enum source source; /* first */
	PGconn *pg;
	struct client *client; /* NULL: it begins the next update itself */
	int number, step;
	uint64_t began_ns, updates;
	bool busy;
	char job[32], task[32], seq[32], time[32], key[64], note[64], head[160], rest[160],
	    event[384];
};

struct run {
	const struct shape *shape;
	int connections, jobs;
	uint64_t warm_ms, run_ms;
	pid_t engine;
	const char *where;
	int epoll;
	struct connection *all;
	bool counts, stops;
	bool serves;
	int listener, clients;
	int busy;
	uint64_t updates;
	struct histogram answer;
};

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static _Noreturn void give_up(const char *what, const char *why)
{
	fprintf(stderr, "transactions: %s: %s\n", what, why);
	exit(1);
}

static void execute(PGconn *pg, const char *text)
{
	PGresult *result = PQexec(pg, text);
	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		give_up(text, PQerrorMessage(pg));
	PQclear(result);
}

static void create_rows(const struct run *run)
{
	char text[512];
	PGconn *pg = PQconnectdb(run->where);
	if (PQstatus(pg) != CONNECTION_OK)
		give_up("connection", PQerrorMessage(pg));
	execute(pg, "SET client_min_messages = warning");
	execute(pg, schema);
	snprintf(text, sizeof(text),
	         "INSERT INTO jobs SELECT 'job' || i, 'Benchmark', 1, 1, 0 FROM generate_series(0, "
	         "%d) i",
	         run->jobs - 1);
	execute(pg, text);
	snprintf(text, sizeof(text),
	         "INSERT INTO tasks SELECT 'job' || i %% %d, 'task' || i, 'Render pages', 0, NULL, "
	         "0 FROM generate_series(0, %d) i",
	         run->jobs, run->connections - 1);
	execute(pg, text);
	PQfinish(pg);
}

static const char *value_of(const struct connection *c, char letter)
{
	switch (letter) {
	case 'j':
		return c->job;
	case 't':
		return c->task;
	case 's':
		return c->seq;
	case 'd':
		return c->time;
	case 'k':
		return c->key;
	case 'n':
		return c->note;
	case 'h':
		return c->head;
	case 'r':
		return c->rest;
	default:
		return c->event;
	}
}

static void send_step(struct run *run, struct connection *c)
{
	const struct statement *s = &run->shape->statements[c->step];
	const char *values[PARAMETERS_MAX];
	char name[16];
	int count = (int)strlen(s->parameters);
	for (int i = 0; i < count; i++)
		values[i] = value_of(c, s->parameters[i]);
	snprintf(name, sizeof(name), "s%d", c->step);
	if (!PQsendQueryPrepared(c->pg, name, count, values, NULL, NULL, 0) || PQflush(c->pg))
		give_up("statement", PQerrorMessage(c->pg));
}

static void begin_update(struct run *run, struct connection *c)
{
	c->step = 0;
	c->busy = true;
	c->began_ns = now_ns();
	c->updates++;
	snprintf(c->time, sizeof(c->time), "%llu", (unsigned long long)(c->began_ns / 1000000));
	if (!c->client) {
		snprintf(c->key, sizeof(c->key), "%d-%llu", c->number,
		         (unsigned long long)c->updates);
		snprintf(c->note, sizeof(c->note), "page %llu of a long document",
		         (unsigned long long)c->updates);
	}
	snprintf(c->head, sizeof(c->head),
	         "{\"type\":\"task_update\",\"jobId\":\"%s\",\"taskId\":\"%s\",\"status\":\"in_"
	         "progress\",\"title\":",
	         c->job, c->task);
	snprintf(c->rest, sizeof(c->rest),
	         ",\"note\":\"%s\",\"timestamp\":\"2026-02-05T19:00:00.000Z\"}", c->note);
	snprintf(c->event, sizeof(c->event), "%s\"Render pages\"%s", c->head, c->rest);
	send_step(run, c);
}

/* ---- HTTP ---- */

static void answer(struct connection *c)
{
	char json[64], text[256];
	int json_len = snprintf(json, sizeof(json), "{\"ok\":true,\"seq\":%s}", c->seq);
	int len = snprintf(text, sizeof(text),
	                   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	                   "Content-Length: %d\r\n\r\n%s",
	                   json_len, json);
	if (c->client->fd >= 0 && send(c->client->fd, text, (size_t)len, MSG_NOSIGNAL) != len)
		fprintf(stderr, "transactions: an answer was not taken\n");
}

/* What stands in the request after some words, up to one of others. */
static void take_text(const char *request, const char *before, const char *until, char *out,
                      size_t size)
{
	const char *text = strstr(request, before);
	if (!text)
		give_up(before, "is not in a request");
	text += strlen(before);
	snprintf(out, size, "%.*s", (int)strcspn(text, until), text);
}

static void take_request(struct run *run, struct client *client)
{
	client->request[client->have] = 0;
	const char *end = strstr(client->request, "\r\n\r\n");
	const char *length = strstr(client->request, "Content-Length: ");
	if (!end)
		return;
	size_t head = (size_t)(end - client->request) + 4;
	size_t body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
	if (client->have < head + body)
		return;
	struct connection *c = client->connection;
	if (client->have > head + body || c->busy)
		give_up("a client", "has sent a request before the answer to another one");
	take_text(client->request, "\"note\":\"", "\"", c->note, sizeof(c->note));
	take_text(client->request, "\nIdempotency-Key: ", "\r", c->key, sizeof(c->key));
	client->have = 0;
	begin_update(run, c);
}

static void take_bytes(struct run *run, struct client *client)
{
	ssize_t n = recv(client->fd, client->request + client->have, REQUEST_SIZE - client->have,
	                 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		close(client->fd);
		client->fd = -1; /* its connection stays with it */
		return;
	}
	client->have += (size_t)n;
	take_request(run, client);
}

static void add_to_loop(const struct run *run, int fd, void *source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };
	if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &event))
		give_up("epoll_ctl", strerror(errno));
}

static void accept_clients(struct run *run)
{
	int fd, on = 1;
	while ((fd = accept4(run->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct client *client = calloc(1, sizeof(*client));
		if (!client || run->clients == run->connections)
			give_up("--connections", "a client has come for whom there is none");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		client->source = SOURCE_CLIENT;
		client->fd = fd;
		client->connection = &run->all[run->clients++];
		client->connection->client = client;
		add_to_loop(run, fd, client);
	}
}

static void listen_for_clients(struct run *run)
{
	static enum source source = SOURCE_LISTENER;
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	run->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (run->listener < 0 || bind(run->listener, (struct sockaddr *)&address, len) ||
	    listen(run->listener, 128) ||
	    getsockname(run->listener, (struct sockaddr *)&address, &len))
		give_up("listening", strerror(errno));
	add_to_loop(run, run->listener, &source);
	printf("transactions listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
}

/* ---- updates ---- */

static void end_update(struct run *run, struct connection *c)
{
	c->busy = false;
	if (c->client) {
		answer(c);
		return;
	}
	if (run->counts) {
		run->updates++;
		histogram_add(&run->answer, now_ns() - c->began_ns);
	}
	if (run->stops)
		run->busy--;
	else
		begin_update(run, c);
}

static void take_result(struct run *run, struct connection *c, PGresult *result)
{
	const struct statement *s = &run->shape->statements[c->step];
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		give_up(s->text, PQresultErrorMessage(result));
	if (s->answers_seq || run->shape->count == 1)
		snprintf(c->seq, sizeof(c->seq), "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
}

static void take(struct run *run, struct connection *c)
{
	PGresult *result;
	if (!PQconsumeInput(c->pg))
		give_up("connection", PQerrorMessage(c->pg));
	while (c->busy && !PQisBusy(c->pg)) {
		if ((result = PQgetResult(c->pg))) {
			take_result(run, c, result);
			continue;
		}
		if (++c->step < run->shape->count)
			send_step(run, c);
		else
			end_update(run, c);
		return;
	}
}

static void open_connection(struct run *run, struct connection *c, int number)
{
	char name[16];
	*c = (struct connection){ .source = SOURCE_POSTGRES,
		                  .number = number,
		                  .pg = PQconnectdb(run->where) };
	if (PQstatus(c->pg) != CONNECTION_OK)
		give_up("connection", PQerrorMessage(c->pg));
	snprintf(c->job, sizeof(c->job), "job%d", number % run->jobs);
	snprintf(c->task, sizeof(c->task), "task%d", number);
	for (int i = 0; i < run->shape->count; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		PGresult *result = PQprepare(c->pg, name, run->shape->statements[i].text, 0, NULL);
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			give_up(run->shape->statements[i].text, PQresultErrorMessage(result));
		PQclear(result);
	}
	execute(c->pg, settings);
	PQsetnonblocking(c->pg, 1);
	add_to_loop(run, PQsocket(c->pg), c);
}

static void handle(struct run *run, enum source *source)
{
	if (*source == SOURCE_POSTGRES)
		take(run, (struct connection *)source);
	else if (*source == SOURCE_CLIENT)
		take_bytes(run, (struct client *)source);
	else
		accept_clients(run);
}

static int wait_ms(uint64_t ns)
{
	return ns / 1000000 < 60000 ? (int)(ns / 1000000) + 1 : 60000;
}

static void run_until(struct run *run, uint64_t end_ns)
{
	struct epoll_event events[256];
	for (uint64_t now; run->busy && (now = now_ns()) < end_ns;) {
		int n = epoll_wait(run->epoll, events, 256, wait_ms(end_ns - now));
		for (int i = 0; i < n; i++)
			handle(run, events[i].data.ptr);
	}
}

static double engine_cpu_s(const struct run *run)
{
	double seconds = 0;
	if (run->engine && !usage_read_tree(run->engine, &seconds))
		give_up("PostgreSQL", "the process is gone");
	return seconds;
}

static void measure(struct run *run)
{
	run->busy = run->connections;
	for (int i = 0; i < run->connections; i++)
		begin_update(run, &run->all[i]);
	run_until(run, now_ns() + run->warm_ms * 1000000);
	double engine = engine_cpu_s(run), own = usage_own_cpu();
	uint64_t began = now_ns();
	run->counts = true;
	run_until(run, began + run->run_ms * 1000000);
	run->counts = false;
	double seconds = (double)(now_ns() - began) / 1e9;
	printf("{\"updates\":%.0f,\"seconds\":%.3f,\"updates_per_s\":%.1f,\"cpu_s\":%.4f,\"engines_"
	       "cpu_s\":[%.4f],"
	       "\"answer_us\":{\"p50\":%.1f}}\n",
	       (double)run->updates, seconds, (double)run->updates / seconds, usage_own_cpu() - own,
	       engine_cpu_s(run) - engine, (double)histogram_quantile(&run->answer, 0.5) / 1e3);
	run->stops = true;
	run_until(run, now_ns() + 10000000000u);
}

/* Until it is ended by a signal. */
static void serve(struct run *run)
{
	listen_for_clients(run);
	run->busy = 1;
	run_until(run, UINT64_MAX);
}

static int read_number(const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);
	if (*end || end == text || number < 0 || number > 10000000)
		give_up(text, "is not a number in its range");
	return (int)number;
}

static void read_word(struct run *run, const char *flag, const char *value)
{
	int number = read_number(value);
	if (!strcmp(flag, "--connections"))
		run->connections = number;
	else if (!strcmp(flag, "--jobs"))
		run->jobs = number;
	else if (!strcmp(flag, "--warm-ms"))
		run->warm_ms = (uint64_t)number;
	else if (!strcmp(flag, "--run-ms"))
		run->run_ms = (uint64_t)number;
	else if (!strcmp(flag, "--engines"))
		run->engine = number;
	else if (!strcmp(flag, "--serve"))
		run->serves = number;
	else
		give_up(flag, "is unknown");
}

int main(int argc, char **argv)
{
	static struct run run = { .connections = 32, .jobs = 32, .warm_ms = 500, .run_ms = 3000 };
	for (size_t i = 0; argc > 2 && i < sizeof(shapes) / sizeof(*shapes); i++)
		if (!strcmp(argv[1], shapes[i].name))
			run.shape = &shapes[i];
	if (!run.shape || argc % 2 == 0)
		give_up("usage",
		        "transactions nine|one|function [--connections N] [--jobs N] [--warm-ms N] "
		        "[--run-ms N] [--engines PID] [--serve 1] "
		        "CONNINFO");
	for (int i = 2; i + 1 < argc; i += 2)
		read_word(&run, argv[i], argv[i + 1]);
	run.where = argv[argc - 1];
	if (run.connections < 1 || run.connections > CONNECTIONS_MAX || run.jobs < 1)
		give_up("--connections, --jobs", "at least 1");
	run.all = calloc((size_t)run.connections, sizeof(*run.all));
	run.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!run.all || run.epoll < 0)
		give_up("memory", strerror(errno));
	create_rows(&run);
	for (int i = 0; i < run.connections; i++)
		open_connection(&run, &run.all[i], i);
	if (run.serves)
		serve(&run);
	else
		measure(&run);
	for (int i = 0; i < run.connections; i++)
		PQfinish(run.all[i].pg);
	free(run.all);
	close(run.epoll);
	return 0;
}
