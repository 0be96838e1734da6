#include "selftest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "load.h"
#include "peer.h"
#include "stamp.h"
#include "subscriber.h"

#define EVENTS 600
#define SPACING 12   /* faults stand this far apart, so that each has its own effect and no other */
#define FIRST_SEQ 17 /* the job is not new when the subscriber comes */
#define SCHEDULES 200

enum framing { FRAMING_PLAIN, FRAMING_CHUNKED, FRAMING_WS, FRAMING_NATS, FRAMINGS };

static const char *const framing_names[FRAMINGS] = { "events", "chunked events", "WebSocket frames",
	                                             "NATS in frames" };

struct item {
	struct stamp stamp;
	uint64_t seq;
	bool unmarked; /* its note carries no stamp */
};

/* One connection's life: what is sent, and what must be found in it. */
struct tape {
	enum framing framing;
	const struct peer *peer;
	uint32_t publishers;
	struct item items[EVENTS * 2];
	size_t count;
	uint32_t committed[8];
	struct verdict expect;
	uint64_t expect_errors;
	char *bytes;
	size_t len;
	unsigned seed;
};

static unsigned dice(struct tape *tape, unsigned sides)
{
	tape->seed = tape->seed * 1664525u + 1013904223u;
	return (tape->seed >> 8) % sides;
}

/* Job 0's publishers are the even ones of twice as many; job 1's events are what must not come. */
static void tape_play(struct tape *tape)
{
	tape->count = EVENTS;
	for (uint32_t i = 0; i < EVENTS; i++) {
		uint32_t publisher = i % tape->publishers * 2;
		uint32_t counter = i / tape->publishers + 1;
		tape->items[i] = (struct item){
			{ .job = 0, .publisher = publisher, .counter = counter, .time_ns = 1 },
			FIRST_SEQ + i,
			false
		};
		tape->committed[publisher] = counter;
	}
}

static void item_remove(struct tape *tape, size_t at)
{
	memmove(&tape->items[at], &tape->items[at + 1],
	        (--tape->count - at) * sizeof(*tape->items));
}

static void item_insert(struct tape *tape, size_t at, struct item item)
{
	memmove(&tape->items[at + 1], &tape->items[at],
	        (tape->count++ - at) * sizeof(*tape->items));
	tape->items[at] = item;
}

static void inject_loss(struct tape *tape, size_t at)
{
	item_remove(tape, at);
	tape->expect.lost++;
}

static void inject_repeat(struct tape *tape, size_t at)
{
	item_insert(tape, at + 1 + dice(tape, 4), tape->items[at]);
	tape->expect.twice++;
}

static void inject_swap(struct tape *tape, size_t at)
{
	struct item first = tape->items[at];
	tape->items[at] = tape->items[at + 1];
	tape->items[at + 1] = first;
	tape->expect.out_of_order++;
}

static void inject_wrong_job(struct tape *tape, size_t at)
{
	struct item item = tape->items[at];
	item.stamp.job = 1;
	item_insert(tape, at, item);
	tape->expect.misrouted++;
}

static void inject_wrong_publisher(struct tape *tape, size_t at)
{
	struct item item = tape->items[at];
	item.stamp.publisher = 1;
	item_insert(tape, at, item);
	tape->expect.misrouted++;
}

static void inject_unmarked(struct tape *tape, size_t at)
{
	struct item item = tape->items[at];
	item.unmarked = true;
	item_insert(tape, at, item);
	tape->expect_errors++;
}

static void inject_nothing(struct tape *tape, size_t at)
{
	(void)tape;
	(void)at;
}

typedef void injection(struct tape *tape, size_t at);

static const struct {
	const char *name;
	injection *inject;
} faults[] = {
	{ "nothing", inject_nothing },
	{ "loss", inject_loss },
	{ "repeat", inject_repeat },
	{ "swap", inject_swap },
	{ "another job's event", inject_wrong_job },
	{ "another job's publisher", inject_wrong_publisher },
	{ "update without stamp", inject_unmarked },
};

enum { FAULTS = sizeof(faults) / sizeof(*faults) };

static void tail_cut(struct tape *tape, size_t events)
{
	tape->count -= events;
	tape->expect.lost += events;
}

/* --- the tape as bytes --- */

static void put(struct tape *tape, const char *data, size_t len)
{
	memcpy(tape->bytes + tape->len, data, len);
	tape->len += len;
}

static void put_text(struct tape *tape, const char *text)
{
	put(tape, text, strlen(text));
}

/* In chunks of any length: they do not care where events end. */
static void put_chunked(struct tape *tape, const char *data, size_t len)
{
	while (len) {
		size_t take = 1 + dice(tape, 300);
		char head[16];
		take = take < len ? take : len;
		snprintf(head, sizeof(head), dice(tape, 2) ? "%zx\r\n" : "%zX;a=b\r\n", take);
		put_text(tape, head);
		put(tape, data, take);
		put_text(tape, "\r\n");
		data += take;
		len -= take;
	}
}

