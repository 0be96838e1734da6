/*
 * The smallest complete store: all data is in memory and is lost with the process.  memory.h
 * describes it.
 */
#include "memory.h"

#include "joblight/base/xalloc.h"

/* ---- sessions ---- */

static enum store_result session_begin(struct store *base)
{
	struct session *s = (struct session *)base;

	assert(!s->open);
	if (s->writer)
		pthread_rwlock_wrlock(&s->memory->lock);
	else
		pthread_rwlock_rdlock(&s->memory->lock);
	s->open = true;
	return STORE_OK;
}

static void session_end(struct session *s)
{
	if (s->writer) {
		s->memory->clock_before = s->memory->clock;
		s->memory->signing_key_before = s->memory->signing_key;
	}
	s->open = false;
	s->failed = STORE_OK;
	pthread_rwlock_unlock(&s->memory->lock);
}

static enum store_result session_commit(struct store *base)
{
	struct session *s = memory_session(base);

	if (s->failed)
		return s->failed;
	if (s->writer)
		steps_keep(s->memory);
	session_end(s);
	return STORE_OK;
}

static void session_rollback(struct store *base)
{
	struct session *s = (struct session *)base;

	if (!s->open)
		return;
	if (s->writer) {
		steps_undo(s->memory);
		s->memory->clock = s->memory->clock_before;
		s->memory->signing_key = s->memory->signing_key_before;
	}
	session_end(s);
}

static void session_close(struct store *base)
{
	session_rollback(base);
	free(base);
}

static enum store_result session_checkpoint(struct store *base)
{
	(void)base;
	return STORE_NONE;
}

static enum store_result session_rewrite(struct store *base)
{
	(void)base;
	return STORE_NONE;
}

/* ---- the backend ---- */

static const struct store_ops memory_ops = {
	.name = "memory",
	.exclusive = true,
	.close = session_close,
	.begin = session_begin,
	.commit = session_commit,
	.rollback = session_rollback,
	.checkpoint = session_checkpoint,
	.rewrite = session_rewrite,
#define STORE_OP(op, parameters, arguments) .op = memory_##op,
#include "joblight/core/store_ops.def"
#undef STORE_OP
};

static struct store *session_new(struct memory *m, bool writer)
{
	struct session *s = xcalloc(1, sizeof *s);

	s->base.ops = &memory_ops;
	s->memory = m;
	s->writer = writer;
	return &s->base;
}

static bool takes(const char *location)
{
	return strcmp(location, ":memory:") == 0;
}

/* Readers that keep coming must not starve the writer. */
static void lock_init(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t kind;

	pthread_rwlockattr_init(&kind);
	pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &kind);
	pthread_rwlockattr_destroy(&kind);
}

static struct database *memory_open(const char *location, bool any, enum durability durability,
                                    char *error, size_t error_len)
{
	(void)any;
	struct memory *m = xcalloc(1, sizeof *m);

	(void)location;
	(void)durability; /* data lives only as long as the process */
	(void)error;
	(void)error_len;
	lock_init(&m->lock);
	list_init(&m->answers);
	list_init(&m->access_keys);
	list_init(&m->revoked_tokens);
	list_init(&m->job_days);
	list_init(&m->deleted);
	list_init(&m->with_deadline);
	list_init(&m->steps);
	m->base = (struct database){ &memory_backend, session_new(m, true) };
	return &m->base;
}

static struct store *memory_reader(struct database *base, char *error, size_t error_len)
{
	(void)error;
	(void)error_len;
	return session_new((struct memory *)base, false);
}

static void memory_close(struct database *base)
{
	struct memory *m = (struct memory *)base;

	base->writer->ops->close(base->writer);
	items_free(m);
	pthread_rwlock_destroy(&m->lock);
	free(m->jobs);
	free(m);
}

const struct backend memory_backend = {
	.name = "memory",
	.takes = takes,
	.open = memory_open,
	.reader = memory_reader,
	.close = memory_close,
};
