#include "postgres_place.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "joblight/base/xalloc.h"

#define USER_TIMEOUT_MS "2000" /* for what was sent to be acknowledged by the other machine */

#define HOST_TIMEOUT_S "2" /* until the next host is tried; libpq takes no less */

/* A shorter one is a part of other words. */
#define SECRET_MIN 4

/* What is set unless the address has it. */
static const struct {
	const char *name, *value;
} defaults[] = {
	{ "application_name", "joblight" },
	{ "client_encoding", "UTF8" },
	{ "gssencmode", "disable" }, /* which would ask for tickets first */
	{ "connect_timeout", HOST_TIMEOUT_S },
	{ "tcp_user_timeout", USER_TIMEOUT_MS },
	{ "keepalives_idle", "2" },
	{ "keepalives_interval", "1" },
	{ "keepalives_count", "3" },
};

/*
 * libpq would take the rest of a password with one of these for a host or a port, and complain of
 * it by name.
 */
static bool has_stray_at(const char *location)
{
	const char *scheme = strstr(location, "://"), *slash, *first;

	if (!scheme)
		return false;
	slash = strpbrk(scheme + 3, "/?");
	first = strchr(scheme + 3, '@');
	return first && (strchr(first + 1, '@') || (slash && slash < first));
}

static bool is_set(const struct pg_place *p, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(p->names[i], name) == 0)
			return true;
	return false;
}

static void take_options(struct pg_place *p)
{
	size_t count = 0, given;

	for (const PQconninfoOption *o = p->parsed; o->keyword; o++) {
		if (!o->val || count + 1 >= PG_PLACE_OPTIONS - sizeof defaults / sizeof *defaults)
			continue;
		p->names[count] = o->keyword;
		p->values[count++] = o->val;
	}
	given = count;
	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
		if (is_set(p, given, defaults[i].name))
			continue;
		p->names[count] = defaults[i].name;
		p->values[count++] = defaults[i].value;
	}
	p->names[count] = p->values[count] = NULL;
}

struct pg_place *pg_place_parse(const char *location, const char *setting, char *error,
                                size_t error_len)
{
	char *words = NULL;
	PQconninfoOption *parsed = has_stray_at(location) ? NULL
	                                                  : PQconninfoParse(location, &words);

	PQfreemem(words); /* which has a part of the address */
	if (!parsed) {
		snprintf(error, error_len,
		         "the address of %s is not one of PostgreSQL, such as "
		         "postgres://user:password@host:5432/name; in a user and a password, write "
		         "%%40 for @, %%3A for :, %%2F for / and %%25 for %%",
		         setting);
		return NULL;
	}
	struct pg_place *p = xcalloc(1, sizeof(*p));
	p->parsed = parsed;
	atomic_init(&p->users, 1);
	take_options(p);
	return p;
}

struct pg_place *pg_place_hold(struct pg_place *p)
{
	atomic_fetch_add(&p->users, 1);
	return p;
}

static void wipe(PQconninfoOption *o)
{
	if (o->val && o->dispchar[0] == '*')
		explicit_bzero(o->val, strlen(o->val));
}

void pg_place_set(struct pg_place *p, const char *name, const char *value, bool always)
{
	for (PQconninfoOption *o = p->parsed; o->keyword; o++) {
		if (strcmp(o->keyword, name) != 0 || (o->val && !always))
			continue;
		wipe(o);
		free(o->val); /* as PQconninfoFree() does */
		o->val = xstrdup(value);
	}
	take_options(p);
}

void pg_place_free(struct pg_place *p)
{
	if (!p || atomic_fetch_sub(&p->users, 1) > 1)
		return;
	for (PQconninfoOption *o = p->parsed; o->keyword; o++)
		wipe(o);
	PQconninfoFree(p->parsed);
	free(p);
}

/* The length of a secret that the text begins with, or 0. */
static size_t secret_at(const struct pg_place *p, const char *text)
{
	for (const PQconninfoOption *o = p->parsed; o->keyword; o++) {
		size_t len = o->val && o->dispchar[0] == '*' ? strlen(o->val) : 0;
		if (len >= SECRET_MIN && strncmp(text, o->val, len) == 0)
			return len;
	}
	return 0;
}

void pg_place_words(const struct pg_place *p, const char *message, char *out, size_t size)
{
	size_t len = 0, secret;

	while (*message && len + 4 < size) {
		secret = secret_at(p, message);
		if (secret) {
			memcpy(out + len, "***", 3);
			len += 3;
			message += secret;
			continue;
		}
		out[len] = *message == '\n' || *message == '\t' ? ' ' : *message;
		message++;
		if (out[len] != ' ' || (len && out[len - 1] != ' '))
			len++;
	}
	while (len && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
}

/* ---- hosts ---- */

static const char *value_of(const struct pg_place *p, const char *name)
{
	for (size_t i = 0; p->names[i]; i++)
		if (strcmp(p->names[i], name) == 0)
			return p->values[i];
	return "";
}

/* Neither a folder, nor an address, nor nothing, which means a socket of this machine. */
static bool is_name(const char *host, size_t len)
{
	char text[INET6_ADDRSTRLEN] = "";
	struct in6_addr address;

	if (!len || host[0] == '/' || host[0] == '@')
		return false;
	if (len >= sizeof(text))
		return true;
	memcpy(text, host, len);
	return inet_pton(AF_INET, text, &address) != 1 && inet_pton(AF_INET6, text, &address) != 1;
}

unsigned pg_place_hosts(const struct pg_place *p, bool *named)
{
	const char *addresses = value_of(p, "hostaddr"),
	           *host = addresses[0] ? addresses : value_of(p, "host");
	unsigned count = 1;

	*named = false;
	for (;; host++, count++) {
		size_t len = strcspn(host, ",");
		*named |= is_name(host, len);
		host += len;
		if (!*host)
			return count;
	}
}
