#include "postgres_link.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"

#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 1000

/* The linker names the ends of a section whose name is a C identifier. */
extern const struct pg_sql *const __start_postgres_sql[], *const __stop_postgres_sql[];

static unsigned count_statements(void)
{
	/* cppcheck-suppress comparePointers ; the linker puts both around one section */
	return (unsigned)(__stop_postgres_sql - __start_postgres_sql);
}

static unsigned number_of(const struct pg_sql *sql)
{
	unsigned number = 0;

	while (__start_postgres_sql[number] != sql)
		number++;
	return number;
}

void pg_link_init(struct pg_link *l, struct pg_place *place)
{
	*l = (struct pg_link){
		.place = place,
		.wake_fd = -1,
		.wait_ms = PG_WAIT_MS,
		.connect_ms = PG_CONNECT_MS,
		.pause_ms = PAUSE_MIN_MS,
	};
	l->prepared = xcalloc(count_statements(), sizeof(*l->prepared));
}

/* The round that was sent so long before the one that statements are added to. */
static struct pg_round *round_before(struct pg_link *l, size_t distance)
{
	return &l->rounds[(l->adding - distance) % PG_ROUNDS];
}

static void forget_replies(struct pg_round *round)
{
	for (size_t i = 0; i < round->count; i++)
		PQclear(round->replies[i].result);
	round->count = 0;
}

void pg_link_drop(struct pg_link *l)
{
	for (size_t i = 0; i < PG_ROUNDS; i++)
		forget_replies(&l->rounds[i]);
	l->sent = l->received = 0;
	l->failed_to_send = l->has_result = false;
	PQfinish(l->conn);
	l->conn = NULL;
	memset(l->prepared, 0, count_statements() * sizeof(*l->prepared));
}

void pg_link_finish(struct pg_link *l)
{
	pg_link_drop(l);
	pg_dial_abandon(l->dial);
	free(l->prepared);
	for (size_t i = 0; i < PG_ROUNDS; i++)
		free(l->rounds[i].replies);
}

/* ---- failures ---- */

/* What a SQLSTATE means; the first characters are its class. */
static const struct {
	const char *state;
	enum store_result means;
} meanings[] = {
	{ "40", STORE_CONFLICT },                          /* serialization failure, deadlock */
	{ "23", STORE_CONFLICT },                          /* a key is there already */
	{ "22", STORE_CONFLICT },                          /* a value cannot be stored */
	{ "21", STORE_CONFLICT }, { "53100", STORE_FULL }, /* the disk */
	{ "42", STORE_BROKEN },                            /* a table is missing, or a right */
	{ "XX", STORE_BROKEN },                            /* the server's files are not sound */
	{ "26", STORE_CONFLICT }, /* a pooler has given it another connection */
	{ "", STORE_BUSY },       /* read-only, stopping, starting, too many connections … */
};

static enum store_result meaning_of(const char *state)
{
	size_t i = 0;

	while (strncmp(meanings[i].state, state, strlen(meanings[i].state)) != 0)
		i++;
	return meanings[i].means;
}

static void set_words(struct pg_link *l, const char *what, const char *words)
{
	char line[sizeof(l->words)];

	pg_place_words(l->place, words, line, sizeof(line));
	snprintf(l->words, sizeof(l->words), "PostgreSQL: %s%.200s", what, line);
}

static enum store_result lose(struct pg_link *l, enum pg_fate fate)
{
	if (fate == PG_SILENT)
		set_words(l, "it has not answered in time", "");
	else
		set_words(l, "the connection is lost: ", PQerrorMessage(l->conn));
	pg_link_drop(l);
	l->fate = fate;
	return STORE_BUSY;
}

static enum store_result refuse(struct pg_link *l, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE),
	           *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	char what[24] = "";

	if (state)
		snprintf(what, sizeof(what), "%.5s: ", state);
	set_words(l, what, message ? message : PQresultErrorMessage(result));
	return state ? meaning_of(state) : STORE_BUSY;
}

/* ---- waiting ---- */

