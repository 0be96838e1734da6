#include "bus_option.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "credential_file.h"
#include "joblight/bus/buses.h"
#include "joblight/store/backend.h"
#include "setting.h"

#define PASSWORD_MAX 1024

/* The file without the end of its line. */
static bool read_password(const char *path, char text[PASSWORD_MAX + 1])
{
	FILE *file = fopen(path, "re");

	if (!file) {
		fprintf(stderr, "joblight: --bus-password %s: %s\n", path, strerror(errno));
		return false;
	}
	credential_file_warn("bus-password", path);
	size_t len = fread(text, 1, PASSWORD_MAX + 1, file);
	bool failed = ferror(file);
	fclose(file);
	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (!failed && len && len <= PASSWORD_MAX && !memchr(text, '\0', len)) {
		text[len] = '\0';
		return true;
	}
	fprintf(stderr,
	        "joblight: --bus-password %s: it must have a password of at most %d bytes and "
	        "nothing else\n",
	        path, PASSWORD_MAX);
	return false;
}

static bool check_database(const struct config *c)
{
	if (!c->bus || database_is_remote(c->db))
		return true;
	fprintf(stderr, "joblight: --bus: the database of --db belongs to this server alone, so "
	                "there are no others to reach; leave out --bus, or give all of them the "
	                "same --db postgres://...\n");
	return false;
}

static bool check_rest(const struct config *c)
{
	const char *alone = c->bus_password      ? "bus-password"
	                    : c->bus_ca          ? "bus-ca"
	                    : c->bus_certificate ? "bus-certificate"
	                                         : NULL;

	if (c->bus || !alone)
		return true;
	fprintf(stderr, "joblight: --%s: there is no --bus\n", alone);
	return false;
}

/* Roughly: what comes before the last @, and after a colon. */
static bool has_password(const char *url)
{
	const char *user = strstr(url, "://"), *at = strrchr(url, '@');

	if (database_has_password(url))
		return true;
	return user && at && at > user && memchr(user + 1, ':', (size_t)(at - user - 1));
}

/* Everybody on the machine sees the flags of a process. */
static bool check_flag(const struct config *c)
{
	const char *nearest;
	const struct setting *s = setting_find("bus", &nearest);

	if (!c->bus || c->from[s - settings] != FROM_FLAG || !has_password(c->bus))
		return true;
	fprintf(stderr,
	        "joblight: --bus: a password in a flag is seen by all users of this machine; give "
	        "the URL in JOBLIGHT_BUS or in the file of --config, or the password in a file "
	        "with --bus-password\n");
	return false;
}

/* Fills the configuration; `password` is where the one of the file goes. */
static bool fill(const struct config *c, struct bus_config *config, char password[PASSWORD_MAX + 1])
{
	config->location = c->bus;
	config->database = c->db;
	config->prefix = c->bus_prefix;
	config->ca = c->bus_ca;
	config->certificate = c->bus_certificate;
	config->password = NULL;
	if (!check_rest(c) || !check_database(c) || !check_flag(c))
		return false;
	if (c->bus_certificate)
		credential_file_warn("bus-certificate", c->bus_certificate);
	if (!c->bus_password)
		return true;
	config->password = password;
	return read_password(c->bus_password, password);
}

struct bus *bus_option_start(const struct config *c, const struct bus_config *parts)
{
	struct bus_config config = *parts;
	char password[PASSWORD_MAX + 1], error[512];
	struct bus *b = NULL;

	if (fill(c, &config, password)) {
		b = bus_start(&config, error, sizeof(error));
		if (!b)
			fprintf(stderr, "joblight: %s\n", error);
	}
	explicit_bzero(password, sizeof(password));
	return b;
}

bool bus_option_check(const struct config *c)
{
	const struct bus_config none = { 0 };
	struct bus *b = bus_option_start(c, &none);

	if (b)
		b->ops->stop(b);
	return b != NULL;
}
