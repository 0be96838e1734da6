#include "joblight/base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define UNIX_MS_DIGITS 15 /* more is beyond the year 9999 */

int64_t clock_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

uint64_t clock_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t clock_boottime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What the shared clock shows at the start of the monotonic one; 0: nobody shares one. */
static atomic_int_least64_t shared_start;

int64_t clock_shared_ms(void)
{
	int64_t start = atomic_load_explicit(&shared_start, memory_order_relaxed);

	return start ? start + (int64_t)clock_monotonic_ms() : clock_wall_ms();
}

void clock_share(int64_t now)
{
	atomic_store(&shared_start, now - (int64_t)clock_monotonic_ms());
}

void clock_boot_id(char out[CLOCK_BOOT_LEN + 1])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || !fgets(out, CLOCK_BOOT_LEN + 1, file))
		snprintf(out, CLOCK_BOOT_LEN + 1, "unknown");
	if (file)
		fclose(file);
}

static uint64_t microseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_monotonic_us(void)
{
	return microseconds(CLOCK_MONOTONIC);
}

uint64_t clock_thread_cpu_us(void)
{
	return microseconds(CLOCK_THREAD_CPUTIME_ID);
}

static void put_digits(char *out, unsigned width, unsigned value)
{
	while (width--) {
		out[width] = (char)('0' + value % 10);
		value /= 10;
	}
}

void clock_format(int64_t wall_ms, char *out)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm utc;

	gmtime_r(&seconds, &utc);
	memcpy(out, "0000-00-00T00:00:00.000Z", CLOCK_TEXT_LEN + 1);
	put_digits(out, 4, (unsigned)(utc.tm_year + 1900));
	put_digits(out + 5, 2, (unsigned)(utc.tm_mon + 1));
	put_digits(out + 8, 2, (unsigned)utc.tm_mday);
	put_digits(out + 11, 2, (unsigned)utc.tm_hour);
	put_digits(out + 14, 2, (unsigned)utc.tm_min);
	put_digits(out + 17, 2, (unsigned)utc.tm_sec);
	put_digits(out + 20, 3, (unsigned)(wall_ms % 1000));
}

/* Reads exactly `width` digits; false otherwise. */
static bool take_digits(const char **at, const char *end, int width, int *value)
{
	*value = 0;
	for (int i = 0; i < width; i++, (*at)++) {
		if (*at >= end || **at < '0' || **at > '9')
			return false;
		*value = *value * 10 + (**at - '0');
	}
	return true;
}

static bool take_char(const char **at, const char *end, const char *allowed)
{
	if (*at >= end || !**at || !strchr(allowed, **at))
		return false;
	(*at)++;
	return true;
}

static bool parse_unix_ms(struct slice text, int64_t *wall_ms)
{
	uint64_t value;

	if (!slice_number(text, UNIX_MS_DIGITS, &value))
		return false;
	*wall_ms = (int64_t)value;
	return true;
}

/* ("Z" / ("+" / "-") hh ":" mm); also accepts a "+" that a query decoder turned into a space. */
static bool take_offset(const char **at, const char *end, int *minutes)
{
	int hours, rest;

	*minutes = 0;
	if (take_char(at, end, "Zz"))
		return true;
	int sign = *at < end && **at == '-' ? -1 : 1;
	if (!take_char(at, end, "+- ") || !take_digits(at, end, 2, &hours) ||
	    !take_char(at, end, ":") || !take_digits(at, end, 2, &rest))
		return false;
	*minutes = sign * (hours * 60 + rest);
	return hours < 24 && rest < 60;
}

static bool take_fraction(const char **at, const char *end, int *ms)
{
	int digits = 0;

	*ms = 0;
	if (!take_char(at, end, "."))
		return true;
	for (; *at < end && **at >= '0' && **at <= '9'; (*at)++, digits++)
		if (digits < 3)
			*ms = *ms * 10 + (**at - '0');
	for (int i = digits; i < 3; i++)
		*ms *= 10;
	return digits > 0;
}

static int days_of_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool clock_parse(struct slice text, int64_t *wall_ms)
{
	const char *at = text.ptr, *end = text.ptr + text.len;
	struct tm utc = { 0 };
	int ms, offset;

	if (parse_unix_ms(text, wall_ms))
		return true;
	if (!take_digits(&at, end, 4, &utc.tm_year) || !take_char(&at, end, "-") ||
	    !take_digits(&at, end, 2, &utc.tm_mon) || !take_char(&at, end, "-") ||
	    !take_digits(&at, end, 2, &utc.tm_mday) || !take_char(&at, end, "Tt ") ||
	    !take_digits(&at, end, 2, &utc.tm_hour) || !take_char(&at, end, ":") ||
	    !take_digits(&at, end, 2, &utc.tm_min) || !take_char(&at, end, ":") ||
	    !take_digits(&at, end, 2, &utc.tm_sec) || !take_fraction(&at, end, &ms) ||
	    !take_offset(&at, end, &offset) || at != end)
		return false;
	if (utc.tm_year < 1970 || utc.tm_mon < 1 || utc.tm_mon > 12 || utc.tm_mday < 1 ||
	    utc.tm_mday > days_of_month(utc.tm_year, utc.tm_mon) || utc.tm_hour > 23 ||
	    utc.tm_min > 59 || utc.tm_sec > 60)
		return false;
	utc.tm_year -= 1900;
	utc.tm_mon -= 1;
	*wall_ms = ((int64_t)timegm(&utc) - (int64_t)offset * 60) * 1000 + ms;
	return true;
}