/* What the connection is ready for.  None: the time is over, there was a signal, or `*woken`. */
static short wait_for(const struct pg_link *l, short events, uint64_t wait_us, bool *woken)
{
	struct pollfd fds[] = { { .fd = PQsocket(l->conn), .events = events },
		                { .fd = l->wake_fd, .events = POLLIN } }; /* -1 is ignored */
	struct timespec wait = { .tv_sec = (time_t)(wait_us / 1000000),
		                 .tv_nsec = (long)(wait_us % 1000000) * 1000 };
	int ready = ppoll(fds, 2, &wait, NULL);

	*woken = ready > 0 && fds[1].revents;
	return ready > 0 ? fds[0].revents : 0;
}

static void begin_to_wait(struct pg_link *l)
{
	l->until_ms = clock_monotonic_ms() + l->wait_ms;
}

/* Until a result can be taken without waiting, or until `until_us`.  A process that was stopped
 * looks once more before it gives up. */
static enum pg_fate wait_for_result(struct pg_link *l, uint64_t until_us)
{
	uint64_t end = l->until_ms * 1000, stop = until_us < end ? until_us : end;

	while (PQisBusy(l->conn)) {
		int left = PQflush(l->conn);
		uint64_t now = clock_monotonic_us();
		bool woken;
		if (left < 0)
			return PG_LOST;
		short ready = wait_for(l, left ? POLLIN | POLLOUT : POLLIN,
		                       now < stop ? stop - now : 0, &woken);
		if (ready && !PQconsumeInput(l->conn))
			return PG_LOST;
		if (!ready && now >= end)
			return PG_SILENT;
		if (!ready && (woken || now >= stop))
			return PG_WAITS;
	}
	return PG_ALIVE;
}

/* ---- connecting ---- */

static enum store_result failed_to_connect(struct pg_link *l, const char *words)
{
	if (words)
		set_words(l, "cannot connect: ", words);
	pg_link_drop(l);
	l->retry_ms = clock_monotonic_ms() + l->pause_ms;
	l->pause_ms = l->pause_ms * 2 < PAUSE_MAX_MS ? l->pause_ms * 2 : PAUSE_MAX_MS;
	l->failure = STORE_BUSY;
	return l->failure;
}

static const char *words_for_silence(const struct pg_link *l)
{
	bool named;

	pg_place_hosts(l->place, &named);
	return named ? "the name of the host is not resolved in time, or PostgreSQL does not answer"
	             : "there was no answer in time";
}

static enum store_result open_connection(struct pg_link *l)
{
	if (!l->dial) {
		l->dial = pg_dial_start(l->place, NULL, NULL, NULL);
		l->dial_until_ms = clock_monotonic_ms() + l->connect_ms;
	}
	if (!l->dial)
		return failed_to_connect(l, "no thread can be started");
	if (!pg_dial_wait(l->dial, l->dial_until_ms, &l->conn))
		return failed_to_connect(l, words_for_silence(l));
	l->dial = NULL;
	if (PQstatus(l->conn) != CONNECTION_OK)
		return failed_to_connect(l, PQerrorMessage(l->conn));
	PQsetnonblocking(l->conn, 1);
	PQenterPipelineMode(l->conn);
	return STORE_OK;
}

enum store_result pg_link_connect(struct pg_link *l, bool insist, pg_link_setup *setup,
                                  void *context)
{
	uint64_t now = clock_monotonic_ms();

	if (l->conn)
		return STORE_OK;
	if (now < l->retry_ms && !insist)
		return l->failure;
	if (now < l->retry_ms)
		poll(NULL, 0, (int)(l->retry_ms - now));
	enum store_result r = open_connection(l);
	if (r != STORE_OK)
		return r;
	forget_replies(round_before(l, 0)); /* it was not sent */
	l->fate = PG_ALIVE;
	l->pooled = true; /* until the setup knows better */
	if (!setup(context))
		return failed_to_connect(l, NULL);
	l->pause_ms = PAUSE_MIN_MS;
	l->used_ms = clock_monotonic_ms();
	return STORE_OK;
}

