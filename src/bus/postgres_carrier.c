/*
 * PostgreSQL as a carrier: its channels (LISTEN and NOTIFY), and none of its tables.
 *
 * A transaction that notifies holds up the commit of every other one that does, so messages are
 * sent in transactions of their own, each with all that waits, and one at a time.  Nobody waits for
 * the disk for them.
 *
 * A PostgreSQL that is stopped, or a network that drops packets, shows nothing: the connection
 * notifies itself every CARRIER_PROBE_MS, and a notification that does not come is as good as a
 * connection that was closed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "carrier.h"
#include "carrier_pace.h"
#include "joblight/base/list.h"
#include "joblight/base/module.h"
#include "joblight/base/xalloc.h"
#include "postgres_connector.h"
#include "postgres_rounds.h"
#include "postgres_stream.h"

#define NAME_MS 1000  /* without a connection: the address that was known before is tried */
#define OPEN_MS 2500  /* from the beginning to the first probe that returns */
#define CONNECT_S "2" /* of libpq, for each address */
#define END_MS 250    /* for what is still to be sent at the end */
#define WAITING_MAX ((size_t)16 * 1024 * 1024) /* bytes that wait to be sent */

enum phase {
	PHASE_WAITING,
	PHASE_CONNECTING,
	PHASE_CHECKING, /* the server, */
	PHASE_SETTING,  /* and the session that it has given */
	PHASE_PREPARING,
	PHASE_PROBING,
	PHASE_UP,
	PHASE_ENDING, /* the last messages are sent */
	PHASE_ENDED,
};

struct postgres_carrier {
	struct carrier base;
	struct pg_place *place;
	char *probe;
	const struct carrier_events *events;
	void *context;
	uv_loop_t *loop;
	struct postgres_connector *connector;
	struct postgres_stream stream;
	struct postgres_rounds rounds;
	struct postgres_round *sent; /* that is being answered; NULL: none is */
	char refusal[256];           /* of the server, in the answer that is being taken */
	struct buf message;          /* that is being received */
	uv_timer_t tick;
	uv_prepare_t prepare; /* sends what was added, at the end of a turn of the loop */
	enum phase phase;
	uint64_t phase_ms; /* when it began */
	uint64_t open_ms;  /* when connecting began */
	struct carrier_pace pace;
};

static struct postgres_carrier *carrier_of(struct carrier *c)
{
	return container_of(c, struct postgres_carrier, base);
}

static void enter(struct postgres_carrier *p, enum phase phase)
{
	p->phase = phase;
	p->phase_ms = uv_now(p->loop);
}

static void drop_connection(struct postgres_carrier *p)
{
	postgres_connector_drop(p->connector);
	postgres_stream_close(&p->stream);
	postgres_rounds_clear(&p->rounds);
	postgres_round_free(p->sent);
	p->sent = NULL;
}

static void close_all(struct postgres_carrier *p)
{
	drop_connection(p);
	enter(p, PHASE_ENDED);
	postgres_connector_end(p->connector);
	uv_close((uv_handle_t *)&p->tick, NULL);
	uv_close((uv_handle_t *)&p->prepare, NULL);
}

/* `message` may have the password in it, and several lines. */
static void go_down(struct postgres_carrier *p, const char *message)
{
	char cause[200];

	if (p->phase == PHASE_ENDING) {
		close_all(p);
		return;
	}
	pg_place_words(p->place, message, cause, sizeof(cause));
	drop_connection(p);
	carrier_pace_failed(&p->pace, uv_now(p->loop));
	enter(p, PHASE_WAITING);
	p->events->down(p->context, cause);
}

/* ---- sending ---- */

static void send_round(struct postgres_carrier *p)
{
	const struct postgres_round *round = p->sent;
	const char *texts[2] = { round->text.ptr, round->payloads.ptr };

	if (round->kind == ROUND_LISTEN)
		postgres_stream_query(&p->stream, round->text.ptr);
	else
		postgres_stream_run(&p->stream, "notify", 2, texts);
}

static void send_next(struct postgres_carrier *p)
{
	if (p->phase < PHASE_PROBING || !p->stream.conn || p->stream.is_busy)
		return;
	p->sent = postgres_rounds_take(&p->rounds);
	if (p->sent)
		send_round(p);
	else if (p->phase == PHASE_ENDING)
		close_all(p);
}

static void on_prepare(uv_prepare_t *prepare)
{
	send_next(prepare->data);
}

/* ---- the probe ---- */

static void send_probe(struct postgres_carrier *p)
{
	carrier_pace_probe_sent(&p->pace, uv_now(p->loop));
	postgres_rounds_notify(&p->rounds, slice_of(p->probe), SLICE(""));
}

static void take_probe(struct postgres_carrier *p)
{
	carrier_pace_probe_returned(&p->pace);
	if (p->phase != PHASE_PROBING)
		return;
	carrier_pace_connected(&p->pace);
	enter(p, PHASE_UP);
	p->events->up(p->context);
}

/* ---- answers ---- */

