#include "shown.h"

#include <string.h>

#include "joblight/base/digest.h"

struct credential *shown_find(const struct shown *s, struct slice text, uint64_t generation,
                              int64_t wall_ms)
{
	if (!s->credential || s->generation != generation ||
	    !secret_equal(buf_as_slice(&s->text), text) ||
	    credential_is_over(s->credential, wall_ms))
		return NULL;
	return credential_hold(s->credential);
}

void shown_keep(struct shown *s, struct slice text, uint64_t generation,
                struct credential *credential)
{
	shown_forget(s);
	buf_slice(&s->text, text);
	s->credential = credential_hold(credential);
	s->generation = generation;
}

void shown_forget(struct shown *s)
{
	if (s->text.len)
		explicit_bzero(s->text.ptr, s->text.len);
	buf_finish(&s->text);
	credential_release(s->credential);
	s->credential = NULL;
}
