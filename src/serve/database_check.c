#include "database_check.h"

#include <stdio.h>

#include "joblight/base/clock.h"
#include "joblight/store/upkeep.h"

enum database_state database_quick_check(const char *path, unsigned ms, char *words, size_t size)
{
	return store_check(path, ms, words, size);
}

bool database_is_on_server(const char *location, char shown[DATABASE_SHOWN_MAX])
{
	database_show(location, shown, DATABASE_SHOWN_MAX);
	return database_is_remote(location);
}

bool database_shows_password(const char *location)
{
	return database_has_password(location);
}

/* A read of a row that every database has. */
static bool reads(struct store *s)
{
	struct clock_row clock;
	enum store_result result = s->ops->begin(s);

	if (result == STORE_OK)
		result = s->ops->clock_get(s, &clock);
	return result == STORE_OK || result == STORE_NONE;
}

double database_answer_ms(const char *location, char *words, size_t size)
{
	struct store *s = database_peek(location, words, size);

	if (!s)
		return -1;
	uint64_t began = clock_monotonic_us();
	bool ok = reads(s);
	uint64_t took_us = clock_monotonic_us() - began;
	if (!ok)
		snprintf(words, size, "%s", store_error(s));
	s->ops->rollback(s);
	s->ops->close(s);
	return ok ? (double)took_us / 1000 : -1;
}
