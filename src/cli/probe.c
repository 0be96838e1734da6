#include "probe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "curl_request.h"
#include "interrupt.h"
#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"

#define ANSWER_MAX_MS 1000000000 /* eleven days */
#define EVENTS_MAX 256

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
	(void)number;
	signalled = 1;
}

void probe_resume(struct probe *p)
{
	signalled = 0;
	p->stopped = false;
}

static size_t take_head(char *bytes, size_t size, size_t count, void *context)
{
	struct exchange *x = context;

	/* the head of an answer 100 is not that of the answer */
	if (size * count >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
		x->head.len = 0;
	x->head_us = clock_monotonic_us();
	buf_add(&x->head, bytes, size * count);
	return size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
	struct exchange *x = context;

	if (x->take)
		x->take(x, (struct slice){ bytes, size * count });
	else
		buf_add(&x->body, bytes, size * count);
	return size * count;
}

void probe_set_address(struct probe *p, CURL *curl, const char *path, bool verified)
{
	const struct curl_library *library = p->library;
	struct buf url = { 0 };

	buf_format(&url, "%s%s", p->url.text, path);
	curl_request_set(library, curl, buf_string(&url), curl_request_ca_file(p->remote.ca_file));
	buf_finish(&url);
	library->easy_setopt(curl, CURLOPT_NOPROXY, "*");
	if (verified)
		return;
	library->easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
	library->easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
}

static void add_line(struct exchange *x, const char *line)
{
	x->lines = x->probe->library->slist_append(x->lines, line);
}

static void set_body(struct exchange *x, const struct request_of_probe *r)
{
	const struct curl_library *library = x->probe->library;

	if (!r->body.ptr && strcmp(r->method, "POST") != 0)
		return;
	library->easy_setopt(x->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
	library->easy_setopt(x->curl, CURLOPT_POSTFIELDS, r->body.ptr ? r->body.ptr : "");
	if (r->body.ptr)
		add_line(x, "Content-Type: application/json");
	add_line(x, "Expect:"); /* a proxy may hold back the answer 100 */
}

static void set_options(struct exchange *x, const struct request_of_probe *r)
{
	const struct curl_library *library = x->probe->library;

	probe_set_address(x->probe, x->curl, r->path, !r->unverified);
	library->easy_setopt(x->curl, CURLOPT_CUSTOMREQUEST, r->method);
	library->easy_setopt(x->curl, CURLOPT_HEADERFUNCTION, take_head);
	library->easy_setopt(x->curl, CURLOPT_HEADERDATA, x);
	library->easy_setopt(x->curl, CURLOPT_WRITEFUNCTION, take_body);
	library->easy_setopt(x->curl, CURLOPT_WRITEDATA, x);
	library->easy_setopt(x->curl, CURLOPT_PRIVATE, x);
	library->easy_setopt(x->curl, CURLOPT_CERTINFO, 1L);
	if (r->is_new)
		library->easy_setopt(x->curl, CURLOPT_FRESH_CONNECT, 1L);
	if (r->zipped)
		library->easy_setopt(x->curl, CURLOPT_ACCEPT_ENCODING, "gzip");
	for (const char *const *line = r->headers; line && *line; line++)
		add_line(x, *line);
	if (!r->unverified)
		x->lines = curl_request_add_key(library, x->lines, x->probe->remote.key);
	set_body(x, r);
	library->easy_setopt(x->curl, CURLOPT_HTTPHEADER, x->lines);
}

struct exchange *exchange_begin(struct probe *p, const struct request_of_probe *r)
{
	struct exchange *x = xcalloc(1, sizeof(*x));

	x->probe = p;
	x->curl = p->library->easy_init();
	x->began_us = clock_monotonic_us();
	set_options(x, r);
	p->library->multi_add_handle(p->multi, x->curl);
	return x;
}

void exchange_repeat(struct exchange *x, struct slice body)
{
	const struct curl_library *library = x->probe->library;

	library->multi_remove_handle(x->probe->multi, x->curl);
	x->done = false;
	x->status = 0;
	x->body.len = x->head.len = 0;
	x->began_us = clock_monotonic_us();
	library->easy_setopt(x->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	library->easy_setopt(x->curl, CURLOPT_POSTFIELDS, body.ptr);
	library->multi_add_handle(x->probe->multi, x->curl);
}

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	x->probe->library->multi_remove_handle(x->probe->multi, x->curl);
	x->probe->library->easy_cleanup(x->curl);
	x->probe->library->slist_free_all(x->lines);
	buf_finish(&x->head);
	buf_finish(&x->body);
	free(x);
}

static void finish(struct probe *p, const CURLMsg *m)
{
	struct exchange *x;
	char *context;
	long status = 0;

	p->library->easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &context);
	x = (struct exchange *)(void *)context;
	p->library->easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
	x->done = true;
	x->result = m->data.result;
	x->status = (int)status;
	x->done_us = clock_monotonic_us();
	if (x->finished)
		x->finished(x);
}

/* ---- waiting ---- */

/* libcurl says what to wait for on a socket. */
static int watch_socket(CURL *curl, curl_socket_t fd, int what, void *context, void *of_socket)
{
	struct probe *p = context;
	struct epoll_event event = { .data.fd = fd };

	(void)curl;
	(void)of_socket;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(p->poll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) |
	               (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	if (epoll_ctl(p->poll, EPOLL_CTL_MOD, fd, &event))
		epoll_ctl(p->poll, EPOLL_CTL_ADD, fd, &event);
	return 0;
}

static int set_timer(CURLM *multi, long ms, void *context)
{
	struct probe *p = context;

	(void)multi;
	p->timer_due_ms = ms < 0 ? 0 : clock_monotonic_ms() + (uint64_t)ms;
	return 0;
}

static void take_finished(struct probe *p)
{
	const CURLMsg *m;
	int left;

	while ((m = p->library->multi_info_read(p->multi, &left)))
		if (m->msg == CURLMSG_DONE)
			finish(p, m);
}

static int wait_ms(const struct probe *p, unsigned ms)
{
	uint64_t now = clock_monotonic_ms();

	if (!p->timer_due_ms || p->timer_due_ms > now + ms)
		return (int)ms;
	return p->timer_due_ms > now ? (int)(p->timer_due_ms - now) : 0;
}

static void call_timer(struct probe *p)
{
	int running;

	if (!p->timer_due_ms || p->timer_due_ms > clock_monotonic_ms())
		return;
	p->timer_due_ms = 0;
	p->library->multi_socket_action(p->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static void take_events(struct probe *p, unsigned ms, int fd)
{
	struct epoll_event events[EVENTS_MAX];
	int running, count = epoll_wait(p->poll, events, EVENTS_MAX, wait_ms(p, ms));

	for (int i = 0; i < count; i++) {
		int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		           (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		           (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
		if (events[i].data.fd != fd)
			p->library->multi_socket_action(p->multi, events[i].data.fd, what,
			                                &running);
	}
}

void probe_run(struct probe *p, unsigned ms, int fd)
{
	struct epoll_event other = { .events = EPOLLIN, .data.fd = fd };

	p->stopped = p->stopped || signalled;
	if (p->stopped)
		return;
	if (fd >= 0)
		epoll_ctl(p->poll, EPOLL_CTL_ADD, fd, &other);
	take_events(p, ms, fd);
	if (fd >= 0)
		epoll_ctl(p->poll, EPOLL_CTL_DEL, fd, NULL);
	call_timer(p);
	take_finished(p);
}

static int read_settings(struct probe *p, const struct arguments *a)
{
	const char *url = a->operand_count ? a->operands[0] : remote_url(a);

	if (a->operand_count && arguments_has(a, "url"))
		return arguments_fault("--url", arguments_value(a, "url"),
		                       "the address is there twice");
	if (!probe_url_parse(&p->url, url ? url : REMOTE_URL_DEFAULT))
		return EXIT_USAGE;
	int status = remote_read_settings_of(&p->remote, a, p->url.text);
	int64_t ms = p->remote.timeout_ms ? p->remote.timeout_ms : REMOTE_ATTEMPT_MS;
	p->answer_ms = ms > ANSWER_MAX_MS ? ANSWER_MAX_MS : (unsigned)ms;
	return status;
}

static int load_library(struct probe *p)
{
	p->library = curl_library();
	if (p->library)
		return EXIT_OK;
	fprintf(stderr, "joblight: %s\n", curl_library_error());
	return EXIT_FAILED;
}

static void begin(struct probe *p)
{
	struct sigaction action = { .sa_handler = on_signal };

	p->multi = p->library->multi_init();
	p->poll = epoll_create1(EPOLL_CLOEXEC);
	p->library->multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	p->library->multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
	p->library->multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	p->library->multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
	interrupt_call(on_signal);
	sigaction(SIGTERM, &action, NULL);
}

int probe_open(struct probe *p, const struct arguments *a)
{
	*p = (struct probe){ .poll = -1 };
	int status = read_settings(p, a);

	if (status == EXIT_OK)
		status = load_library(p);
	if (status == EXIT_OK)
		begin(p);
	else
		probe_close(p);
	return status;
}

void probe_close(struct probe *p)
{
	if (p->multi) {
		p->library->multi_cleanup(p->multi);
		close(p->poll);
	}
	remote_close(&p->remote);
	probe_url_finish(&p->url);
}

static unsigned left_ms(uint64_t until)
{
	uint64_t now = clock_monotonic_ms();

	return now < until ? (unsigned)(until - now) : 0;
}

bool exchange_wait(struct exchange *x, unsigned ms)
{
	uint64_t until = clock_monotonic_ms() + ms;
	unsigned left;

	while (!x->done && !x->probe->stopped && (left = left_ms(until)))
		probe_run(x->probe, left, -1);
	return x->done;
}

bool exchange_has(const struct exchange *x, const char *text)
{
	return x->body.len && memmem(x->body.ptr, x->body.len, text, strlen(text));
}

bool exchange_wait_for(struct exchange *x, const char *text, unsigned ms)
{
	uint64_t until = clock_monotonic_ms() + ms;
	unsigned left;

	while (!exchange_has(x, text) && !x->done && !x->probe->stopped && (left = left_ms(until)))
		probe_run(x->probe, left, -1);
	return exchange_has(x, text);
}

struct slice exchange_header(const struct exchange *x, const char *name)
{
	const char *at = x->head.ptr, *end = at + x->head.len, *line_end;
	size_t len = strlen(name);

	for (; at && at < end; at = line_end + 1) {
		line_end = memchr(at, '\n', (size_t)(end - at));
		if (!line_end)
			break;
		size_t line = (size_t)(line_end - at);
		if (line > len + 1 && at[len] == ':' && strncasecmp(at, name, len) == 0)
			return slice_trimmed((struct slice){ at + len + 1, line - len - 2 });
	}
	return (struct slice){ 0 };
}

const char *exchange_error(const struct exchange *x)
{
	return x->probe->library->easy_strerror(x->result);
}

int exchange_failure(const struct exchange *x)
{
	struct call_answer answer = { .end = x->done ? curl_request_end(x->result) : CALL_TIMED_OUT,
		                      .status = x->status };
	int status = remote_status(&answer);

	return status == EXIT_OK ? EXIT_FAILED : status;
}

struct exchange *probe_ask(struct probe *p, const char *method, const char *path, const char *json)
{
	struct request_of_probe r = { .method = method, .path = path, .body = slice_of(json) };
	struct exchange *x = exchange_begin(p, &r);

	exchange_wait(x, p->answer_ms);
	return x;
}
