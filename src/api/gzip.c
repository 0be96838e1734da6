#include "gzip.h"

#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

#include "joblight/base/xalloc.h"

#define FORMAT 16      /* gzip and not zlib: deflateInit2() in zlib.h */
#define WINDOW_BITS 13 /* 8 KiB are enough for lines that are alike, and cost less to set up */
#define MEMORY_LEVEL 6

static void *allocate(void *unused, uInt count, uInt size)
{
	(void)unused;
	return xcalloc(count, size);
}

static void release(void *unused, void *memory)
{
	(void)unused;
	free(memory);
}

void gzip_buf(struct buf *body)
{
	z_stream z = { .zalloc = allocate, .zfree = release };
	struct buf out = { 0 };
	int code = deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, FORMAT + WINDOW_BITS, MEMORY_LEVEL,
	                        Z_DEFAULT_STRATEGY);

	assert(code == Z_OK);
	size_t room = deflateBound(&z, body->len);
	buf_reserve(&out, room);
	z.next_in = (Bytef *)body->ptr;
	z.avail_in = (uInt)body->len;
	z.next_out = (Bytef *)out.ptr;
	z.avail_out = (uInt)room;
	code = deflate(&z, Z_FINISH);
	assert(code == Z_STREAM_END); /* the room was enough for it */
	(void)code;
	out.len = z.total_out;
	deflateEnd(&z);
	buf_finish(body);
	*body = out;
}
