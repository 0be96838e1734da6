#include "joblight/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "joblight/base/clock.h"
#include "joblight/base/log_causes.h"
#include "joblight/base/log_line.h"
#include "joblight/base/log_output.h"

static _Atomic enum log_level lowest_level = LOG_LEVEL_INFO;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the causes */
static struct log_causes causes;

void log_set_level(enum log_level lowest)
{
	lowest_level = lowest;
}

static void write_line(struct log_line *l, enum log_weight weight)
{
	log_line_end(l);
	log_output_write(buf_as_slice(&l->text), weight);
	buf_finish(&l->text);
}

static void tell_left_out(enum log_level level, const char *message, uint64_t count)
{
	struct log_line line;

	if (!count)
		return;
	log_line_begin(&line, LOG_TO_STDERR, level, message);
	log_line_number(&line, "suppressed", count);
	write_line(&line, LOG_WEIGHT_NORMAL);
}

/* Whether a line of this cause may be written now. */
static bool may_write(enum log_level level, const char *message)
{
	uint64_t now = clock_monotonic_ms(), left_out = 0;

	pthread_mutex_lock(&lock);
	struct log_cause *cause = log_causes_find(&causes, level, message, now);
	if (cause)
		left_out = log_limit_left_out(&cause->limit, now);
	bool may = !cause || log_limit_takes(&cause->limit, now);
	pthread_mutex_unlock(&lock);
	tell_left_out(level, message, left_out);
	return may;
}

/* `now`: UINT64_MAX takes the seconds that are not over, too. */
static bool tell_next_left_out(uint64_t now)
{
	struct log_cause found = { 0 };
	uint64_t count = 0;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < causes.count && !count; i++) {
		count = log_limit_left_out(&causes.items[i].limit, now);
		found = causes.items[i];
	}
	pthread_mutex_unlock(&lock);
	tell_left_out(found.level, found.message, count);
	return count > 0;
}

/* Each second, in the thread that writes. */
static void tick(void)
{
	while (tell_next_left_out(clock_monotonic_ms()))
		;
}

void log_set_format(enum log_format format)
{
	log_line_set_format(format);
	log_line_set_journal(log_line_is_for_journal());
}

void log_start(void)
{
	log_output_start(tick);
}

void log_stop(unsigned wait_ms)
{
	while (tell_next_left_out(UINT64_MAX))
		;
	log_output_stop(wait_ms);
}

void log_event(enum log_level level, const char *message, ...)
{
	struct log_line line;
	va_list pairs;

	if (level < lowest_level || (level > LOG_LEVEL_DEBUG && !may_write(level, message)))
		return;
	log_line_begin(&line, LOG_TO_STDERR, level, message);
	va_start(pairs, message);
	log_line_pairs(&line, va_arg(pairs, const char *), pairs);
	va_end(pairs);
	write_line(&line, level == LOG_LEVEL_DEBUG ? LOG_WEIGHT_BULK : LOG_WEIGHT_NORMAL);
}
