/* The gate of routes and WebSocket messages: what a connection may not do is refused. */
#include "kit.h"

#include "api/gate.h"
#include "net/dispatch.h"
#include "net/loop_private.h"
#include "transport/websocket_private.h"

static void a_connection_does_what_it_may(void **state)
{
	struct problem p = { 0 };
	struct loop l = { 0 };
	struct conn c = { .loop = &l, .rights = RIGHT_WATCH };

	(void)state;
	assert_true(gate_admits(&c, RIGHT_NONE, NULL, &p));
	assert_true(gate_admits(&c, RIGHT_WATCH, NULL, &p));
	c.rights = RIGHT_ALL;
	assert_true(gate_admits(&c, RIGHT_REPORT, NULL, &p));
	assert_true(gate_admits(&c, RIGHT_ALL, NULL, &p));
	assert_int_equal(p.outcome, OUTCOME_OK);
}

static void a_reader_may_not_write_with_or_without_a_request(void **state)
{
	struct problem p = { 0 }, later = { 0 };
	struct request r = { 0 };
	struct loop l = { 0 };
	struct conn c = { .loop = &l, .rights = RIGHT_WATCH, .request = &r };

	(void)state;
	r.headers[HEADER_ORIGIN] = SLICE("https://elsewhere.example");
	assert_false(gate_admits(&c, RIGHT_REPORT, NULL, &p));
	assert_int_equal(p.outcome, OUTCOME_FORBIDDEN_ORIGIN);
	assert_non_null(strstr(p.detail, "https://elsewhere.example"));
	c.request = NULL; /* a message of a WebSocket */
	assert_false(gate_admits(&c, RIGHT_CONTROL, NULL, &later));
	assert_int_equal(later.outcome, OUTCOME_FORBIDDEN_ORIGIN);
}

/* A WebSocket without a socket. */
struct pretended {
	struct loop loop;
	struct loops loops;
	struct conn conn;
	struct ws ws;
	struct limits limits;
	struct service service;
	struct dispatch dispatch;
	enum outcome written; /* the problem of the op that went to the store */
};

static bool keep_outcome(void *context, struct op *op)
{
	((struct pretended *)context)->written = op->problem.outcome;
	op_free(op);
	return true;
}

static void say(struct pretended *p, enum right rights, const char *message)
{
	*p = (struct pretended){ .limits = limits_default,
		                 .service = { p, keep_outcome, NULL },
		                 .dispatch = { .admits = gate_admits } };
	p->loop.limits = &p->limits;
	p->loop.service = &p->service;
	p->loop.dispatch = &p->dispatch;
	p->loop.loops = &p->loops;
	list_init(&p->loop.turn.sockets);
	list_init(&p->conn.turn);
	list_init(&p->ws.subscriptions);
	list_init(&p->ws.reported);
	p->conn.loop = &p->loop;
	p->conn.rights = rights;
	p->conn.state = CONN_SOCKET;
	p->ws.conn = &p->conn;
	p->conn.session = &p->ws;
	ws_receive_message(&p->ws, slice_of(message));
}

static bool is_answered_with(enum right rights, const char *message, const char *answer)
{
	static struct pretended p;

	say(&p, rights, message);
	bool found = memmem(p.ws.out.ptr, p.ws.out.len, answer, strlen(answer)) != NULL;
	buf_finish(&p.ws.out);
	return found;
}

static void messages_without_their_access_are_refused(void **state)
{
	static const char refused[] = "\"code\":\"forbidden_origin\"";

	(void)state;
	assert_true(is_answered_with(RIGHT_NONE, "{\"type\":\"ping\"}", "\"pong\""));
	assert_true(
	    is_answered_with(RIGHT_NONE, "{\"type\":\"subscribe\",\"jobId\":\"j\"}", refused));
	assert_true(
	    is_answered_with(RIGHT_NONE, "{\"type\":\"unsubscribe\",\"jobId\":\"j\"}", refused));
	assert_true(is_answered_with(
	    RIGHT_WATCH, "{\"type\":\"presence\",\"jobId\":\"j\",\"state\":\"online\"}", refused));
}

/* Its answer keeps its place among those of the updates before it. */
static void an_update_without_its_access_is_refused_by_way_of_the_store(void **state)
{
	static struct pretended p;

	(void)state;
	say(&p, RIGHT_WATCH,
	    "{\"type\":\"command\",\"id\":\"1\",\"jobId\":\"j\",\"command\":\"cancel\"}");
	assert_int_equal(p.ws.pending, 1);
	assert_int_equal(p.written, OUTCOME_FORBIDDEN_ORIGIN);
	buf_finish(&p.ws.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_connection_does_what_it_may),
		TEST(a_reader_may_not_write_with_or_without_a_request),
		TEST(messages_without_their_access_are_refused),
		TEST(an_update_without_its_access_is_refused_by_way_of_the_store),
	};

	return RUN("gate", tests);
}
