#include "postgres.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/module.h"
#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"

/* ---- sessions ---- */

static void session_free(struct pg_session *s)
{
	pg_session_rollback(&s->base);
	pg_kept_clear(&s->kept);
	for (size_t i = 0; i < STORE_SENT_MAX; i++)
		free(s->sent[i].rows.jobs);
	pg_link_finish(&s->link);
	pg_cache_finish(&s->cache);
	free(s);
}

static void session_close(struct store *base)
{
	struct pg_session *s = (struct pg_session *)base;
	struct postgres *own = s->own;

	session_free(s);
	if (own) {
		pg_place_free(own->place);
		free(own);
	}
}

/* The server writes its log by itself, and vacuums by itself. */
static enum store_result session_checkpoint(struct store *base)
{
	(void)base;
	return STORE_NONE;
}

static const struct store_ops postgres_ops = {
	.name = "postgres",
	.exclusive = false,
	.close = session_close,
	.begin = pg_session_begin,
	.commit = pg_session_commit,
	.commit_may_start = pg_session_commit_may_start,
	.commit_start = pg_session_commit_start,
	.commit_finish = pg_session_commit_finish,
	.rollback = pg_session_rollback,
	.checkpoint = session_checkpoint,
	.rewrite = session_checkpoint,
#define STORE_OP(op, parameters, arguments) .op = postgres_##op,
#include "joblight/core/store_ops.def"
#undef STORE_OP
};

static struct pg_session *session_new(const struct postgres *db, bool writer)
{
	struct pg_session *s = xcalloc(1, sizeof *s);

	s->base.ops = &postgres_ops;
	s->db = db;
	s->writer = writer;
	pg_link_init(&s->link, db->place);
	pg_cache_init(&s->cache);
	return s;
}

/* Nobody is served yet, so all hosts are tried. */
static struct store *connected(struct pg_session *s, char *error, size_t error_len)
{
	bool named;

	s->link.connect_ms = (pg_place_hosts(s->db->place, &named) + 1) * PG_CONNECT_MS;
	enum store_result r = pg_session_connect(s, false);
	s->link.connect_ms = PG_CONNECT_MS;
	if (r == STORE_OK)
		return &s->base;
	snprintf(error, error_len, "%s", s->base.error);
	session_close(&s->base);
	return NULL;
}

/* ---- the backend ---- */

static bool takes(const char *location)
{
	(void)location;
	return true; /* backend.c has looked */
}

static struct store *open_writer(struct postgres *db, char *error, size_t error_len)
{
	struct store *writer = connected(session_new(db, true), error, error_len);

	if (!writer)
		return NULL;
	db->settled = postgres_settle_schema((struct pg_session *)writer);
	if (db->settled)
		return writer;
	snprintf(error, error_len, "%s", store_error(writer));
	session_close(writer);
	return NULL;
}

static struct database *postgres_open(const char *location, bool any, enum durability durability,
                                      char *error, size_t error_len)
{
	struct pg_place *place = pg_place_parse(location, "the database", error, error_len);

	if (!place)
		return NULL;
	struct postgres *db = xcalloc(1, sizeof *db);
	db->base.backend = &postgres_module_backend;
	db->place = place;
	db->any = any;
	db->is_durable = durability == DURABILITY_FULL;
	random_bytes(db->node, sizeof db->node);
	db->base.writer = open_writer(db, error, error_len);
	if (db->base.writer)
		return &db->base;
	pg_place_free(place);
	free(db);
	return NULL;
}

/* A session with a place of its own. */
static struct store *postgres_peek(const char *location, char *error, size_t error_len)
{
	struct pg_place *place = pg_place_parse(location, "the database", error, error_len);

	if (!place)
		return NULL;
	struct postgres *db = xcalloc(1, sizeof *db);
	db->place = place;
	struct pg_session *s = session_new(db, false);
	s->own = db;
	if (!connected(s, error, error_len))
		return NULL;
	if (postgres_check_schema(s))
		return &s->base;
	snprintf(error, error_len, "%s", s->base.error);
	session_close(&s->base);
	return NULL;
}

static struct store *postgres_reader(struct database *base, char *error, size_t error_len)
{
	return connected(session_new((struct postgres *)base, false), error, error_len);
}

PG_SQL(sql_leave, "WITH gone AS (DELETE FROM imports WHERE node = $1 RETURNING key) "
                  "INSERT INTO deleted_jobs (key) SELECT key FROM gone");
PG_SQL(sql_leave_leases, "DELETE FROM lease WHERE holder = $1");
PG_SQL(sql_leave_node, "DELETE FROM nodes WHERE id = $1");

/* What this node was doing will not go on. */
static void leave(struct postgres *db, struct pg_session *writer)
{
	struct pg_args args = { 0 };

	pg_session_rollback(&writer->base);
	if (!writer->link.conn)
		return;
	pg_arg_bytes(&args, db->node, sizeof db->node);
	pg_link_add(&writer->link, &sql_leave, &args);
	pg_link_add(&writer->link, &sql_leave_leases, &args);
	pg_link_add(&writer->link, &sql_leave_node, &args);
	pg_link_run(&writer->link);
	pg_args_finish(&args);
}

static void postgres_lend(struct database *base)
{
	leave((struct postgres *)base, (struct pg_session *)base->writer);
	session_close(base->writer);
	base->writer = NULL;
}

static bool postgres_take_back(struct database *base, char *error, size_t error_len)
{
	base->writer = open_writer((struct postgres *)base, error, error_len);
	return base->writer != NULL;
}

static void postgres_close(struct database *base)
{
	struct postgres *db = (struct postgres *)base;

	if (base->writer)
		postgres_lend(base);
	pg_place_free(db->place);
	free(db);
}

const struct backend postgres_module_backend = {
	.name = "postgres",
	.takes = takes,
	.open = postgres_open,
	.mark = postgres_mark,
	.claim = postgres_claim,
	.reader = postgres_reader,
	.peek = postgres_peek,
	.lend = postgres_lend,
	.take_back = postgres_take_back,
	.close = postgres_close,
};

MODULE(store, &postgres_module_backend);
