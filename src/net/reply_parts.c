#include "reply_parts.h"

#include <stdlib.h>

void reply_free(struct reply *r)
{
	if (!r)
		return;
	if (r->counter)
		atomic_fetch_sub(r->counter, r->counted);
	buf_finish(&r->head);
	buf_finish(&r->tail);
	read_result_release(r->result);
	free(r);
}

static struct slice part_of(const struct reply *r)
{
	const struct slice parts[PART_COUNT] = { buf_as_slice(&r->head), r->body,
		                                 buf_as_slice(&r->tail) };

	return parts[r->part];
}

struct slice reply_next_piece(struct reply *r)
{
	while (r->part < PART_COUNT) {
		struct slice part = part_of(r);
		size_t left = part.len - r->offset, len = left < PIECE_BYTES ? left : PIECE_BYTES;
		struct slice piece = { part.ptr + r->offset, len };
		r->offset += len;
		if (len)
			return piece;
		r->offset = 0;
		r->part++;
	}
	return (struct slice){ 0 };
}

bool reply_has_begun(const struct reply *r)
{
	return r->part || r->offset;
}
