#include "joblight/bus/buses.h"

#include <stdio.h>
#include <string.h>

#include "backends.h"
#include "cluster.h"
#include "joblight/base/module.h"

static struct bus *redis_start(const struct bus_config *config, char *error, size_t error_len)
{
	const struct carrier_ops *redis = module_open("redis", "carrier", error, error_len);

	return redis ? cluster_start(redis, LABEL_BUS_REDIS, config, error, error_len) : NULL;
}

static struct bus *postgres_start(const struct bus_config *config, char *error, size_t error_len)
{
	if (config->ca || config->certificate) {
		snprintf(
		    error, error_len,
		    "%s: it is for rediss://; PostgreSQL is told in its URL, with sslrootcert, "
		    "sslcert and sslkey",
		    config->ca ? "--bus-ca" : "--bus-certificate");
		return NULL;
	}
	const struct carrier_ops *postgres = module_open("postgres", "carrier", error, error_len);

	return postgres ? cluster_start(postgres, LABEL_BUS_POSTGRES, config, error, error_len)
	                : NULL;
}

/* In the database of --db. */
static struct bus *database_start(const struct bus_config *config, char *error, size_t error_len)
{
	struct bus_config there = *config;

	there.location = config->database;
	if (!config->password)
		return postgres_start(&there, error, error_len);
	snprintf(error, error_len,
	         "--bus-password: --bus postgres has the password of --db; leave it out, or give "
	         "--bus postgres://USER@HOST/NAME");
	return NULL;
}

static const struct kind {
	const char *begins; /* the location, or all of it; NULL: there is none */
	struct bus *(*start)(const struct bus_config *config, char *error, size_t error_len);
} kinds[] = {
	{ NULL, null_start },
	{ "redis://", redis_start },
	{ "rediss://", redis_start },
	{ "postgres://", postgres_start },
	{ "postgresql://", postgres_start },
	{ "postgres", database_start },
};

static bool is_of_kind(const char *location, const char *begins)
{
	if (!begins || !location)
		return begins == location;
	return strstr(begins, "://") ? strncmp(location, begins, strlen(begins)) == 0
	                             : strcmp(location, begins) == 0;
}

struct bus *bus_start(const struct bus_config *config, char *error, size_t error_len)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (is_of_kind(config->location, kinds[i].begins))
			return kinds[i].start(config, error, error_len);
	snprintf(error, error_len,
	         "--bus: it must be postgres, or a URL that begins with redis://, rediss:// or "
	         "postgres://");
	return NULL;
}
