/* Threads, and a system that starts no more of them. */
#include "kit.h"
#include "child.h"

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

static void start_in_vain(void)
{
	pthread_t thread;
	int none = -1;

	log_start();
	allow_no_thread();
	signal(SIGABRT, SIG_DFL);
	thread_start(&thread, "worker", wait_for_byte, &none);
}

static void a_system_without_another_thread_ends_the_process_with_a_line(void **state)
{
	char text[512];
	int status = run_to_its_end(start_in_vain, text, sizeof(text));

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(text, "a thread cannot be started"));
	assert_non_null(strstr(text, "thread=worker"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_thread_has_its_name_and_its_context),
		TEST(a_system_without_another_thread_ends_the_process_with_a_line),
	};

	return RUN("thread", tests);
}
