#include "selftest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "load.h"
#include "peer.h"
#include "stamp.h"
#include "subscriber.h"

/* One connection that gets events 1 to CUT, is cut, and gets the rest up to LAST when it is back.
 */
#define CUT 20
#define LAST 60

/* How the server brings it back: what it says, and what it sends. */
struct comeback {
	const char *name;
	enum coming coming;
	const char *resume;
	uint32_t cursor; /* of connected */
	uint32_t first;  /* event behind it */
	uint32_t again;  /* an event sent twice; 0: none */
	struct verdict expect;
	uint64_t expect_errors;
};

static const struct comeback comebacks[] = {
	{ .name = "where it was", .resume = "exact", .cursor = CUT, .first = CUT + 1 },
	{ .name = "with a gap",
	  .resume = "exact",
	  .cursor = CUT,
	  .first = CUT + 4,
	  .expect = { .lost = 3 } },
	{ .name = "with an old event",
	  .resume = "exact",
	  .cursor = CUT,
	  .first = CUT,
	  .expect = { .twice = 1 } },
	{ .name = "an event twice",
	  .resume = "exact",
	  .cursor = CUT,
	  .first = CUT + 1,
	  .again = CUT + 9,
	  .expect = { .twice = 1 } },
	{ .name = "further on",
	  .resume = "exact",
	  .cursor = CUT + 2,
	  .first = CUT + 3,
	  .expect = { .lost = 2 },
	  .expect_errors = 1 },
	{ .name = "with a reset",
	  .resume = "reset",
	  .cursor = CUT,
	  .first = CUT + 1,
	  .expect_errors = 1 },
	{ .name = "afresh", .coming = COMING_FRESH, .resume = "fresh", .cursor = 40, .first = 41 },
	{ .name = "afresh, with a gap",
	  .coming = COMING_FRESH,
	  .resume = "fresh",
	  .cursor = 40,
	  .first = 43,
	  .expect = { .lost = 2 } },
	{ .name = "afresh, with a folded event",
	  .coming = COMING_FRESH,
	  .resume = "fresh",
	  .cursor = 40,
	  .first = 40,
	  .expect = { .twice = 1 } },
};

static void feed(struct subscriber *s, const char *text)
{
	static char room[STREAM_ROOM + 4096];
	size_t len = strlen(text);
	memcpy(room + STREAM_ROOM, text, len);
	subscriber_take(s, room + STREAM_ROOM, len);
}

static void feed_event(struct subscriber *s, uint32_t number)
{
	char text[512], note[STAMP_LEN + 1] = { 0 };
	stamp_write(note, &(struct stamp){ .counter = number });
	snprintf(text, sizeof(text),
	         "data: {\"type\":\"task_update\",\"seq\":%u,\"note\":\"%s\"}\n\n", number, note);
	feed(s, text);
}

static void feed_connected(struct subscriber *s, const char *resume, uint32_t cursor, uint32_t head)
{
	char text[512], note[STAMP_LEN + 1] = { 0 };
	stamp_write(note, &(struct stamp){ .counter = cursor });
	snprintf(
	    text, sizeof(text),
	    "HTTP/1.1 200 OK\r\n\r\ndata: {\"type\":\"connected\",\"cursor\":\"e.%u\",\"head\":%u,"
	    "\"resume\":\"%s\",\"job\":{\"tasks\":[{\"note\":\"%s\"}]}}\n\n",
	    cursor, head, resume, note);
	feed(s, text);
}

static void play(struct subscriber *s, const struct comeback *c)
{
	feed_connected(s, "fresh", 0, 0);
	for (uint32_t i = 1; i <= CUT; i++)
		feed_event(s, i);
	subscribers_cut(s->load, c->coming == COMING_FRESH ? COMING_FRESH : COMING_RESUME);
	feed_connected(s, c->resume, c->cursor, LAST - 5);
	for (uint32_t i = c->first; i <= LAST; i++) {
		feed_event(s, i);
		if (i == c->again)
			feed_event(s, i);
	}
}

static bool comeback_run(const struct comeback *c)
{
	static struct load load;
	uint32_t committed = LAST;
	load = (struct load){ .options = { .peer = peer_find("joblight"), .jobs = 1 },
		              .errors = 5 };
	struct subscriber s = { .load = &load, .fd = -1 };
	load.subscribers = &s;
	load.subscriber_count = 1;
	load.check = check_create(1, 1, 1);
	stream_init(&s.stream);
	play(&s, c);
	check_end(load.check, 0, 0, &committed);
	struct verdict found = check_verdict(load.check), expect = c->expect;
	bool right = !memcmp(&found, &expect, sizeof(found)) &&
	             load.errors - 5 == c->expect_errors && load.caught_up == 1;
	if (!right)
		printf("not ok - back %s: lost %llu, twice %llu, out of order %llu, errors %llu, "
		       "caught up %llu\n",
		       c->name, (unsigned long long)found.lost, (unsigned long long)found.twice,
		       (unsigned long long)found.out_of_order, (unsigned long long)load.errors - 5,
		       (unsigned long long)load.caught_up);
	stream_finish(&s.stream);
	check_destroy(load.check);
	return right;
}

bool selftest_returns(void)
{
	bool right = true;
	for (size_t i = 0; i < sizeof(comebacks) / sizeof(*comebacks); i++)
		right &= comeback_run(&comebacks[i]);
	printf("%s - cut and back: %zu ways\n", right ? "ok" : "not ok",
	       sizeof(comebacks) / sizeof(*comebacks));
	return right;
}
