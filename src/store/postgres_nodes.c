/* What only several nodes need: the tickets that were used, and the leases. */
#include "postgres.h"

/* ---- used tickets ---- */

/* Waits for another node that uses the same ticket, so that it is used once. */
PG_SQL(sql_used_ticket_put,
       "INSERT INTO used_tickets VALUES ($1, now() + $2::int8 * interval '1 ms') "
       "ON CONFLICT DO NOTHING");

enum store_result postgres_used_ticket_put(struct store *base, const char *id, uint64_t keep_ms)
{
	struct pg_args args = { 0 };
	uint64_t rows;
	enum store_result r;

	pg_arg_text(&args, id);
	pg_arg_u64(&args, keep_ms);
	r = pg_change(pg_session(base), &sql_used_ticket_put, &args, &rows);
	pg_args_finish(&args);
	return r == STORE_OK && !rows ? STORE_NONE : r;
}

PG_SQL(sql_used_ticket_get, "SELECT 1 FROM used_tickets WHERE id = $1");

enum store_result postgres_used_ticket_get(struct store *base, const char *id)
{
	struct pg_args args = { 0 };
	PGresult *result;

	pg_arg_text(&args, id);
	enum store_result r = pg_query(pg_session(base), &sql_used_ticket_get, &args, &result);
	if (r == STORE_OK && !PQntuples(result))
		r = STORE_NONE;
	PQclear(result);
	pg_args_finish(&args);
	return r;
}

PG_SQL(sql_used_ticket_delete, "DELETE FROM used_tickets WHERE id = $1");

enum store_result postgres_used_ticket_delete(struct store *base, const char *id)
{
	struct pg_args args = { 0 };
	enum store_result r;

	pg_arg_text(&args, id);
	r = pg_queue(pg_session(base), &sql_used_ticket_delete, &args);
	pg_args_finish(&args);
	return r;
}

/* ---- leases ---- */

/*
 * One statement, so that of two nodes that take it at the same time the later one sees what the
 * first one has written.  The time of the statement counts, not that of the transaction, which may
 * have waited.  A lease that lasts longer than one can be given was given before the clock was set
 * back.
 */
PG_SQL(sql_lease_take,
       "INSERT INTO lease AS l VALUES ($1, $2, clock_timestamp() + $3::int8 * interval '1 ms') "
       "ON CONFLICT (name) DO UPDATE SET holder = $2, "
       "until = clock_timestamp() + $3::int8 * interval '1 ms' "
       "WHERE l.holder = $2 OR l.until <= clock_timestamp() "
       "OR l.until > clock_timestamp() + $3::int8 * interval '1 ms'");

enum store_result postgres_lease_take(struct store *base, const char *name, uint64_t ms)
{
	struct pg_session *s = pg_session(base);
	struct pg_args args = { 0 };
	uint64_t rows;
	enum store_result r;

	pg_arg_text(&args, name);
	pg_arg_bytes(&args, s->db->node, sizeof(s->db->node));
	pg_arg_u64(&args, ms);
	r = pg_change(s, &sql_lease_take, &args, &rows);
	pg_args_finish(&args);
	return r == STORE_OK && !rows ? STORE_NONE : r;
}
