/* The database of the server and its store thread, which another process may get. */
#include "server_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "joblight/base/log.h"
#include "joblight/base/xalloc.h"

bool server_open_store(struct server *s, const struct config *c)
{
	enum durability d = strcmp(c->durability, "process") == 0 ? DURABILITY_PROCESS
	                                                          : DURABILITY_FULL;
	char error[512];
	char db[DATABASE_SHOWN_MAX];

	database_show(c->db, db, sizeof(db));
	s->database = database_open(c->db, d, error, sizeof(error));
	if (!s->database) {
		fprintf(stderr, "joblight: %s%s%s\n", database_is_remote(c->db) ? db : "",
		        database_is_remote(c->db) ? ": " : "", error);
		return false;
	}
	s->sessions = xcalloc(c->readers, sizeof(*s->sessions));
	for (s->readers = 0; s->readers < c->readers; s->readers++) {
		s->sessions[s->readers] = database_reader(s->database);
		if (!s->sessions[s->readers]) {
			fprintf(stderr, "joblight: %s cannot be read\n", db);
			return false;
		}
	}
	return true;
}

static void deliver(void *context, struct batch *batch, struct op *ops)
{
	struct bus *bus = ((struct server *)context)->bus;

	bus->ops->publish(bus, batch, ops);
}

void server_start_writer(struct server *s)
{
	struct writer *w = writer_start(database_writer(s->database), &s->limits, deliver, s);

	writer_set_first_key(w, s->first_key);
	if (s->issuer)
		writer_set_issuer(w);
	atomic_store(&s->writer, w);
}

/* ---- submitting ---- */

static bool park(struct server *s, struct op *op)
{
	struct parking *p = &s->parking;

	pthread_mutex_lock(&p->lock);
	bool taken = p->open && p->count < s->limits.queued_writes;
	if (taken) {
		op->mail.next = NULL;
		*p->last = &op->mail;
		p->last = &op->mail.next;
		p->count++;
	}
	pthread_mutex_unlock(&p->lock);
	return taken;
}

/* A writer that takes nothing may have been replaced meanwhile. */
bool server_submit(void *server, struct op *op)
{
	struct server *s = server;
	struct writer *tried, *now = atomic_load(&s->writer);

	do {
		tried = now;
		if (writer_submit(tried, op) || park(s, op))
			return true;
		now = atomic_load(&s->writer);
	} while (now != tried);
	return false;
}

static void open_parking(struct parking *p)
{
	pthread_mutex_lock(&p->lock);
	p->open = true;
	p->first = NULL;
	p->last = &p->first;
	p->count = 0;
	pthread_mutex_unlock(&p->lock);
}

static struct mail *close_parking(struct parking *p)
{
	pthread_mutex_lock(&p->lock);
	p->open = false;
	struct mail *parked = p->first;
	pthread_mutex_unlock(&p->lock);
	return parked;
}

static void refuse(struct server *s, struct op *op)
{
	op->mail.next = NULL;
	problem_set(&op->problem, OUTCOME_STOPPING,
	            "the server is replaced; repeat this with the same idempotency key");
	s->bus->ops->publish(s->bus, NULL, op);
}

/* ---- lending ---- */

void server_lend_store(struct server *s)
{
	open_parking(&s->parking);
	writer_stop(atomic_load(&s->writer));
	database_lend(s->database);
}

static void keep_ended(struct server *s, struct writer *w)
{
	s->ended = xrealloc(s->ended, (s->ended_count + 1) * sizeof(struct writer *));
	s->ended[s->ended_count++] = w;
}

bool server_take_back_store(struct server *s)
{
	char error[512];

	if (!database_take_back(s->database, error, sizeof(error))) {
		log_error("the database cannot be taken back", "cause", error);
		return false;
	}
	keep_ended(s, atomic_load(&s->writer));
	server_start_writer(s);
	for (struct mail *m = close_parking(&s->parking), *next; m; m = next) {
		next = m->next;
		if (!server_submit(s, (struct op *)m))
			refuse(s, (struct op *)m);
	}
	return true;
}

void server_refuse_parked(struct server *s)
{
	for (struct mail *m = close_parking(&s->parking), *next; m; m = next) {
		next = m->next;
		refuse(s, (struct op *)m);
	}
}

void server_free_writers(struct server *s)
{
	writer_free(atomic_load(&s->writer));
	for (size_t i = 0; i < s->ended_count; i++)
		writer_free(s->ended[i]);
	free(s->ended);
}

void server_measure_writer(void *server, struct metric_values *v)
{
	writer_measure(atomic_load(&((struct server *)server)->writer), v);
}
