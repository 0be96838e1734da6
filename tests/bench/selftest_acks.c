#include "selftest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "answer.h"
#include "load.h"
#include "peer.h"
#include "publisher.h"

#define BATCH 4

/* Three posts of BATCH updates are under way: with the counters from 1, 5 and 9. */
static const struct {
	const char *name;
	const char *messages[5];
	uint64_t answers; /* taken before the fault */
	bool fails;
} rows[] = {
	{ "in turn", { "1", "5", "9" }, 3, false },
	{ "the first two", { "1", "5" }, 2, false },
	{ "swapped", { "5", "1", "9" }, 0, true },
	{ "one left out", { "1", "9" }, 1, true },
	{ "one twice", { "1", "1", "5" }, 1, true },
	{ "one too many", { "1", "5", "9", "d" }, 3, true },
	{ "a refusal",
	  { "1", "{\"type\":\"error\",\"id\":\"b1-0000-00000005\",\"status\":409}" },
	  1,
	  true },
	{ "an event", { "{\"type\":\"task_update\",\"jobId\":\"b1-00000\"}" }, 0, true },
};

static void feed_frame(struct publisher *p, const char *json)
{
	static char room[STREAM_ROOM + 1024];
	size_t len = strlen(json);
	char *frame = room + STREAM_ROOM;
	frame[0] = (char)0x81;
	frame[1] = (char)len;
	memcpy(frame + 2, json, len);
	answer_frames(p, frame, len + 2);
}

static void feed_message(struct publisher *p, const char *message)
{
	char ack[100];
	snprintf(ack, sizeof(ack), "{\"type\":\"ack\",\"id\":\"b1-0000-0000000%s\",\"seq\":7}",
	         message);
	feed_frame(p, *message == '{' ? message : ack);
}

static void feed_head(struct publisher *p)
{
	static char room[STREAM_ROOM + 256];
	static const char head[] = "HTTP/1.1 101 Switching Protocols\r\n"
	                           "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
	memcpy(room + STREAM_ROOM, head, sizeof(head) - 1);
	answer_frames(p, room + STREAM_ROOM, sizeof(head) - 1);
}

static bool row_run(size_t row)
{
	static struct load load;
	uint64_t due[3] = { 0 };
	uint32_t committed = 0;
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		abort();
	load = (struct load){ .options = { .peer = peer_find("joblight"),
		                           .depth = 3,
		                           .batch = BATCH,
		                           .publish_ws = true },
		              .errors = 5,
		              .committed = &committed };
	struct publisher p = { .load = &load, .fd = pair[0], .due_ns = due };
	stream_init(&p.stream);
	feed_head(&p);
	p.flying = 3;
	p.counter = 3 * BATCH;
	for (size_t i = 0; i < 5 && rows[row].messages[i] && p.fd >= 0; i++)
		feed_message(&p, rows[row].messages[i]);
	bool right = load.seen.answers == rows[row].answers &&
	             (load.errors > 5) == rows[row].fails && (p.fd < 0) == rows[row].fails &&
	             committed == rows[row].answers * BATCH;
	if (!right)
		printf("not ok - acks, %s: %llu taken, %llu errors, %u committed\n", rows[row].name,
		       (unsigned long long)load.seen.answers, (unsigned long long)load.errors - 5,
		       committed);
	if (p.fd >= 0)
		close(p.fd);
	close(pair[1]);
	stream_finish(&p.stream);
	return right;
}

bool selftest_acks(void)
{
	bool right = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		right &= row_run(i);
	printf("%s - acks: %zu ways\n", right ? "ok" : "not ok", sizeof(rows) / sizeof(*rows));
	return right;
}
