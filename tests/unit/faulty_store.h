/*
 * A session that forwards everything to another one, until the Nth call within a transaction fails.
 * From then on the transaction fails as store.h describes, until it is rolled back; the next one
 * works again.
 */
#ifndef JOBLIGHT_TESTS_FAULTY_STORE_H
#define JOBLIGHT_TESTS_FAULTY_STORE_H

#include <stdio.h>

#include "joblight/core/store.h"

struct faulty_store {
	struct store base; /* first */
	struct store *inner;
	unsigned long calls, fails_at; /* 0: never */
	enum store_result how, failed;
};

static inline struct store *faulty_inner(struct store *s)
{
	return ((struct faulty_store *)s)->inner;
}

static inline enum store_result faulty_count(struct store *s)
{
	struct faulty_store *f = (struct faulty_store *)s;

	if (!f->failed && ++f->calls == f->fails_at)
		f->failed = f->how;
	snprintf(s->error, sizeof(s->error), "%s", f->failed ? "a fault was asked for" : "");
	return f->failed;
}

static inline enum store_result faulty_begin(struct store *s)
{
	enum store_result failure = faulty_count(s);

	((struct faulty_store *)s)->failed = STORE_OK; /* outside a transaction no failure lasts */
	return failure ? failure : faulty_inner(s)->ops->begin(faulty_inner(s));
}

static inline enum store_result faulty_commit(struct store *s)
{
	enum store_result failure = faulty_count(s);

	return failure ? failure : faulty_inner(s)->ops->commit(faulty_inner(s));
}

static inline void faulty_rollback(struct store *s)
{
	((struct faulty_store *)s)->failed = STORE_OK;
	faulty_inner(s)->ops->rollback(faulty_inner(s));
}

static inline void faulty_close(struct store *s)
{
	faulty_inner(s)->ops->close(faulty_inner(s));
}

static inline enum store_result faulty_checkpoint(struct store *s)
{
	return faulty_inner(s)->ops->checkpoint(faulty_inner(s));
}

static inline enum store_result faulty_rewrite(struct store *s)
{
	return faulty_inner(s)->ops->rewrite(faulty_inner(s));
}

/* Every operation on rows fails when its turn comes. */
#define STORE_OP(name, parameters, arguments)                                                      \
	static inline enum store_result faulty_##name(struct store *s, STORE_LIST parameters)      \
	{                                                                                          \
		enum store_result failure = faulty_count(s);                                       \
		return failure                                                                     \
		           ? failure                                                               \
		           : faulty_inner(s)->ops->name(faulty_inner(s), STORE_LIST arguments);    \
	}
#include "joblight/core/store_ops.def"
#undef STORE_OP

/* `exclusive`: whether rows may be cached between transactions; the test chooses. */
static inline void faulty_init(struct faulty_store *f, struct store *inner, struct store_ops *ops,
                               bool exclusive)
{
	*ops = (struct store_ops){
		.name = "faulty",
		.exclusive = exclusive,
		.close = faulty_close,
		.begin = faulty_begin,
		.commit = faulty_commit,
		.rollback = faulty_rollback,
		.checkpoint = faulty_checkpoint,
		.rewrite = faulty_rewrite,
#define STORE_OP(op, parameters, arguments) .op = faulty_##op,
#include "joblight/core/store_ops.def"
#undef STORE_OP
	};
	*f = (struct faulty_store){ .base = { .ops = ops }, .inner = inner };
}

#endif
