/* Threads, and a system that starts no more of them. */
#include "child.h"
#include "kit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "joblight/base/log.h"
#include "joblight/base/thread.h"

#define NAME_MAX_LEN 16

/* The starter reads its name first. */
static void *wait_for_byte(void *descriptor)
{
	char byte;

	return read(*(int *)descriptor, &byte, 1) == 1 ? NULL : descriptor;
}

static void a_thread_has_its_name_and_its_context(void **state)
{
	char name[NAME_MAX_LEN] = "";
	pthread_t thread;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	thread_start(&thread, "worker", wait_for_byte, &ends[0]);
	assert_int_equal(pthread_getname_np(thread, name, sizeof(name)), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	pthread_join(thread, NULL);
	assert_string_equal(name, "worker");
	close(ends[0]);
	close(ends[1]);
}

/* No memory holds a stack of this size. */
static void allow_no_thread(void)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, (size_t)1 << 60);
	pthread_setattr_default_np(&attributes);
}

static void a_system_without_another_thread_ends_the_process_with_a_line(void **state)
{
	char text[512] = "";
	int status, lines[2];
	pthread_t thread;

	(void)state;
	assert_int_equal(pipe(lines), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (!child) {
		dup2(lines[1], STDERR_FILENO);
		log_start();
		allow_no_thread();
		signal(SIGABRT, SIG_DFL);
		thread_start(&thread, "worker", wait_for_byte, &lines[0]);
		end_child(0);
	}
	close(lines[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_true(read(lines[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "a thread cannot be started"));
	assert_non_null(strstr(text, "thread=worker"));
	close(lines[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_thread_has_its_name_and_its_context),
		TEST(a_system_without_another_thread_ends_the_process_with_a_line),
	};

	return RUN("thread", tests);
}