static void confirm(struct postgres_carrier *p, const struct postgres_round *round)
{
	const char *name = round->names.ptr, *end = name + round->names.len;

	for (; name < end && p->phase == PHASE_UP; name += strlen(name) + 1)
		p->events->confirmed(p->context, slice_of(name));
}

static void take_round(struct postgres_carrier *p)
{
	struct postgres_round *round = p->sent;

	p->sent = NULL;
	if (round->kind == ROUND_LISTEN)
		confirm(p, round);
	postgres_round_free(round);
}

static void start_probing(struct postgres_carrier *p)
{
	enter(p, PHASE_PROBING);
	postgres_rounds_listen(&p->rounds, slice_of(p->probe));
	send_probe(p);
}

static void on_answered(struct postgres_stream *s)
{
	struct postgres_carrier *p = s->context;

	if (p->refusal[0]) {
		go_down(p, p->refusal);
	} else if (p->phase == PHASE_CHECKING) {
		enter(p, PHASE_SETTING);
		postgres_stream_query(s, "SET synchronous_commit = off; SET jit = off; "
		                         "SET statement_timeout = 5000; SET lock_timeout = 5000");
	} else if (p->phase == PHASE_SETTING) {
		enter(p, PHASE_PREPARING);
		postgres_stream_prepare(s, "notify",
		                        "SELECT count(pg_notify(channel, payload)) "
		                        "FROM unnest($1::text[], $2::text[]) AS message "
		                        "(channel, payload)");
	} else if (p->phase == PHASE_PREPARING) {
		start_probing(p);
	} else if (p->sent) {
		take_round(p);
	}
}

static void refuse(struct postgres_carrier *p, const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	snprintf(p->refusal, sizeof(p->refusal), "PostgreSQL answers %s",
	         message ? message : PQresultErrorMessage(result));
}

/* A pooler gives each transaction another session, and a session listens. */
static void check_server(struct postgres_carrier *p, const PGresult *result)
{
	if (PQntuples(result) == 1 &&
	    strtol(PQgetvalue(result, 0, 0), NULL, 10) == PQbackendPID(p->stream.conn))
		return;
	snprintf(p->refusal, sizeof(p->refusal),
	         "a pooler such as PgBouncer is between this server and PostgreSQL, and carries no "
	         "LISTEN; give --bus postgres://HOST/NAME with the address of PostgreSQL itself");
}

static void on_result(struct postgres_stream *s, const PGresult *result)
{
	struct postgres_carrier *p = s->context;
	ExecStatusType status = PQresultStatus(result);

	if (p->refusal[0])
		return;
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		refuse(p, result);
	else if (p->phase == PHASE_CHECKING)
		check_server(p, result);
}

static void on_notified(struct postgres_stream *s, const PGnotify *notification)
{
	struct postgres_carrier *p = s->context;
	struct slice channel;
	bool is_ours;

	if (p->phase != PHASE_UP && p->phase != PHASE_PROBING)
		return;
	p->message.len = 0;
	is_ours = postgres_payload_read(notification->relname, notification->extra, &channel,
	                                &p->message);
	if (is_ours && !p->message.len && slice_is(channel, p->probe))
		take_probe(p);
	else if (p->phase == PHASE_UP)
		p->events->message(p->context, channel,
		                   is_ours ? buf_as_slice(&p->message)
		                           : slice_of(notification->extra));
}

static void on_drained(struct postgres_stream *s)
{
	struct postgres_carrier *p = s->context;

	if (p->phase == PHASE_UP)
		p->events->drained(p->context);
}

static void on_failed(struct postgres_stream *s, const char *message)
{
	go_down(s->context, message);
}

static const struct postgres_stream_events stream_events = { on_result, on_answered, on_notified,
	                                                     on_drained, on_failed };

/* ---- connecting ---- */

static void on_connected(void *context, PGconn *conn, const char *cause)
{
	struct postgres_carrier *p = context;

	if (!conn) {
		go_down(p, cause);
		return;
	}
	p->refusal[0] = '\0';
	enter(p, PHASE_CHECKING);
	postgres_stream_open(&p->stream, conn);
	if (p->phase == PHASE_CHECKING)
		postgres_stream_query(&p->stream, "SELECT pg_backend_pid()");
}

static void connect_again(struct postgres_carrier *p)
{
	p->open_ms = uv_now(p->loop);
	enter(p, PHASE_CONNECTING);
	if (!postgres_connector_start(p->connector))
		postgres_connector_start_known(p->connector);
}

/* ---- time ---- */

static void forgive(struct postgres_carrier *p, uint64_t now)
{
	p->stream.heard_ms = now;
	p->phase_ms = p->open_ms = now;
}

static void look_at_stream(struct postgres_carrier *p, uint64_t now)
{
	if (carrier_pace_is_silent(&p->pace, p->stream.heard_ms, now) ||
	    carrier_pace_is_lost(&p->pace, now))
		go_down(p, "PostgreSQL does not answer");
	else if (!p->pace.waits_ms && carrier_pace_probe_is_due(&p->pace, now))
		send_probe(p);
}