/* ---- rounds ---- */

static struct pg_reply *add_reply(struct pg_link *l)
{
	struct pg_round *round = round_before(l, 0);

	if (round->count == round->cap) {
		round->cap = round->cap ? round->cap * 2 : 16;
		round->replies = xrealloc(round->replies, round->cap * sizeof(*round->replies));
	}
	round->replies[round->count] = (struct pg_reply){ 0 };
	return &round->replies[round->count++];
}

static void statement_name(unsigned number, char name[16])
{
	snprintf(name, 16, "s%u", number);
}

static void prepare(struct pg_link *l, const struct pg_sql *sql, unsigned number)
{
	char name[16];

	if (l->prepared[number])
		return;
	statement_name(number, name);
	l->failed_to_send |= !PQsendPrepare(l->conn, name, sql->text, 0, NULL);
	add_reply(l)->prepares = number;
	l->prepared[number] = true;
}

static void send_statement(struct pg_link *l, const struct pg_sql *sql, int count,
                           const char *const *values, const int *lengths)
{
	static const int binary[PG_ARGS_MAX] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		                                 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	unsigned number = number_of(sql);
	char name[16];
	int sent;

	if (l->pooled) {
		sent = PQsendQueryParams(l->conn, sql->text, count, NULL, values, lengths, binary,
		                         1);
	} else {
		prepare(l, sql, number);
		statement_name(number, name);
		sent = PQsendQueryPrepared(l->conn, name, count, values, lengths, binary, 1);
	}
	l->failed_to_send |= !sent;
}

size_t pg_link_add(struct pg_link *l, const struct pg_sql *sql, const struct pg_args *args)
{
	const char *values[PG_ARGS_MAX];
	int lengths[PG_ARGS_MAX], count = args ? args->count : 0;

	for (int i = 0; i < count; i++) {
		values[i] = args->lengths[i] < 0 ? NULL : args->bytes.ptr + args->at[i];
		lengths[i] = args->lengths[i] < 0 ? 0 : args->lengths[i];
	}
	if (l->conn)
		send_statement(l, sql, count, values, lengths);
	add_reply(l)->sql = sql;
	return round_before(l, 0)->count - 1;
}

size_t pg_link_add_rows(struct pg_link *l, const struct pg_sql *sql, const struct pg_rows *rows)
{
	struct pg_args args = { 0 };

	if (!rows->count)
		return SIZE_MAX;
	pg_args_rows(&args, rows);
	size_t at = pg_link_add(l, sql, &args);
	pg_args_finish(&args);
	return at;
}

void pg_link_add_parts(struct pg_link *l, const struct pg_sql *sql, const struct pg_rows *rows)
{
	struct pg_args args = { 0 };
	struct pg_part part = { 0 };

	for (; pg_args_part(&args, rows, &part); pg_args_clear(&args))
		pg_link_add(l, sql, &args);
	pg_args_finish(&args);
}

static bool take_result(struct pg_link *l, PGresult **result)
{
	*result = PQgetResult(l->conn);
	begin_to_wait(l);
	return *result && PQstatus(l->conn) != CONNECTION_BAD;
}

/* The result of a statement, and the NULL that follows it. */
static enum pg_fate receive(struct pg_link *l, PGresult **result, uint64_t until_us)
{
	enum pg_fate fate = wait_for_result(l, until_us);

	if (fate == PG_ALIVE && !l->has_result) {
		if (!take_result(l, result))
			return PG_LOST;
		l->has_result = PQresultStatus(*result) != PGRES_PIPELINE_SYNC;
		if (!l->has_result)
			return PG_ALIVE;
		fate = wait_for_result(l, until_us);
	}
	if (fate != PG_ALIVE)
		return fate;
	PQclear(PQgetResult(l->conn));
	l->has_result = false;
	return PG_ALIVE;
}

