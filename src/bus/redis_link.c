#include "redis_link.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/list.h"
#include "joblight/base/slice.h"
#include "joblight/base/xalloc.h"
#include "redis_tls.h"
#include "redis_url.h"

#define PARTS_MAX 4
#define WAITING_MAX ((size_t)16 * 1024 * 1024) /* bytes that wait to be sent */
#define REPLY_MAX ((size_t)8 * 1024 * 1024)    /* bytes of one reply */
#define READ_SIZE ((size_t)128 * 1024)
#define WRITE_SIZE ((size_t)64 * 1024) /* what TLS gets at once, and then has memory for */

/* What lives until libuv has closed the handle.  `link` is NULL when the link is closed. */
struct redis_socket {
	uv_tcp_t tcp;
	uv_connect_t connect;
	struct redis_link *link;
	redisReader *reader;
	struct redis_tls *tls; /* NULL: without TLS */
	char read[READ_SIZE];
};

struct sending {
	uv_write_t request;
	struct buf bytes;
};

static struct redisReader *reader_create(void)
{
	redisReader *reader = redisReaderCreate();

	if (!reader)
		out_of_memory();
	return reader;
}

static void on_closed(uv_handle_t *handle)
{
	struct redis_socket *s = handle->data;

	redisReaderFree(s->reader);
	redis_tls_free(s->tls);
	free(s);
}

void redis_link_close(struct redis_link *l)
{
	struct redis_socket *s = l->socket;

	l->socket = NULL;
	l->is_ready = false;
	l->awaited = 0;
	l->out.len = 0;
	if (!s)
		return;
	s->link = NULL;
	uv_close((uv_handle_t *)&s->tcp, on_closed);
}

static void fail(struct redis_link *l, const char *cause)
{
	redis_link_close(l);
	l->events->failed(l, cause);
}

/* ---- sending ---- */

static void on_sent(uv_write_t *request, int status)
{
	struct sending *s = container_of(request, struct sending, request);
	const struct redis_socket *socket = request->handle->data;

	buf_finish(&s->bytes);
	free(s);
	if (status < 0 && socket->link)
		fail(socket->link, uv_strerror(status));
}

static void fail_by_tls(struct redis_link *l)
{
	char cause[256];

	redis_tls_cause(l->socket->tls, cause, sizeof(cause));
	fail(l, cause);
}

/* Sends the bytes, and takes over their memory. */
static void send_bytes(struct redis_link *l, struct buf out)
{
	struct sending *s = xcalloc(1, sizeof(*s));

	s->bytes = out;
	uv_buf_t bytes = uv_buf_init(s->bytes.ptr, (unsigned)s->bytes.len);
	int failed = uv_write(&s->request, (uv_stream_t *)&l->socket->tcp, &bytes, 1, on_sent);
	if (!failed)
		return;
	buf_finish(&s->bytes);
	free(s);
	fail(l, uv_strerror(failed));
}

/* What TLS has to send, also on its own account.  False: the link was closed. */
static bool send_tls(struct redis_link *l)
{
	struct buf out = { 0 };

	redis_tls_flush(l->socket->tls, &out);
	if (out.len)
		send_bytes(l, out);
	return l->socket;
}

static bool seal(struct redis_tls *tls, struct slice plain, struct buf *out)
{
	bool ok = true;

	for (size_t at = 0; ok && at < plain.len; at += WRITE_SIZE) {
		size_t left = plain.len - at;
		ok = redis_tls_write(
		    tls, (struct slice){ plain.ptr + at, left < WRITE_SIZE ? left : WRITE_SIZE });
		redis_tls_flush(tls, out);
	}
	return ok;
}

