#include "postgres_rounds.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/base64url.h"
#include "joblight/base/digest.h"
#include "joblight/base/xalloc.h"

#define COUNT_MAX 500                  /* statements or messages of a round */
#define BYTES_MAX ((size_t)256 * 1024) /* of a round, and one message */
#define DIGEST_BYTES 16                /* of a name that is replaced */
#define MARK '/'                       /* before them; no name has it */

/* ---- names and payloads ---- */

static void replace_name(struct slice channel, char out[POSTGRES_CHANNEL_MAX + 1])
{
	uint8_t digest[DIGEST_LEN];
	size_t start = POSTGRES_CHANNEL_MAX - 1 - (size_t)2 * DIGEST_BYTES;

	digest_sha256(channel, digest);
	memcpy(out, channel.ptr, start);
	out[start] = MARK;
	digest_hex(digest, DIGEST_BYTES, out + start + 1);
}

/* True: it is replaced. */
static bool name_of(struct slice channel, char out[POSTGRES_CHANNEL_MAX + 1])
{
	assert(channel.len <= POSTGRES_NAME_MAX && !memchr(channel.ptr, '"', channel.len));
	if (channel.len > POSTGRES_CHANNEL_MAX) {
		replace_name(channel, out);
		return true;
	}
	memcpy(out, channel.ptr, channel.len);
	out[channel.len] = '\0';
	return false;
}

bool postgres_payload_read(const char *name, const char *payload, struct slice *channel,
                           struct buf *out)
{
	const char *space = strchr(payload, ' ');
	char expected[POSTGRES_CHANNEL_MAX + 1];

	*channel = slice_of(name);
	if (!space)
		return base64url_decode(out, slice_of(payload));
	*channel = (struct slice){ payload, (size_t)(space - payload) };
	return channel->len <= POSTGRES_NAME_MAX && !memchr(payload, '"', channel->len) &&
	       name_of(*channel, expected) && strcmp(expected, name) == 0 &&
	       base64url_decode(out, slice_of(space + 1));
}

/* ---- rounds ---- */

void postgres_rounds_init(struct postgres_rounds *r)
{
	list_init(&r->waiting);
	r->bytes = 0;
}

void postgres_round_free(struct postgres_round *round)
{
	if (!round)
		return;
	buf_finish(&round->text);
	buf_finish(&round->payloads);
	buf_finish(&round->names);
	free(round);
}

static size_t bytes_of(const struct postgres_round *round)
{
	return round->text.len + round->payloads.len + round->names.len;
}

/* The arrays are closed. */
struct postgres_round *postgres_rounds_take(struct postgres_rounds *r)
{
	struct postgres_round *first;

	if (list_empty(&r->waiting))
		return NULL;
	first = container_of(r->waiting.next, struct postgres_round, link);
	list_remove(&first->link);
	r->bytes -= bytes_of(first);
	if (first->kind == ROUND_NOTIFY) {
		buf_char(&first->text, '}');
		buf_char(&first->payloads, '}');
	}
	buf_string(&first->text);
	buf_string(&first->payloads);
	return first;
}

void postgres_rounds_clear(struct postgres_rounds *r)
{
	struct postgres_round *round;

	while ((round = postgres_rounds_take(r)))
		postgres_round_free(round);
}

/* The last one, if it can take more of this kind, or a new one.  Its bytes are not counted. */
static struct postgres_round *open_round(struct postgres_rounds *r, enum postgres_round_kind kind)
{
	struct postgres_round *last = container_of(r->waiting.prev, struct postgres_round, link);

	if (list_empty(&r->waiting) || last->kind != kind || last->count >= COUNT_MAX ||
	    bytes_of(last) >= BYTES_MAX) {
		last = xcalloc(1, sizeof(*last));
		last->kind = kind;
		list_append(&r->waiting, &last->link);
	}
	last->count++;
	r->bytes -= bytes_of(last);
	return last;
}

static void add_statement(struct postgres_round *round, const char *verb, struct slice channel)
{
	char name[POSTGRES_CHANNEL_MAX + 1];

	name_of(channel, name);
	buf_format(&round->text, "%s \"%s\";", verb, name);
}

void postgres_rounds_listen(struct postgres_rounds *r, struct slice channel)
{
	struct postgres_round *round = open_round(r, ROUND_LISTEN);

	add_statement(round, "LISTEN", channel);
	buf_slice(&round->names, channel);
	buf_char(&round->names, '\0');
	r->bytes += bytes_of(round);
}

void postgres_rounds_unlisten(struct postgres_rounds *r, struct slice channel)
{
	struct postgres_round *round = open_round(r, ROUND_LISTEN);

	add_statement(round, "UNLISTEN", channel);
	r->bytes += bytes_of(round);
}

/* No character of a name or of base 64 has a meaning between quotes. */
void postgres_rounds_notify(struct postgres_rounds *r, struct slice channel, struct slice bytes)
{
	struct postgres_round *round = open_round(r, ROUND_NOTIFY);
	const char *before = round->text.len ? ",\"" : "{\"";
	char name[POSTGRES_CHANNEL_MAX + 1];

	assert(bytes.len <= POSTGRES_MESSAGE_MAX);
	buf_text(&round->payloads, before);
	if (name_of(channel, name)) {
		buf_slice(&round->payloads, channel);
		buf_char(&round->payloads, ' ');
	}
	base64url_encode(&round->payloads, bytes);
	buf_char(&round->payloads, '"');
	buf_format(&round->text, "%s%s\"", before, name);
	r->bytes += bytes_of(round);
}