static bool is_good(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* A statement is prepared when the server has said so. */
static void settle_prepared(struct pg_link *l, const struct pg_round *round)
{
	for (size_t i = 0; i < round->count; i++)
		if (!round->replies[i].sql && !is_good(round->replies[i].result))
			l->prepared[round->replies[i].prepares] = false;
}

static enum store_result judge(struct pg_link *l, const struct pg_round *round)
{
	l->fate = PG_ALIVE;
	l->used_ms = clock_monotonic_ms();
	settle_prepared(l, round);
	for (size_t i = 0; i < round->count; i++)
		if (!is_good(round->replies[i].result))
			return refuse(l, round->replies[i].result);
	return STORE_OK;
}

void pg_link_send(struct pg_link *l)
{
	assert(l->sent < STORE_SENT_MAX);
	if (!l->conn)
		return;
	if (l->failed_to_send || !PQpipelineSync(l->conn)) { /* it flushes */
		lose(l, PG_LOST);
		return;
	}
	if (!l->sent++)
		begin_to_wait(l);
	l->adding++;
	forget_replies(round_before(l, 0));
}

static enum pg_fate receive_all(struct pg_link *l, struct pg_round *round, uint64_t until_us)
{
	PGresult *sync = NULL;
	enum pg_fate fate = PG_ALIVE;

	while (l->received < round->count && fate == PG_ALIVE) {
		fate = receive(l, &round->replies[l->received].result, until_us);
		l->received += fate == PG_ALIVE;
	}
	if (fate == PG_ALIVE)
		fate = receive(l, &sync, until_us);
	PQclear(sync);
	return fate;
}

bool pg_link_receive(struct pg_link *l, uint64_t wait_us, int wake_fd, enum store_result *result)
{
	uint64_t now = clock_monotonic_us();
	struct pg_round *round = round_before(l, l->sent);

	*result = STORE_BUSY;
	if (!l->conn) /* it was lost while the round was sent */
		return true;
	l->wake_fd = wake_fd;
	enum pg_fate fate = receive_all(l, round,
	                                wait_us < UINT64_MAX - now ? now + wait_us : UINT64_MAX);

	l->wake_fd = -1;
	if (fate == PG_WAITS)
		return false;
	if (fate != PG_ALIVE) {
		*result = lose(l, fate);
		return true;
	}
	l->sent--;
	l->received = 0;
	*result = judge(l, round);
	return true;
}

enum store_result pg_link_run(struct pg_link *l)
{
	enum store_result r = STORE_BUSY;

	if (l->conn && !round_before(l, 0)->count)
		return STORE_OK;
	pg_link_send(l);
	while (l->sent && pg_link_receive(l, UINT64_MAX, -1, &r))
		;
	return r;
}

PGresult *pg_link_result(struct pg_link *l, size_t number)
{
	return round_before(l, l->sent + 1)->replies[number].result;
}

PGresult *pg_link_take(struct pg_link *l, size_t number)
{
	struct pg_reply *reply = &round_before(l, l->sent + 1)->replies[number];
	PGresult *result = reply->result;

	reply->result = NULL;
	return result;
}

/* ---- scripts ---- */

enum store_result pg_link_script(struct pg_link *l, const char *text)
{
	enum store_result r = STORE_OK;
	enum pg_fate fate = PG_ALIVE;
	PGresult *result;

	if (!l->conn)
		return STORE_BUSY;
	if (!PQexitPipelineMode(l->conn) || !PQsendQuery(l->conn, text))
		return lose(l, PG_LOST);
	begin_to_wait(l);
	while ((fate = wait_for_result(l, UINT64_MAX)) == PG_ALIVE &&
	       (result = PQgetResult(l->conn))) {
		begin_to_wait(l);
		if (!is_good(result) && r == STORE_OK)
			r = refuse(l, result);
		PQclear(result);
	}
	if (fate != PG_ALIVE || PQstatus(l->conn) == CONNECTION_BAD)
		return lose(l, fate == PG_ALIVE ? PG_LOST : fate);
	PQenterPipelineMode(l->conn);
	return r;
}
