#include "verdict.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define HANGS_AFTER_S 30

static uint64_t current_seed, current_step;
static bool is_tracing;

static void say_where(void)
{
	fprintf(stderr, "seed %llu, step %llu: ", (unsigned long long)current_seed,
	        (unsigned long long)current_step);
}

/* The process ends in here, so stdio is as good as it gets. */
static void on_signal(int number)
{
	say_where();
	fprintf(stderr, "%s\nrun it again: JOBLIGHT_TEST_SEED=%llu\n",
	        number == SIGALRM   ? "hangs"
	        : number == SIGABRT ? "an assertion failed"
	                            : "crashed",
	        (unsigned long long)current_seed);
	signal(number, SIG_DFL);
	raise(number == SIGALRM ? SIGKILL : number);
}

#ifdef __SANITIZE_ADDRESS__
void __sanitizer_set_death_callback(void (*callback)(void));

static void on_death(void)
{
	say_where();
	fprintf(stderr, "the sanitizer stopped it\nrun it again: JOBLIGHT_TEST_SEED=%llu\n",
	        (unsigned long long)current_seed);
}

static void watch_crashes(void)
{
	__sanitizer_set_death_callback(on_death);
}
#else
static void watch_crashes(void)
{
	signal(SIGSEGV, on_signal);
	signal(SIGBUS, on_signal);
}
#endif

void verdict_begin(uint64_t seed, bool tracing)
{
	current_seed = seed;
	current_step = 0;
	is_tracing = tracing;
	signal(SIGABRT, on_signal);
	signal(SIGALRM, on_signal);
	watch_crashes();
	alarm(HANGS_AFTER_S);
}

void verdict_done(void)
{
	alarm(0);
}

void verdict_step(uint64_t step)
{
	current_step = step;
}

bool verdict_tracing(void)
{
	return is_tracing;
}

void verdict_trace(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%5llu  ", (unsigned long long)current_step);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void verdict_broken(const char *format, ...)
{
	va_list args;

	alarm(0);
	say_where();
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nrun it again: JOBLIGHT_TEST_SEED=%llu\n",
	        (unsigned long long)current_seed);
	_exit(1); /* what the schedule holds is not worth a leak report */
}
