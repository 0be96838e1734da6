/*
 * The whole server: one loop, the store thread and a reader thread over the memory store in this
 * process, fed by a loopback connection.
 *
 * covers: src/net/input.c src/net/admission.c src/net/request_head.c src/net/request_check.c
 * src/net/chunked.c src/net/reply.c src/api/dispatch.c src/api/router.c src/api/write.c
 * src/api/jobs.c src/transport/websocket.c src/transport/websocket_message.c
 * src/transport/websocket_handshake.c
 *
 * bar: 70 %, because stopping, time-outs, slow readers and full
 * queues need time or many clients; the contract and fault tests have them.
 *
 * The first byte chooses what is sent: bytes as they are, a POST with this body, a WebSocket
 * followed by bytes as they are, or by frames with these payloads.  The client then ends its side
 * and reads what comes.  Afterwards another connection must be served.
 */
#include "fuzz.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "joblight/api/api.h"
#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/bus/buses.h"
#include "joblight/net/loop.h"
#include "joblight/net/loop_settings.h"
#include "joblight/store/backend.h"
#include "joblight/work/reader.h"
#include "joblight/work/writer.h"

#define PATIENCE_MS 10000 /* for what must come */
#define QUIET_MS 20       /* a stream that stays silent for so long says nothing more */
#define READ_MAX 65536

#define UPGRADE                                                                                    \
	"GET /api/ws?job=j HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"                  \
	"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                                     \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static struct {
	struct limits limits;
	struct database *database;
	struct writer *writer;
	struct reader *reader;
	struct pages *pages;
	struct slices none;
	struct api api;
	struct bus *bus;
	struct loops *loops;
	struct service service;
	int probe;
} server = { .probe = -1 };

static bool submit(void *context, struct op *op)
{
	(void)context;
	return writer_submit(server.writer, op);
}

static bool read_store(void *context, struct read_request *r)
{
	(void)context;
	return reader_submit(server.reader, r);
}

static void deliver(void *context, struct batch *batch, struct op *ops)
{
	(void)context;
	server.bus->ops->publish(server.bus, batch, ops);
}

static void set_limits(struct limits *l)
{
	*l = limits_default;
	l->connections = l->streams = 1000;
	l->memory_bytes = UINT64_C(1) << 40; /* a sanitizer uses a lot */
	l->snapshot_bytes = l->replies_bytes = 1 << 28;
	l->poll_wait_ms = 1000;
}

static void open_loops(void)
{
	static const struct listen listen = { .kind = LISTEN_TCP,
		                              .host = "127.0.0.1",
		                              .local = true };
	struct loops_config config = { .limits = &server.limits,
		                       .service = &server.service,
		                       .bus = server.bus,
		                       .listens = &listen,
		                       .listen_count = 1,
		                       .count = 1,
		                       .base_path = "",
		                       .settings = loop_settings_create(&server.none, false,
		                                                        &server.api, NULL),
		                       .dispatch = &api_dispatch };
	char error[512];

	server.loops = loops_create(&config, error, sizeof(error));
	PROMISE(server.loops);
}

static void start_server(void)
{
	char error[512];

	log_set_level(LOG_LEVEL_ERROR);
	set_limits(&server.limits);
	server.service = (struct service){ NULL, submit, read_store };
	server.pages = pages_load(NULL, "", false, error, sizeof(error));
	server.api = (struct api){ .pages = server.pages,
		                   .base_path = "",
		                   .origin_rules = { &server.none, &server.none } };
	server.database = database_open(":memory:", DURABILITY_FULL, error, sizeof(error));
	struct store *session = database_reader(server.database);
	const struct bus_config alone = { 0 };

	server.bus = bus_start(&alone, error, sizeof(error));
	open_loops();
	server.writer = writer_start(database_writer(server.database), &server.limits, deliver,
	                             NULL);
	server.reader = reader_start(&session, 1, &server.limits, loop_deliver_read);
	loops_start(server.loops);
}

