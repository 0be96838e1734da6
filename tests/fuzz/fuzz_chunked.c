/*
 * Chunked bodies.
 *
 * covers: src/net/chunked.c
 *
 * The result does not depend on where the bytes are cut.  The first byte chooses the piece and
 * the limits.
 */
#include "fuzz.h"

#include "net/chunked.h"

#define MAX_BODY 300
#define MAX_BESIDE 200

struct taken {
	enum chunked_result result;
	struct buf body;
	size_t used;
};

static struct taken take(struct slice bytes, size_t piece)
{
	struct taken t = { .result = CHUNKED_MORE };
	struct chunked c = { 0 };

	while (t.result == CHUNKED_MORE && t.used < bytes.len) {
		size_t len = bytes.len - t.used < piece ? bytes.len - t.used : piece;
		struct slice part = fuzz_copy((struct slice){ bytes.ptr + t.used, len });
		struct slice rest = part;
		t.result = chunked_take(&c, &rest, &t.body, MAX_BODY, MAX_BESIDE);
		PROMISE(t.result != CHUNKED_MORE || !rest.len);
		PROMISE(t.body.len <= MAX_BODY);
		t.used += len - rest.len;
		fuzz_free(part);
	}
	return t;
}

void fuzz_one(struct slice input)
{
	size_t piece = (size_t)fuzz_byte(&input) % 16 + 1;
	struct taken whole = take(input, SIZE_MAX), parts = take(input, piece);

	PROMISE(whole.result == parts.result && whole.body.len == parts.body.len);
	PROMISE(!whole.body.len || memcmp(whole.body.ptr, parts.body.ptr, whole.body.len) == 0);
	PROMISE(whole.result != CHUNKED_DONE || whole.used == parts.used);
	buf_finish(&whole.body);
	buf_finish(&parts.body);
}
