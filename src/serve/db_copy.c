/* `joblight db copy`: a database into another one, of any kind. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "copy_place.h"
#include "copying.h"
#include "db.h"
#include "db_open.h"

/* ---- both databases ---- */

struct pair {
	struct database *from, *to, *scratch;
};

/* No other process uses it until it is closed. */
static struct database *take_alone(struct database *db, const char *name)
{
	char error[512] = "";

	if (!db || database_claim(db, error, sizeof(error)))
		return db;
	db_fail(name, error);
	database_close(db);
	return NULL;
}

/* The original is only opened to write if it is one: nothing is made where it should be. */
static struct database *open_original(const char *location, const char *name)
{
	struct signing_key_row key;
	struct store *s = db_peek_at(location);

	if (!s)
		return NULL;
	enum store_result r = s->ops->signing_key_get(s, &key);
	explicit_bzero(&key, sizeof(key));
	if (r != STORE_OK && r != STORE_NONE)
		db_fail(name, store_error(s));
	db_peek_end(s);
	return r == STORE_OK || r == STORE_NONE ? take_alone(db_open_at(location), name) : NULL;
}

static bool open_sessions(struct copying *c, const struct pair *p)
{
	c->to = database_writer(p->to);
	c->from = database_reader(p->from);
	c->back = c->from ? database_reader(p->to) : NULL;
	c->scratch = database_writer(p->scratch);
	return c->back && (c->from->ops->begin(c->from) == STORE_OK || copy_read_failed(c));
}

static void close_sessions(struct copying *c)
{
	if (c->from)
		c->from->ops->close(c->from);
	if (c->back)
		c->back->ops->close(c->back);
}

static bool open_pair(struct pair *p, const struct copying *c, const char *from, const char *to)
{
	char error[128];

	p->from = open_original(from, c->from_name);
	p->to = p->from ? take_alone(db_open_copy(to), c->to_name) : NULL;
	if (p->to)
		p->scratch = database_open(":memory:", DURABILITY_PROCESS, error, sizeof(error));
	return p->scratch != NULL;
}

static void close_pair(const struct pair *p)
{
	database_close(p->scratch);
	database_close(p->to);
	database_close(p->from);
}

/* ---- the copy ---- */

static bool mark(const struct copying *c, struct database *to, bool unfinished)
{
	char error[512] = "";
	bool ok = database_mark(to, unfinished, error, sizeof(error));

	if (!ok)
		db_fail(c->to_name, error);
	return ok;
}

/* From the first row that is written until the last one is compared, nobody else opens the copy. */
static bool copy_all(struct copying *c, struct database *to)
{
	bool ok = copy_known(c) && mark(c, to, true) && copy_known_remove(c) && copy_clock(c) &&
	          copy_jobs(c) && copy_rest(c) && copy_days(c);

	return ok && (c->faults || mark(c, to, false));
}

static int report(const struct copying *c, bool ok)
{
	if (c->faults > COPY_FAULTS_MAX)
		fprintf(stderr, "joblight: and %" PRIu64 " more\n", c->faults - COPY_FAULTS_MAX);
	if (!ok && atomic_load(c->stop))
		return db_fail(c->to_name,
		               "the copy is not complete, and no server starts on it; run it "
		               "again to go on");
	if (!ok)
		return 1;
	if (c->faults)
		return db_fail(c->to_name,
		               "these jobs were not copied; all others were.  No server starts "
		               "on the copy until all are in it");
	printf("%s: %" PRIu64 " jobs with %" PRIu64 " events, %" PRIu64
	       " rows in all, are those of %s: %" PRIu64 " jobs were copied, %" PRIu64
	       " were there, and all were read again\n",
	       c->to_name, c->copied + c->same, c->events, c->rows, c->from_name, c->copied,
	       c->same);
	return 0;
}

static int run(struct copying *c, const char *from, const char *to)
{
	struct pair p = { 0 };
	int status = 1;

	database_show(from, c->from_name, sizeof(c->from_name));
	database_show(to, c->to_name, sizeof(c->to_name));
	if (strcmp(to, ":memory:") == 0)
		return db_fail(to, "it would be gone at once; name a file");
	if (open_pair(&p, c, from, to) && open_sessions(c, &p))
		status = report(c, copy_all(c, p.to));
	close_sessions(c);
	close_pair(&p);
	free(c->keys);
	return db_flush(status);
}

int db_copy(const struct config *c, const char *from, const char *to, const atomic_bool *stop)
{
	struct copying copying = { .stop = stop };
	struct buf places[2] = { 0 };
	int status = 2;

	if (from ? copy_place_read(from, &places[0]) : (buf_text(&places[0], c->db), true))
		if (copy_place_read(to, &places[1]))
			status = run(&copying, buf_string(&places[0]), buf_string(&places[1]));
	buf_finish(&places[0]);
	buf_finish(&places[1]);
	return status;
}