static void put_one_frame(struct tape *tape, char first_byte, const char *data, size_t len)
{
	char head[4] = { first_byte, (char)len };
	if (len < 126) {
		put(tape, head, 2);
	} else {
		head[1] = 126;
		head[2] = (char)(len >> 8);
		head[3] = (char)len;
		put(tape, head, 4);
	}
	put(tape, data, len);
}

static void put_frame(struct tape *tape, const char *data, size_t len)
{
	put_one_frame(tape, (char)0x81, data, len);
}

/* A message in fragments, with a ping between two of them. */
static void put_fragments(struct tape *tape, const char *data, size_t len)
{
	size_t first = len / 3, second = len / 2;
	put_one_frame(tape, 0x01, data, first);
	put_one_frame(tape, (char)0x8a, "", 0);
	put_one_frame(tape, 0x00, data + first, second - first);
	put_one_frame(tape, (char)0x80, data + second, len - second);
}

/* In frames of any length: NATS does not care where messages end. */
static void put_nats(struct tape *tape, const char *data, size_t len)
{
	while (len) {
		size_t take = 1 + dice(tape, 300);
		take = take < len ? take : len;
		put_frame(tape, data, take);
		data += take;
		len -= take;
	}
}

static void put_event(struct tape *tape, const char *json)
{
	char text[2048];
	if (tape->framing == FRAMING_NATS) {
		int nats_len = snprintf(text, sizeof(text), "MSG b1-00000 1 %zu\r\n%s\r\n",
		                        strlen(json), json);
		put_nats(tape, text, (size_t)nats_len);
		return;
	}
	if (tape->framing == FRAMING_WS) {
		dice(tape, 2) ? put_frame(tape, json, strlen(json))
		              : put_fragments(tape, json, strlen(json));
		return;
	}
	int cut = dice(tape, 2)
	              ? 0
	              : (int)strcspn(json,
	                             ","); /* two data lines: white space between two members */
	int len = snprintf(text, sizeof(text), "id: epoch.1\ndata: %.*s%s%s\n\n", cut, json,
	                   cut ? "\ndata: " : "", json + cut);
	if (tape->framing == FRAMING_CHUNKED)
		put_chunked(tape, text, (size_t)len);
	else
		put(tape, text, (size_t)len);
}

static void put_item(struct tape *tape, const struct item *item)
{
	char json[1024], note[STAMP_LEN + 1] = "no stamp here", number[40] = "";
	if (!item->unmarked)
		stamp_write(note, &item->stamp);
	if (tape->peer->has_seq)
		snprintf(number, sizeof(number), "\"seq\":%llu,", (unsigned long long)item->seq);
	snprintf(json, sizeof(json),
	         "{\"type\":\"task_update\",\"jobId\":\"b1-0\",%s\"taskId\":\"t0\","
	         "\"status\":\"in_progress\",\"note\":\"%s\"}",
	         number, note);
	put_event(tape, json);
}

