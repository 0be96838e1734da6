#include "config_check.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus_option.h"
#include "credential_file.h"
#include "exporter.h"
#include "first_key.h"
#include "issuer_file.h"
#include "joblight/api/base_path.h"
#include "joblight/api/pages.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/credential.h"
#include "joblight/store/backend.h"
#include "listen_option.h"
#include "reach.h"
#include "setting.h"
#include "tls_files.h"

static bool fail(const char *flag, const char *path, const char *cause)
{
	fprintf(stderr, "joblight: --%s %s: %s\n", flag, path, cause);
	return false;
}

static bool check_credential(const struct setting *s, struct slice value)
{
	char *text = xmemdup(value.ptr, value.len);
	bool ok = !credential_file_is_named(value) ||
	          fail(s->flag, text,
	               "systemd has passed no credentials: CREDENTIALS_DIRECTORY is not set; the "
	               "unit needs LoadCredential=NAME:FILE");

	free(text);
	return ok;
}

static bool check_credentials_of(const struct setting *s, const struct config *c)
{
	bool ok = true;

	if (s->type == SETTING_LIST) {
		const struct slices *list = setting_value(s, c);
		for (size_t i = 0; i < list->count; i++)
			ok = check_credential(s, list->items[i]) && ok;
	} else if (s->type == SETTING_TEXT) {
		const char *text = *(const char *const *)setting_value(s, c);
		ok = !text || check_credential(s, slice_of(text));
	}
	return ok;
}

bool config_check_credentials(const struct config *c)
{
	bool ok = true;

	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (settings[i].kind && settings[i].kind->is_secret_file)
			ok = check_credentials_of(&settings[i], c) && ok;
	return ok;
}

/* Files that the server writes. */

static bool check_directory_of(const char *flag, const char *path)
{
	char *copy = xstrdup(path);
	const char *directory = dirname(copy);
	bool ok = access(directory, W_OK | X_OK) == 0;

	if (!ok)
		fprintf(stderr, "joblight: --%s %s: the directory %s cannot be written: %s\n", flag,
		        path, directory, strerror(errno));
	free(copy);
	return ok;
}

static bool check_writable(const char *flag, const char *path)
{
	struct stat status;

	if (!path)
		return true;
	if (stat(path, &status))
		return errno == ENOENT ? check_directory_of(flag, path)
		                       : fail(flag, path, strerror(errno));
	if (S_ISDIR(status.st_mode))
		return fail(flag, path, "it is a directory; name a file in it");
	if (!S_ISREG(status.st_mode))
		return fail(flag, path, "it is not a regular file");
	if (access(path, R_OK | W_OK))
		return fail(flag, path, strerror(errno));
	/* root can write it, but it was made read-only on purpose */
	return (status.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)) ||
	       fail(flag, path, strerror(EACCES));
}

bool config_check_password(const struct config *c)
{
	const char *nearest;
	bool on_command_line = c->from[setting_find("db", &nearest) - settings] == FROM_FLAG;

	return !on_command_line || !database_has_password(c->db) ||
	       fail("db", "the address",
	            "a password in a flag is seen by all users of this machine; give the address "
	            "in JOBLIGHT_DB or in the file of --config, or the password in PGPASSWORD, in "
	            "~/.pgpass, or in a file that the address names with passfile=");
}

/* SQLite makes files beside the database. */
static bool check_database(const struct config *c)
{
	if (database_is_remote(c->db))
		return config_check_password(c);
	if (strcmp(c->db, ":memory:") == 0)
		return true;
	return check_writable("db", c->db) && check_directory_of("db", c->db);
}

/* Files that it reads. */

static bool check_key_file(const struct config *c)
{
	struct credential *key = c->key_file ? first_key_read(c->key_file) : NULL;

	credential_release(key);
	return key || !c->key_file;
}

static bool check_issuer(const struct config *c)
{
	struct issuer *issuer;
	char error[512];
	bool ok = issuer_file_read(c, &issuer, error, sizeof(error));

	if (!ok)
		fprintf(stderr, "joblight: %s\n", error);
	issuer_release(issuer);
	return ok;
}

static bool check_certificates(const struct config *c)
{
	struct tls_files files;
	bool ok = tls_files_start(&files, &c->tls_certificates, &c->tls_keys);

	tls_files_finish(&files);
	return ok;
}

static bool check_pages(const struct config *c)
{
	char error[512], path[BASE_PATH_MAX + 1];

	base_path_read(slice_of(c->base_path), path); /* config_parse() has checked it */
	struct pages *pages = pages_load(c->www, path, false, error, sizeof(error));

	if (!pages)
		fprintf(stderr, "joblight: --www: %s\n", error);
	pages_free(pages);
	return pages != NULL;
}

static bool check_exporter(const struct config *c)
{
	char error[1024];
	bool ok = exporter_check(c, error, sizeof(error));

	if (!ok)
		fprintf(stderr, "joblight: %s\n", error);
	return ok;
}

/* Addresses. */

/* The sockets of systemd are there only when it starts the server. */
static void leave_out_passed(const struct slices *all, struct slices *own)
{
	own->count = 0;
	for (size_t i = 0; i < all->count; i++)
		if (all->items[i].len < 7 || memcmp(all->items[i].ptr, "systemd", 7) != 0)
			own->items[own->count++] = all->items[i];
}

/* Those in a database that exists are not looked at: a server may be using it. */
static bool may_have_keys(const struct config *c)
{
	return c->key_file || c->jwt_keys || database_is_remote(c->db) || access(c->db, F_OK) == 0;
}

static bool check_addresses(const struct config *c)
{
	const struct passed_sockets none = { 0 };
	struct slices own;
	struct listens listens;
	char error[512];
	bool ok = true;

	leave_out_passed(&c->listen, &own);
	if (c->listen.count && !own.count)
		return true;
	if (!listens_read(&listens, &own, &none, c->tls_certificates.count > 0))
		return false;
	if (!may_have_keys(c))
		ok = reach_check(c, &listens);
	for (unsigned i = 0; i < listens.count; i++)
		if (!listen_check(&listens.items[i], error, sizeof(error))) {
			fprintf(stderr, "joblight: %s\n", error);
			ok = false;
		}
	return ok;
}

static bool check_logs(const struct config *c)
{
	bool ok = check_writable("audit-log", c->audit_log);

	return check_writable("pid-file", c->pid_file) && ok;
}

bool config_check(const struct config *c)
{
	static const struct {
		bool (*run)(const struct config *c);
		bool reads_credentials;
	} checks[] = {
		{ check_addresses, false }, { check_certificates, true },
		{ check_key_file, true },   { check_issuer, true },
		{ check_pages, false },     { check_database, false },
		{ check_logs, false },      { check_exporter, true },
		{ bus_option_check, true },
	};
	bool passed = config_check_credentials(c), ok = passed;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (passed || !checks[i].reads_credentials)
			ok = checks[i].run(c) && ok;
	return ok;
}