void redis_link_flush(struct redis_link *l)
{
	struct buf plain = l->out, sealed = { 0 };

	if (!l->socket || !plain.len)
		return;
	l->out = (struct buf){ 0 };
	if (!l->socket->tls) {
		send_bytes(l, plain);
		return;
	}
	bool ok = seal(l->socket->tls, buf_as_slice(&plain), &sealed);
	buf_finish(&plain);
	if (sealed.len)
		send_bytes(l, sealed);
	if (!ok && l->socket)
		fail_by_tls(l);
}

static void add_command(struct redis_link *l, const struct slice *parts, int count)
{
	const char *texts[PARTS_MAX];
	size_t lens[PARTS_MAX];
	char *command = NULL;

	for (int i = 0; i < count; i++) {
		texts[i] = parts[i].ptr;
		lens[i] = parts[i].len;
	}
	long long len = redisFormatCommandArgv(&command, count, texts, lens); /* int in 0.14 */
	if (len < 0)
		out_of_memory();
	buf_add(&l->out, command, (size_t)len);
	redisFreeCommand(command);
}

bool redis_link_command(struct redis_link *l, const struct slice *parts, int count)
{
	size_t waiting;

	if (!l->is_ready)
		return false;
	waiting = l->out.len + uv_stream_get_write_queue_size((uv_stream_t *)&l->socket->tcp);
	if (waiting > WAITING_MAX)
		return false;
	add_command(l, parts, count);
	l->awaited++;
	return true;
}

/* ---- the greeting ---- */

static void greet(struct redis_link *l)
{
	const struct slice name[] = { SLICE("CLIENT"), SLICE("SETNAME"), SLICE("joblight") };
	struct slice auth[3] = { SLICE("AUTH") };
	int count = 1;

	l->greetings = 1;
	l->is_unlocked = false;
	if (l->url->password) {
		if (l->url->user)
			auth[count++] = slice_of(l->url->user);
		auth[count++] = slice_of(l->url->password);
		add_command(l, auth, count);
		l->greetings++;
	}
	add_command(l, name, 3);
	redis_link_flush(l);
}

/* The text of a refusal may repeat the password, so only its first word is told. */
static void refused(struct redis_link *l, const char *text)
{
	char cause[160];
	size_t word = strcspn(text, " ");

	snprintf(cause, sizeof(cause), "Redis refuses the user or the password (%.*s)",
	         (int)(word < 20 ? word : 20), text);
	fail(l, cause);
}

/* The name is for people who look at the clients of Redis; a user may not be allowed to set it. */
static bool may_ignore(const char *text)
{
	return strncmp(text, "NOPERM", 6) == 0 || strncmp(text, "ERR unknown", 11) == 0;
}

/* A Sentinel often has none when its Redis servers have. */
static bool has_no_password(const char *text)
{
	return strncmp(text, "ERR AUTH", 8) == 0 || strncmp(text, "ERR Client sent AUTH", 20) == 0;
}

static void take_greeting(struct redis_link *l, const redisReply *reply)
{
	bool is_auth = l->greetings-- == 2, is_error = reply->type == REDIS_REPLY_ERROR;

	if (is_error && is_auth && has_no_password(reply->str)) {
		l->is_unlocked = true;
	} else if (is_error && is_auth) {
		refused(l, reply->str);
	} else if (is_error && strncmp(reply->str, "NOAUTH", 6) == 0) {
		fail(l, "Redis wants a password (NOAUTH)");
	} else if (is_error && !may_ignore(reply->str)) {
		fail(l, reply->str);
	} else if (!l->greetings) {
		l->is_ready = true;
		l->events->ready(l);
	}
}

/* ---- receiving ---- */

static void take_reply(struct redis_link *l, const redisReply *reply)
{
	if (!l->is_ready) {
		take_greeting(l, reply);
		return;
	}
	if (l->awaited)
		l->awaited--;
	l->events->reply(l, reply);
}