/* Another source address each time, because an address has too few ports for so many. */
static int dial(void)
{
	static uint32_t count;
	struct sockaddr_in from = { .sin_family = AF_INET,
		                    .sin_addr.s_addr = htonl(0x7f010000 | (++count & 0xffff)) };
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		                  .sin_port = htons(
		                      (uint16_t)loops_listen(server.loops, 0)->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!(from.sin_addr.s_addr & htonl(0xff)))
		from.sin_addr.s_addr |= htonl(1);
	PROMISE(fd >= 0 && bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0);
	PROMISE(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	return fd;
}

/* The server may close first. */
static void say(int fd, struct slice bytes)
{
	while (bytes.len) {
		ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		bytes.ptr += n;
		bytes.len -= (size_t)n;
	}
}

/* What comes until the end, or until it has been quiet for so long. */
static void hear(int fd, struct buf *out, int quiet_ms)
{
	struct pollfd p = { fd, POLLIN, 0 };
	char part[4096];
	ssize_t n;

	while (out->len < READ_MAX && poll(&p, 1, quiet_ms) == 1 &&
	       (n = recv(fd, part, sizeof(part), 0)) > 0)
		buf_add(out, part, (size_t)n);
}

static void hear_until(int fd, struct buf *out, const char *end)
{
	uint64_t began = clock_monotonic_ms();

	while (!out->len || !strstr(buf_string(out), end)) {
		struct pollfd p = { fd, POLLIN, 0 };
		char part[4096];
		PROMISE(clock_monotonic_ms() < began + PATIENCE_MS);
		if (poll(&p, 1, 100) != 1)
			continue;
		ssize_t n = recv(fd, part, sizeof(part), 0);
		PROMISE(n > 0);
		buf_add(out, part, (size_t)n);
	}
}

/* Another client, which is served. */
static void probe(void)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct buf answer = { 0 };

	if (server.probe < 0)
		server.probe = dial();
	say(server.probe, slice_of(request));
	hear_until(server.probe, &answer, "{\"status\":\"ok\"}");
	buf_finish(&answer);
}

static void post(int fd, struct slice path, struct slice body)
{
	struct buf text = { 0 };

	buf_text(&text, "POST ");
	buf_slice(&text, path);
	buf_format(&text, " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
	buf_format(&text, "Content-Length: %zu\r\n\r\n", body.len);
	buf_slice(&text, body);
	say(fd, buf_as_slice(&text));
	buf_finish(&text);
}

static void create_job(void)
{
	struct buf answer = { 0 };
	int fd = dial();

	post(fd, SLICE("/api/jobs"), SLICE("{\"id\":\"j\",\"title\":\"J\"}"));
	hear_until(fd, &answer, "\r\n\r\n");
	buf_finish(&answer);
	close(fd);
}

/* Each frame: a byte for opcode and FIN, one for the length, the payload; masked with zeros. */
static void add_frames(struct buf *out, struct slice input)
{
	while (input.len) {
		uint8_t first = fuzz_byte(&input), second = fuzz_byte(&input);
		size_t len = second < input.len ? second : input.len;
		buf_char(out, (char)(first & 0x8f));
		if (len > 125) {
			buf_add(out, "\xfe\0", 2);
			buf_char(out, (char)len);
		} else {
			buf_char(out, (char)(0x80 | len));
		}
		buf_add(out, "\0\0\0\0", 4);
		buf_add(out, input.ptr, len);
		input.ptr += len;
		input.len -= len;
	}
}

static void upgrade(int fd)
{
	struct buf answer = { 0 };

	say(fd, SLICE(UPGRADE));
	hear_until(fd, &answer, "\r\n\r\n");
	PROMISE(strncmp(buf_string(&answer), "HTTP/1.1 101 ", 13) == 0);
	buf_finish(&answer);
}

static void talk(int fd, uint8_t mode, struct slice input)
{
	static const char *const paths[] = { "/api/jobs", "/api/jobs/j/tasks",
		                             "/api/agent-hooks/task-update/j",
		                             "/api/jobs/j/commands" };
	struct buf frames = { 0 };

	if (mode % 4 >= 2)
		upgrade(fd);
	if (mode % 4 == 1)
		post(fd, slice_of(paths[mode / 4 % 4]), input);
	else if (mode % 4 == 3)
		add_frames(&frames, input);
	say(fd, mode % 4 == 3 ? buf_as_slice(&frames) : mode % 4 == 1 ? SLICE("") : input);
	buf_finish(&frames);
}

void fuzz_one(struct slice input)
{
	struct buf answer = { 0 };
	uint8_t mode = fuzz_byte(&input);

	if (!server.loops) {
		start_server();
		create_job();
	}
	int fd = dial();
	talk(fd, mode, input);
	shutdown(fd, SHUT_WR);
	hear(fd, &answer, QUIET_MS);
	if (mode % 4 < 2 && answer.len)
		PROMISE(strncmp(buf_string(&answer), "HTTP/1.1 ", 9) == 0);
	buf_finish(&answer);
	close(fd);
	probe();
}
