/*
 * `joblight key`: the access keys of a running server, which is asked over HTTP, or those in a
 * database that no server uses at the moment.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "joblight/base/clock.h"
#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "joblight/core/right.h"
#include "key_print.h"
#include "key_remote.h"
#include "lists.h"
#include "output.h"
#include "serve/key_database.h"
#include "verbs.h"

#define KEY_EXPIRES_MAX_MS (INT64_C(3660) * 24 * 3600 * 1000)
#define KEY_EXPIRES_MIN_MS 60000

struct request {
	const char *db; /* NULL: the server is asked */
	struct remote remote;
	struct access_key_row row;
};

static bool fail(const char *what, const char *value, const char *message)
{
	arguments_fault(what, value, message);
	return false;
}

static bool take_scope(struct request *q, const char *value)
{
	const char *at = value;
	struct slice part;
	enum right right;

	while (list_next(&at, &part)) {
		if (!right_parse(part, &right))
			return fail("--scope", value,
			            "it takes watch, report, create, control, admin");
		q->row.rights |= right;
	}
	return q->row.rights ||
	       fail("--scope", value, "it takes watch, report, create, control, admin");
}

static bool take_jobs(struct request *q, const char *value)
{
	struct buf jobs = { 0 };
	const char *at = value;
	struct slice part;
	bool ok = true;

	while (ok && list_next(&at, &part)) {
		ok = job_pattern_valid(part) && jobs.len + part.len < ACCESS_KEY_PATTERNS_MAX;
		if (jobs.len)
			buf_char(&jobs, ' ');
		buf_slice(&jobs, part);
	}
	ok = ok && jobs.len;
	free(q->row.jobs);
	q->row.jobs = xstrdup(buf_string(&jobs));
	buf_finish(&jobs);
	return ok ||
	       fail("--jobs", value, "it takes ids of jobs, in which * stands for any characters");
}

static bool take_expires(struct request *q, const char *value)
{
	int64_t ms;

	if (!arguments_time(value, &ms) || ms < KEY_EXPIRES_MIN_MS || ms > KEY_EXPIRES_MAX_MS)
		return fail("--expires", value, "it takes a time from 60s to 3660d, such as 90d");
	q->row.expires = ms / 1000 * 1000;
	return true;
}

static bool take_name(struct request *q, const char *value)
{
	if (strlen(value) > ACCESS_KEY_NAME_MAX)
		return fail("--name", value, "it has more than 128 bytes");
	if (!utf8_valid(slice_of(value)))
		return fail("--name", value, "it is not UTF-8");
	free(q->row.name);
	q->row.name = xstrdup(value);
	return true;
}

static bool take_db(struct request *q, const char *value)
{
	if (strcmp(value, ":memory:") == 0)
		return fail("--db", value, "it takes a file");
	q->db = value;
	return true;
}

static const struct {
	const char *flag;
	bool (*take)(struct request *q, const char *value);
} flags[] = {
	{ "scope", take_scope }, { "jobs", take_jobs }, { "expires", take_expires },
	{ "name", take_name },   { "db", take_db },
};

static bool take_flags(struct request *q, const struct arguments *a)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		const char *value = arguments_value(a, flags[i].flag);
		if (value && !flags[i].take(q, value))
			return false;
	}
	return true;
}

/* --db names a database, everything else a server; without either it is the default database. */
static int choose_place(struct request *q, const struct arguments *a)
{
	if (q->db && arguments_has(a, "url"))
		return arguments_fault("--url", arguments_value(a, "url"),
		                       "it cannot be used with --db");
	if (!q->db && remote_url(a))
		return remote_open(&q->remote, a);
	q->db = q->db ? q->db : "joblight.db";
	return EXIT_OK;
}

static int in_place(const struct arguments *a,
                    int (*work)(struct request *, const struct arguments *))
{
	struct request q = { 0 };
	int status = EXIT_USAGE;

	q.row.name = xstrdup("");
	q.row.jobs = xstrdup("*");
	if (take_flags(&q, a) && (status = choose_place(&q, a)) == EXIT_OK)
		status = work(&q, a);
	if (q.remote.url)
		remote_close(&q.remote);
	access_key_row_finish(&q.row);
	return status;
}

static int create(struct request *q, const struct arguments *a)
{
	char text[ACCESS_KEY_LEN + 1];

	(void)a;
	if (!q->db)
		return key_remote_create(&q->remote, &q->row);
	q->row.created = clock_wall_ms();
	if (q->row.expires)
		q->row.expires += q->row.created;
	access_key_generate(&q->row, random_bytes, text);
	return key_database_put(q->db, &q->row) ? key_print(text, q->row.id) : EXIT_FAILED;
}

int verb_key_create(const struct arguments *a)
{
	if (arguments_has(a, "scope"))
		return in_place(a, create);
	fputs("joblight: --scope is missing\n", stderr);
	return EXIT_USAGE;
}

static bool print_row(void *context, const struct access_key_row *row)
{
	struct buf line = { 0 };

	(void)context;
	buf_char(&line, '{');
	access_key_encode(&line, row);
	buf_char(&line, '}');
	output_line(buf_as_slice(&line));
	buf_finish(&line);
	return true;
}

static int list(struct request *q, const struct arguments *a)
{
	(void)a;
	if (!q->db)
		return key_remote_list(&q->remote);
	return key_database_list(q->db, print_row, NULL) ? EXIT_OK : EXIT_FAILED;
}

int verb_key_list(const struct arguments *a)
{
	return in_place(a, list);
}

static int revoke(struct request *q, const struct arguments *a)
{
	if (!q->db)
		return key_remote_revoke(&q->remote, a->operands[0]);
	return key_database_revoke(q->db, a->operands[0]) ? EXIT_OK : EXIT_FAILED;
}

int verb_key_revoke(const struct arguments *a)
{
	const char *id = a->operands[0];

	if (strlen(id) == ACCESS_KEY_ID_LEN && !strpbrk(id, "/?#%"))
		return in_place(a, revoke);
	fputs("joblight: revoke takes the id of a key, which `joblight key list` shows\n", stderr);
	return EXIT_USAGE;
}

int verb_key_generate(const struct arguments *a)
{
	struct access_key_row row;
	char text[ACCESS_KEY_LEN + 1];

	(void)a;
	access_key_generate(&row, random_bytes, text);
	output_line(slice_of(text));
	return EXIT_OK;
}