/* Passes the replies that are complete.  The link may be closed by any of them. */
static void take_replies(struct redis_socket *s)
{
	void *reply = NULL;

	while (s->link) {
		if (redisReaderGetReply(s->reader, &reply) != REDIS_OK) {
			fail(s->link, "what answers does not speak the protocol of Redis");
			return;
		}
		if (!reply)
			break;
		take_reply(s->link, reply);
		freeReplyObject(reply);
	}
	if (s->link && s->reader->len - s->reader->pos > REPLY_MAX)
		fail(s->link, "a message on a channel is too large");
}

static void take_bytes(struct redis_socket *s, struct slice bytes)
{
	if (redisReaderFeed(s->reader, bytes.ptr, bytes.len) != REDIS_OK)
		fail(s->link, "what answers does not speak the protocol of Redis");
	else
		take_replies(s);
}

/* The link may be closed by any of the replies. */
static void take_tls(struct redis_socket *s, struct slice bytes)
{
	bool was_open = redis_tls_is_open(s->tls);
	enum redis_tls_result result;
	size_t len;

	redis_tls_take(s->tls, bytes);
	do {
		result = redis_tls_read(s->tls, s->read, sizeof(s->read), &len);
		if (!was_open && redis_tls_is_open(s->tls)) {
			was_open = true;
			greet(s->link);
		}
		if (s->link && result == REDIS_TLS_BYTES)
			take_bytes(s, (struct slice){ s->read, len });
	} while (s->link && result == REDIS_TLS_BYTES);
	if (!s->link || !send_tls(s->link)) /* the handshake, or an alert */
		return;
	if (result == REDIS_TLS_CLOSED)
		fail(s->link, "Redis has closed the connection");
	else if (result == REDIS_TLS_FAILED)
		fail_by_tls(s->link);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *bytes)
{
	struct redis_socket *s = stream->data;

	if (!s->link || len == 0)
		return;
	if (len < 0) {
		fail(s->link,
		     len == UV_EOF ? "Redis has closed the connection" : uv_strerror((int)len));
		return;
	}
	s->link->heard_ms = uv_now(stream->loop);
	s->link->has_heard = true;
	if (s->tls)
		take_tls(s, (struct slice){ bytes->base, (size_t)len });
	else
		take_bytes(s, (struct slice){ bytes->base, (size_t)len });
	if (s->link && s->link->is_ready)
		s->link->events->drained(s->link);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *bytes)
{
	struct redis_socket *s = handle->data;

	(void)suggested;
	*bytes = uv_buf_init(s->read, sizeof(s->read));
}

/* ---- connecting ---- */

static void on_connected(uv_connect_t *connect, int status)
{
	struct redis_socket *s = connect->handle->data;

	if (!s->link)
		return;
	if (status == 0)
		status = uv_read_start((uv_stream_t *)&s->tcp, on_room, on_read);
	if (status < 0) {
		fail(s->link, uv_strerror(status));
		return;
	}
	uv_tcp_nodelay(&s->tcp, 1);
	s->link->heard_ms = uv_now(connect->handle->loop);
	if (!s->link->tls) {
		greet(s->link);
		return;
	}
	s->tls = redis_tls_create(s->link->tls, s->link->url->host);
	take_tls(s, (struct slice){ "", 0 });
}

void redis_link_init(struct redis_link *l, uv_loop_t *loop, const struct redis_url *url,
                     struct redis_tls_settings *tls, const struct redis_link_events *events,
                     void *context)
{
	*l = (struct redis_link){
		.loop = loop,
		.url = url,
		.tls = tls,
		.events = events,
		.context = context,
	};
}

void redis_link_open(struct redis_link *l, const struct sockaddr *address)
{
	struct redis_socket *s = xcalloc(1, sizeof(*s));

	l->socket = s;
	l->heard_ms = uv_now(l->loop);
	l->has_heard = false;
	s->link = l;
	s->reader = reader_create();
	uv_tcp_init(l->loop, &s->tcp);
	s->tcp.data = s;
	int failed = uv_tcp_connect(&s->connect, &s->tcp, address, on_connected);
	if (failed)
		fail(l, uv_strerror(failed));
}
