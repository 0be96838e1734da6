#include "environment.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "joblight/base/slice.h"
#include "handover.h"
#include "name_distance.h"
#include "shown_text.h"

void environment_name(const char *flag, char *name, size_t size)
{
	size_t at = strlen(ENVIRONMENT_PREFIX);

	memcpy(name, ENVIRONMENT_PREFIX, at);
	for (; *flag && at < size - 1; flag++)
		name[at++] = *flag == '-' ? '_' : (char)toupper((unsigned char)*flag);
	name[at] = '\0';
}

bool environment_number(const char *variable, uint64_t *value)
{
	const char *given = getenv(variable);

	*value = 0;
	if (!given || slice_number(slice_of(given), SLICE_DIGITS_MAX, value))
		return true;
	fprintf(stderr, "joblight: %s: \"%s\" is not a number, as systemd sets it\n", variable,
	        given);
	return false;
}

static bool begins_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static bool is_own_tool(const char *name)
{
	return strcmp(name, "JOBLIGHT_URL") == 0 || strcmp(name, "JOBLIGHT_KEY") == 0 ||
	       strcmp(name, HANDOVER_VARIABLE) == 0 || begins_with(name, "JOBLIGHT_TEST_");
}

/* Kubernetes and Docker set these for a service called joblight. */
static bool is_from_platform(const char *name)
{
	return strcmp(name, "JOBLIGHT_PORT") == 0 || begins_with(name, "JOBLIGHT_PORT_") ||
	       begins_with(name, "JOBLIGHT_SERVICE_");
}

/* Whether it is the name of a setting; if not, `nearest` is the most similar one. */
static bool find(const char *const *flags, size_t count, const char *name, char *nearest,
                 size_t size)
{
	size_t best = SIZE_MAX;
	char known[NAME_MAX_LEN + 1];

	for (size_t i = 0; i < count; i++) {
		environment_name(flags[i], known, sizeof(known));
		size_t far = name_distance(known, name);
		if (far < best)
			snprintf(nearest, size, "%s", known);
		best = far < best ? far : best;
	}
	return best == 0;
}

static bool refuse(const char *name, const char *nearest, FILE *errors)
{
	fputs("joblight: " ENVIRONMENT_PREFIX, errors);
	shown_text_write(errors, slice_of(name + strlen(ENVIRONMENT_PREFIX)));
	fprintf(errors, " in the environment is not a setting; did you mean %s?\n", nearest);
	return false;
}

bool environment_check(const char *const *flags, size_t count, struct buf *ignored, FILE *errors)
{
	char name[256], nearest[NAME_MAX_LEN + 1] = "";
	bool ok = true;

	for (char **at = environ; at && *at; at++) {
		size_t len = strcspn(*at, "=");
		if (!begins_with(*at, ENVIRONMENT_PREFIX))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(len < 255 ? len : 255), *at);
		if (is_from_platform(name))
			buf_format(ignored, "%s%s", ignored->len ? " " : "", name);
		else if (!is_own_tool(name) && !find(flags, count, name, nearest, sizeof(nearest)))
			ok = refuse(name, nearest, errors);
	}
	return ok;
}