/* `connected` carries a snapshot with an old stamp in it, which is nobody's delivery. */
static void put_opening(struct tape *tape)
{
	char json[1024], stamp[STAMP_LEN + 1] = { 0 };
	stamp_write(stamp, &(struct stamp){ .counter = 99 });
	if (tape->framing >= FRAMING_WS)
		put_text(tape, "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: "
		               "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
	else if (tape->framing == FRAMING_CHUNKED)
		put_text(tape, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	else
		put_text(tape, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
	if (tape->peer->nats)
		put_nats(tape, "INFO {}\r\nPONG\r\nPING\r\n", 21);
	if (!tape->peer->says_connected)
		return;
	snprintf(json, sizeof(json),
	         "{\"type\":\"connected\",\"jobId\":\"b1-0\",\"cursor\":\"epoch.%d\","
	         "\"job\":{\"tasks\":[{\"note\":\"%s\"}]}}",
	         FIRST_SEQ - 1, stamp);
	put_event(tape, json);
}

static void tape_write(struct tape *tape)
{
	put_opening(tape);
	for (size_t i = 0; i < tape->count; i++)
		put_item(tape, &tape->items[i]);
}

/* --- the tape through the reading end --- */

static void feed(struct tape *tape, struct subscriber *s)
{
	static char room[STREAM_ROOM + 4096];
	for (size_t at = 0; at < tape->len;) {
		size_t take = 1 + dice(tape, 3000);
		take = take < tape->len - at ? take : tape->len - at;
		memcpy(room + STREAM_ROOM, tape->bytes + at, take);
		subscriber_take(s, room + STREAM_ROOM, take);
		at += take;
	}
}

static bool same(const struct verdict *a, const struct verdict *b)
{
	return a->lost == b->lost && a->twice == b->twice && a->out_of_order == b->out_of_order &&
	       a->misrouted == b->misrouted;
}

static void tell(const char *what, const struct verdict *verdict, uint64_t errors)
{
	printf("  %s: lost %" PRIu64 ", twice %" PRIu64 ", out of order %" PRIu64
	       ", misrouted %" PRIu64 ", errors %" PRIu64 "\n",
	       what, verdict->lost, verdict->twice, verdict->out_of_order, verdict->misrouted,
	       errors);
}

static bool tape_judge(struct tape *tape, const char *name)
{
	static struct load load;
	load = (struct load){ .options = { .peer = tape->peer,
		                           .websocket = tape->framing >= FRAMING_WS,
		                           .jobs = 2 } };
	load.errors = 5; /* the expected ones are not worth a line on stderr */
	load.check = check_create(1, tape->publishers * 2, 2);
	int pair[2]; /* somebody has to take what it says */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		abort();
	struct subscriber s = { .load = &load, .fd = pair[0] };
	stream_init(&s.stream);
	s.stream.nats = tape->peer->nats;
	feed(tape, &s);
	check_end(load.check, 0, 0, tape->committed);
	struct verdict found = check_verdict(load.check);
	uint64_t errors = load.errors - 5;
	bool right = same(&found, &tape->expect) && errors == tape->expect_errors && s.ready &&
	             load.seen.deliveries == tape->count - tape->expect_errors;
	if (!right) {
		printf("not ok - %s, %s, framing %d, seed %u\n", name, tape->peer->name,
		       (int)tape->framing, tape->seed);
		tell("found", &found, errors);
		tell("injected", &tape->expect, tape->expect_errors);
	}
	stream_finish(&s.stream);
	if (s.fd >= 0)
		close(s.fd);
	close(pair[1]);
	check_destroy(load.check);
	return right;
}

/* Where events are not numbered, only one publisher's own order can be told: so there is one. */
static struct tape *tape_create(const char *peer, enum framing framing, unsigned seed)
{
	struct tape *tape = calloc(1, sizeof(*tape));
	if (!tape || !(tape->bytes = malloc(EVENTS * 2 * 1024)))
		abort();
	tape->framing = framing;
	tape->peer = peer_find(peer);
	tape->publishers = tape->peer->has_seq ? 3 : 1;
	tape->seed = seed;
	tape_play(tape);
	return tape;
}

static bool tape_finish(struct tape *tape, const char *name)
{
	tape_write(tape);
	bool right = tape_judge(tape, name);
	free(tape->bytes);
	free(tape);
	return right;
}

static bool one_fault(size_t fault, const char *peer, enum framing framing)
{
	struct tape *tape = tape_create(peer, framing, (unsigned)fault + 1);
	faults[fault].inject(tape, EVENTS / 2);
	return tape_finish(tape, faults[fault].name);
}

static bool cut_tail(const char *peer, enum framing framing)
{
	struct tape *tape = tape_create(peer, framing, 7);
	tail_cut(tape, 5);
	return tape_finish(tape, "loss at the end");
}

/* Any mixture of faults, back to front so that positions still to come keep their meaning. */
static bool many_faults(const char *peer, enum framing framing, unsigned seed)
{
	struct tape *tape = tape_create(peer, framing, seed);
	for (size_t at = EVENTS - SPACING; at > SPACING; at -= SPACING)
		faults[dice(tape, FAULTS)].inject(tape, at);
	tail_cut(tape, dice(tape, 3));
	return tape_finish(tape, "a mixture");
}

static bool framing_run(const char *peer, enum framing framing)
{
	unsigned wrong = 0;
	for (size_t fault = 0; fault < FAULTS; fault++)
		wrong += !one_fault(fault, peer, framing);
	wrong += !cut_tail(peer, framing);
	for (unsigned seed = 1; seed <= SCHEDULES; seed++)
		wrong += !many_faults(peer, framing, seed);
	printf("%s - %s, %s: %d faults alone, loss at the end, %d mixtures\n",
	       wrong ? "not ok" : "ok", peer, framing_names[framing], FAULTS, SCHEDULES);
	return !wrong;
}

bool selftest_run(void)
{
	static const struct {
		const char *peer;
		enum framing framing;
	} rows[] = {
		{ "joblight", FRAMING_PLAIN },  { "joblight", FRAMING_CHUNKED },
		{ "joblight", FRAMING_WS },     { "express", FRAMING_PLAIN },
		{ "express", FRAMING_CHUNKED }, { "nchan", FRAMING_PLAIN },
		{ "nchan", FRAMING_WS },        { "ws", FRAMING_WS },
		{ "nats", FRAMING_NATS },
	};
	bool right = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		right &= framing_run(rows[i].peer, rows[i].framing);
	right &= selftest_returns();
	right &= selftest_acks();
	return right;
}
