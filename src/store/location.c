#include "location.h"

#include <stdio.h>
#include <string.h>

#include "joblight/store/backend.h"

/* How the locations begin that belong to a backend in a module. */
static const struct {
	const char *begins, *module, *title;
} modules[] = {
	{ "postgres://", "postgres", "PostgreSQL" }, { "postgresql://", "postgres", "PostgreSQL" },
	{ "host=", "postgres", "PostgreSQL" },       { "hostaddr=", "postgres", "PostgreSQL" },
	{ "dbname=", "postgres", "PostgreSQL" },     { "service=", "postgres", "PostgreSQL" },
};
#define MODULE_COUNT (sizeof(modules) / sizeof(modules[0]))

static size_t find_row(const char *location)
{
	size_t i = 0;

	while (i < MODULE_COUNT &&
	       strncmp(location, modules[i].begins, strlen(modules[i].begins)) != 0)
		i++;
	return i;
}

const char *location_module(const char *location)
{
	size_t i = find_row(location);

	return i < MODULE_COUNT ? modules[i].module : NULL;
}

bool database_is_remote(const char *location)
{
	return location_module(location) != NULL;
}

bool database_has_password(const char *location)
{
	const char *user = strstr(location, "://"), *end = strrchr(location, '@'),
	           *colon = user ? strchr(user + 3, ':') : NULL;

	return database_is_remote(location) &&
	       (strstr(location, "password=") || (colon && end && colon < end));
}

void database_show(const char *location, char *out, size_t size)
{
	size_t i = find_row(location);
	const char *host = strstr(location, "://"), *at = strrchr(location, '@');
	size_t len;

	if (i == MODULE_COUNT) {
		snprintf(out, size, "%s", location);
		return;
	}
	host = !host ? "" : at && at > host ? at + 1 : host + 3;
	len = strcspn(host, "?");
	snprintf(out, size, "%s%s%.*s", modules[i].title, len ? " at " : "", (int)len, host);
}
