/*
 * `joblight key`: the access keys of a running server, which is asked over HTTP, or those in a
 * database that no server uses at the moment.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "joblight/base/clock.h"
#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "joblight/core/right.h"
#include "key_remote.h"
#include "remote.h"
#include "serve/key_database.h"
#include "verbs.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define DAYS_MAX 3660

struct request {
	const char *db, *url; /* one of them is NULL */
	struct access_key_row row;
};

static int usage(FILE *out, int status)
{
	fputs("usage: joblight key create --scope SCOPE [--jobs PATTERNS] [--name NAME] [--expires "
	      "DAYSd]\n"
	      "                           [--url URL | --db FILE]\n"
	      "       joblight key list [--url URL | --db FILE]\n"
	      "       joblight key revoke ID [--url URL | --db FILE]\n"
	      "       joblight key generate\n\n"
	      "  SCOPE      one or more of watch, report, create, control, admin, separated by "
	      "commas\n"
	      "  PATTERNS   ids of jobs, separated by commas; * stands for any characters (*)\n"
	      "  URL        the server to ask, with the key in JOBLIGHT_KEY (JOBLIGHT_URL)\n"
	      "  FILE       without a server: the database, which no server may use meanwhile\n"
	      "             (joblight.db)\n\n"
	      "create prints the key, which cannot be shown again.  generate prints a key for\n"
	      "`joblight serve --key-file`, without a database.\n",
	      out);
	return status;
}

static bool fail(const char *what, const char *value, const char *message)
{
	fprintf(stderr, "joblight: %s %s: %s\n", what, value, message);
	return false;
}

/* The next part of a list that is separated by commas. */
static bool next_part(const char **at, struct slice *part)
{
	*at += strspn(*at, ", ");
	*part = (struct slice){ *at, strcspn(*at, ", ") };
	*at += part->len;
	return part->len > 0;
}

static bool take_scope(struct request *q, const char *value)
{
	const char *at = value;
	struct slice part;
	enum right right;

	while (next_part(&at, &part)) {
		if (!right_parse(part, &right))
			return fail("--scope", value,
			            "it takes watch, report, create, control, admin");
		q->row.rights |= right;
	}
	return true;
}

static bool take_jobs(struct request *q, const char *value)
{
	struct buf jobs = { 0 };
	const char *at = value;
	struct slice part;
	bool ok = true;

	while (ok && next_part(&at, &part)) {
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
	char *end;
	long days = strtol(value, &end, 10);

	if (strcmp(end, "d") != 0 || days < 1 || days > DAYS_MAX)
		return fail("--expires", value, "it takes a number of days, such as 90d");
	q->row.expires = days * DAY_MS;
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

static bool take_url(struct request *q, const char *value)
{
	q->url = value;
	return true;
}

static const struct {
	const char *flag;
	bool (*take)(struct request *q, const char *value);
} flags[] = {
	{ "scope", take_scope }, { "jobs", take_jobs }, { "expires", take_expires },
	{ "name", take_name },   { "db", take_db },     { "url", take_url },
};

#define FLAG_COUNT (sizeof(flags) / sizeof(flags[0]))

static bool take_flags(struct request *q, int argc, char **argv)
{
	struct option options[FLAG_COUNT + 1] = { 0 };
	int chosen;

	for (size_t i = 0; i < FLAG_COUNT; i++)
		options[i] = (struct option){ flags[i].flag, required_argument, NULL,
			                      256 + (int)i };
	optind = 1;
	while ((chosen = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (chosen == '?' || !flags[chosen - 256].take(q, optarg))
			return false;
	return true;
}

static int create(struct request *q)
{
	char text[ACCESS_KEY_LEN + 1];

	if (!q->row.rights) {
		fputs("joblight: --scope is missing\n", stderr);
		return 2;
	}
	if (q->url)
		return key_remote_create(q->url, &q->row);
	q->row.created = clock_wall_ms();
	if (q->row.expires)
		q->row.expires += q->row.created;
	access_key_generate(&q->row, random_bytes, text);
	if (!key_database_put(q->db, &q->row))
		return 1;
	puts(text);
	if (fflush(stdout) == 0)
		return 0;
	fprintf(stderr, "joblight: the key cannot be printed; revoke it: joblight key revoke %s\n",
	        q->row.id);
	return 1;
}

static bool print_row(void *context, const struct access_key_row *row)
{
	struct buf line = { 0 };

	(void)context;
	buf_char(&line, '{');
	access_key_encode(&line, row);
	buf_char(&line, '}');
	puts(buf_string(&line));
	buf_finish(&line);
	return true;
}

static int list(const struct request *q)
{
	if (q->url)
		return key_remote_list(q->url);
	return key_database_list(q->db, print_row, NULL) ? 0 : 1;
}

static bool is_id(const char *id)
{
	return id && strlen(id) == ACCESS_KEY_ID_LEN && !strpbrk(id, "/?#%");
}

static int revoke(const struct request *q, const char *id)
{
	if (is_id(id) && q->url)
		return key_remote_revoke(q->url, id);
	if (is_id(id))
		return key_database_revoke(q->db, id) ? 0 : 1;
	fputs("joblight: revoke takes the id of a key, which `joblight key list` shows\n", stderr);
	return 2;
}

static int generate(void)
{
	struct access_key_row row;
	char text[ACCESS_KEY_LEN + 1];

	access_key_generate(&row, random_bytes, text);
	puts(text);
	return 0;
}

/* --db names a database, everything else a server; without either it is the default database. */
static bool choose_place(struct request *q)
{
	if (q->db && q->url)
		return fail("--url", q->url, "it cannot be used with --db");
	if (!q->db)
		q->url = remote_url(q->url);
	if (!q->url && !q->db)
		q->db = "joblight.db";
	return true;
}

static int run(struct request *q, const char *what, int argc, char **argv)
{
	const char *id = optind < argc ? argv[optind] : NULL;

	if (strcmp(what, "revoke") == 0)
		return revoke(q, id);
	if (id)
		return usage(stderr, 2);
	if (strcmp(what, "create") == 0)
		return create(q);
	if (strcmp(what, "list") == 0)
		return list(q);
	return strcmp(what, "generate") == 0 ? generate() : usage(stderr, 2);
}

int verb_key(int argc, char **argv)
{
	struct request q = { 0 };
	int status = 2;

	if (argc < 2 || strcmp(argv[1], "--help") == 0)
		return usage(argc < 2 ? stderr : stdout, argc < 2 ? 2 : 0);
	q.row.name = xstrdup("");
	q.row.jobs = xstrdup("*");
	if (take_flags(&q, argc - 1, argv + 1) && choose_place(&q))
		status = run(&q, argv[1], argc - 1, argv + 1);
	access_key_row_finish(&q.row);
	return status;
}
