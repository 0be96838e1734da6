#include "copying.h"

#include <stdlib.h>

#include "db_open.h"
#include "joblight/base/xalloc.h"

void copy_fault(struct copying *c, const char *job_id, const char *words)
{
	if (++c->faults <= COPY_FAULTS_MAX)
		fprintf(stderr, "joblight: job %s: %s\n", job_id, words);
}

static bool fail(const char *name, const struct store *s)
{
	db_fail(name, store_error(s));
	return false;
}

bool copy_read_failed(const struct copying *c)
{
	return fail(c->from_name, c->from);
}

bool copy_write_failed(const struct copying *c)
{
	return fail(c->to_name, c->to);
}

bool copy_back_failed(const struct copying *c)
{
	return fail(c->to_name, c->back);
}

bool copy_read_again(struct copying *c)
{
	c->from->ops->rollback(c->from);
	return c->from->ops->begin(c->from) == STORE_OK || copy_read_failed(c);
}

void copy_add_job(struct copying *c, int64_t from, int64_t to, const struct job_digest *d)
{
	if (c->key_count % 1024 == 0)
		c->keys = xrealloc(c->keys, (c->key_count + 1024) * sizeof(*c->keys));
	c->keys[c->key_count++] = (struct copied_key){ from, to };
	c->events += d->events;
	c->rows += d->rows;
}