static void look_at_opening(struct postgres_carrier *p, uint64_t now)
{
	if (now - p->open_ms >= OPEN_MS)
		go_down(p, p->phase == PHASE_CONNECTING
		               ? "PostgreSQL, or the name server, does not answer"
		               : "PostgreSQL does not answer");
	else if (p->phase == PHASE_CONNECTING && now - p->phase_ms >= NAME_MS &&
	         postgres_connector_start_known(p->connector))
		p->phase_ms = now;
}

static void on_tick(uv_timer_t *timer)
{
	struct postgres_carrier *p = timer->data;
	uint64_t now = uv_now(p->loop);

	if (carrier_pace_tick(&p->pace, now))
		forgive(p, now);
	if (p->phase == PHASE_ENDING) {
		if (now - p->phase_ms >= END_MS)
			close_all(p);
		return;
	}
	if (p->phase == PHASE_UP)
		look_at_stream(p, now);
	else if (p->phase == PHASE_WAITING && !carrier_pace_left(&p->pace, now))
		connect_again(p);
	else if (p->phase != PHASE_WAITING)
		look_at_opening(p, now);
	if (p->phase == PHASE_WAITING)
		uv_timer_start(&p->tick, on_tick, carrier_pace_left(&p->pace, now),
		               CARRIER_TICK_MS);
}

/* ---- the functions of a carrier ---- */

static struct carrier *carrier_open(const struct carrier_config *config, char *error,
                                    size_t error_len);

static void carrier_begin(struct carrier *c, uv_loop_t *loop, const struct carrier_events *events,
                          void *context)
{
	struct postgres_carrier *p = carrier_of(c);

	p->loop = loop;
	p->events = events;
	p->context = context;
	postgres_rounds_init(&p->rounds);
	postgres_stream_init(&p->stream, loop, &stream_events, p);
	p->connector = postgres_connector_create(loop, p->place, on_connected, p);
	uv_timer_init(loop, &p->tick);
	uv_prepare_init(loop, &p->prepare);
	p->tick.data = p->prepare.data = p;
	uv_prepare_start(&p->prepare, on_prepare);
	enter(p, PHASE_WAITING);
	uv_timer_start(&p->tick, on_tick, 0, CARRIER_TICK_MS);
}

static bool has_room(const struct postgres_carrier *p)
{
	return p->phase == PHASE_UP && p->rounds.bytes <= WAITING_MAX;
}

static bool carrier_publish(struct carrier *c, struct slice channel, struct slice bytes)
{
	struct postgres_carrier *p = carrier_of(c);

	if (!has_room(p) || bytes.len > POSTGRES_MESSAGE_MAX)
		return false;
	postgres_rounds_notify(&p->rounds, channel, bytes);
	return true;
}

static void carrier_subscribe(struct carrier *c, struct slice channel)
{
	struct postgres_carrier *p = carrier_of(c);

	if (has_room(p))
		postgres_rounds_listen(&p->rounds, channel);
	else if (p->phase == PHASE_UP)
		go_down(p, "PostgreSQL does not take what is sent to it");
}

static void carrier_unsubscribe(struct carrier *c, struct slice channel)
{
	struct postgres_carrier *p = carrier_of(c);

	if (p->phase == PHASE_UP)
		postgres_rounds_unlisten(&p->rounds, channel);
}

/* The last message is that the node stops, and one before it may not have been answered. */
static void carrier_end(struct carrier *c)
{
	struct postgres_carrier *p = carrier_of(c);

	if (p->phase != PHASE_UP) {
		close_all(p);
		return;
	}
	enter(p, PHASE_ENDING);
	uv_timer_start(&p->tick, on_tick, END_MS, CARRIER_TICK_MS);
	send_next(p);
}

static void carrier_free(struct carrier *c)
{
	struct postgres_carrier *p = carrier_of(c);

	pg_place_free(p->place);
	buf_finish(&p->message);
	free(p->probe);
	free(p);
}

static const struct carrier_ops postgres_carrier = {
	.message_max = POSTGRES_MESSAGE_MAX,
	.open = carrier_open,
	.begin = carrier_begin,
	.publish = carrier_publish,
	.subscribe = carrier_subscribe,
	.unsubscribe = carrier_unsubscribe,
	.end = carrier_end,
	.free = carrier_free,
};

static struct carrier *carrier_open(const struct carrier_config *config, char *error,
                                    size_t error_len)
{
	struct pg_place *place = pg_place_parse(config->location, "--bus", error, error_len);

	if (!place)
		return NULL;
	pg_place_set(place, "connect_timeout", CONNECT_S, true);
	pg_place_set(place, "application_name", "joblight bus", false);
	if (config->password)
		pg_place_set(place, "password", config->password, true);
	struct postgres_carrier *p = xcalloc(1, sizeof(*p));
	p->base.ops = &postgres_carrier;
	p->place = place;
	p->probe = xstrdup(config->probe);
	return &p->base;
}

MODULE(carrier, &postgres_carrier);
