#include "kit.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "joblight/base/buf.h"
#include "serve/reload_answer.h"

/* A server that answers `lines` to each signal; NULL: that does not answer. */
static pid_t start(const struct buf *lines, bool taken)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	pid_t child = fork();
	while (child == 0) {
		siginfo_t from;
		if (sigwaitinfo(&signals, &from) == SIGHUP && lines)
			reload_answer_send(&from, taken, lines);
	}
	return child;
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void an_answer_comes_whole(void **state)
{
	struct buf lines = { 0 }, answer = { 0 };

	(void)state;
	buf_text(&lines, "changed: max-note\nneeds a restart: db\n");
	for (int taken = 0; taken < 2; taken++) {
		pid_t server = start(&lines, taken);
		assert_int_equal(reload_ask(server, 10000, &answer),
		                 taken ? RELOAD_DONE : RELOAD_NOT_DONE);
		assert_string_equal(buf_string(&answer), buf_string(&lines));
		answer.len = 0;
		end(server);
	}
	buf_finish(&lines);
	buf_finish(&answer);
}

static void an_answer_that_is_too_long_is_cut(void **state)
{
	struct buf lines = { 0 }, answer = { 0 };

	(void)state;
	for (int i = 0; i < RELOAD_ANSWER_MAX; i++)
		buf_text(&lines, "ab");
	pid_t server = start(&lines, true);
	assert_int_equal(reload_ask(server, 10000, &answer), RELOAD_DONE);
	assert_int_equal(answer.len, RELOAD_ANSWER_MAX - 1);
	end(server);
	buf_finish(&lines);
	buf_finish(&answer);
}

static void a_server_that_says_nothing_is_waited_for_no_longer(void **state)
{
	struct buf answer = { 0 };

	(void)state;
	pid_t server = start(NULL, true);
	assert_int_equal(reload_ask(server, 10, &answer), RELOAD_SILENT);
	end(server);
	assert_int_equal(reload_ask(server, 10, &answer), RELOAD_GONE);
	assert_int_equal(answer.len, 0);
	buf_finish(&answer);
}

static void a_plain_signal_is_not_answered(void **state)
{
	siginfo_t plain = { .si_code = SI_USER }, without = { .si_code = SI_QUEUE };
	struct buf lines = { 0 };

	(void)state;
	reload_answer_send(&plain, true, &lines);
	reload_answer_send(&without, true, &lines);
}

static void without_descriptors_it_says_why(void **state)
{
	struct buf answer = { 0 };
	struct rlimit all, few;
	int fds[64], count = 0;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &all);
	few = (struct rlimit){ 32, all.rlim_max };
	setrlimit(RLIMIT_NOFILE, &few);
	while (count < 64 && (fds[count] = dup(0)) >= 0)
		count++;
	enum reload_result r = reload_ask(getpid(), 10, &answer);
	int cause = errno;
	while (count)
		close(fds[--count]);
	setrlimit(RLIMIT_NOFILE, &all);
	assert_int_equal(r, RELOAD_FAILED);
	assert_int_equal(cause, EMFILE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_comes_whole),
		TEST(an_answer_that_is_too_long_is_cut),
		TEST(a_server_that_says_nothing_is_waited_for_no_longer),
		TEST(a_plain_signal_is_not_answered),
		TEST(without_descriptors_it_says_why),
	};

	return RUN("reload_answer", tests);
}
