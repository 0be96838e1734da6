/* Connecting to PostgreSQL in a thread of its own. */
#include "kit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/postgres_dial.h"
#include "joblight/base/clock.h"

#define LONG_MS 10000

/* A server that takes connections and says nothing.  Without it they are refused. */
struct silent_server {
	int fd;
	unsigned port;
	struct pg_place *place;
};

static struct silent_server serve_silence(const char *host)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	struct silent_server s = { .fd = socket(AF_INET, SOCK_STREAM, 0) };
	char location[128], error[256];

	assert_return_code(bind(s.fd, (struct sockaddr *)&address, len), 0);
	assert_return_code(listen(s.fd, 8), 0);
	assert_return_code(getsockname(s.fd, (struct sockaddr *)&address, &len), 0);
	s.port = ntohs(address.sin_port);
	snprintf(location, sizeof(location), "postgres://u@%s:%u/d?sslmode=disable", host, s.port);
	s.place = pg_place_parse(location, "the database", error, sizeof(error));
	assert_non_null(s.place);
	return s;
}

static void refuse(struct silent_server *s)
{
	close(s->fd);
}

/* Each attempt holds the place until it is freed. */
static void expect_nobody(struct silent_server *s)
{
	uint64_t until = clock_monotonic_ms() + LONG_MS;

	while (atomic_load(&s->place->users) > 1 && clock_monotonic_ms() < until)
		poll(NULL, 0, 1);
	assert_int_equal(atomic_load(&s->place->users), 1);
	pg_place_free(s->place);
}

static void count(void *context)
{
	atomic_fetch_add((atomic_uint *)context, 1);
}

static void expect_failure(struct pg_dial *d, uint64_t until_ms)
{
	PGconn *conn = NULL;

	assert_true(pg_dial_wait(d, until_ms, &conn));
	assert_int_equal(PQstatus(conn), CONNECTION_BAD);
	PQfinish(conn);
}

static void who_does_not_wait_is_told_of_the_end(void **state)
{
	struct silent_server s = serve_silence("127.0.0.1");
	uint64_t until = clock_monotonic_ms() + LONG_MS;
	atomic_uint told = 0;

	(void)state;
	refuse(&s);
	struct pg_dial *d = pg_dial_start(s.place, NULL, count, &told);
	while (!atomic_load(&told) && clock_monotonic_ms() < until)
		poll(NULL, 0, 1);
	expect_failure(d, 0);
	expect_nobody(&s);
	assert_int_equal(atomic_load(&told), 1);
}

static void waiting_ends_in_time_and_may_be_repeated(void **state)
{
	struct silent_server s = serve_silence("127.0.0.1");
	struct pg_dial *d = pg_dial_start(s.place, NULL, NULL, NULL);
	uint64_t began = clock_monotonic_ms();
	PGconn *conn;

	(void)state;
	assert_false(pg_dial_wait(d, 0, &conn));
	assert_false(pg_dial_wait(d, began + 50, &conn));
	assert_in_range(clock_monotonic_ms() - began, 50, 1500);
	refuse(&s);
	expect_failure(d, clock_monotonic_ms() + LONG_MS);
	expect_nobody(&s);
}

static void an_abandoned_attempt_tells_nobody_and_frees_itself(void **state)
{
	struct silent_server s = serve_silence("127.0.0.1");
	atomic_uint *told = calloc(1, sizeof(*told));
	struct pg_dial *d = pg_dial_start(s.place, NULL, count, told);
	uint64_t began = clock_monotonic_ms();

	(void)state;
	pg_dial_abandon(d);
	assert_in_range(clock_monotonic_ms() - began, 0, 1500);
	assert_int_equal(atomic_load(told), 0);
	free(told); /* whose use an address sanitizer would see */
	refuse(&s);
	expect_nobody(&s);
}

static void an_attempt_that_nobody_has_taken_can_be_abandoned(void **state)
{
	struct silent_server s = serve_silence("127.0.0.1");
	atomic_uint told = 0;

	(void)state;
	pg_dial_abandon(NULL);
	refuse(&s);
	struct pg_dial *d = pg_dial_start(s.place, NULL, count, &told);
	while (!atomic_load(&told))
		poll(NULL, 0, 1);
	pg_dial_abandon(d);
	expect_nobody(&s);
}

/* No name server knows a name below .invalid. */
static void an_address_takes_the_place_of_the_name(void **state)
{
	struct silent_server s = serve_silence("db.invalid");
	char host[] = "db.invalid", hostaddr[] = "127.0.0.1", port[8];
	struct pg_address address = { host, hostaddr, port };
	struct pollfd comes = { .fd = s.fd, .events = POLLIN };

	(void)state;
	snprintf(port, sizeof(port), "%u", s.port);
	struct pg_dial *d = pg_dial_start(s.place, &address, NULL, NULL);
	memset(host, 'x', 1), memset(hostaddr, 'x', 1), memset(port, 'x', 1); /* it was copied */
	assert_int_equal(poll(&comes, 1, LONG_MS), 1);
	refuse(&s);
	expect_failure(d, clock_monotonic_ms() + LONG_MS);
	expect_nobody(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_does_not_wait_is_told_of_the_end),
		TEST(waiting_ends_in_time_and_may_be_repeated),
		TEST(an_abandoned_attempt_tells_nobody_and_frees_itself),
		TEST(an_attempt_that_nobody_has_taken_can_be_abandoned),
		TEST(an_address_takes_the_place_of_the_name),
	};

	return RUN("postgres_dial", tests);
}
