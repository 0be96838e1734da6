#include "tail.h"

#include "ansi.h"
#include "joblight/core/json.h"

void tail_add(struct tail *t, struct slice output)
{
	if (output.len > TAIL_KEPT)
		output = (struct slice){ output.ptr + output.len - TAIL_KEPT, TAIL_KEPT };
	while (output.len) {
		size_t room = TAIL_KEPT - t->at;
		size_t n = output.len < room ? output.len : room;
		memcpy(t->bytes + t->at, output.ptr, n);
		output = (struct slice){ output.ptr + n, output.len - n };
		t->at = (t->at + n) % TAIL_KEPT;
		t->full = t->full || t->at == 0;
	}
}

/* The whole ring as plain lines. */
struct plain {
	struct buf text;
	size_t line; /* where the last line begins */
	bool redrawn;
	struct ansi ansi;
};

static void add_plain(struct plain *p, unsigned char byte)
{
	int c = ansi_take(&p->ansi, byte);

	if (c == '\r') {
		p->redrawn = true;
	} else if (c == '\n') {
		buf_char(&p->text, '\n');
		p->line = p->text.len;
		p->redrawn = false;
	} else if (c == '\t' || c >= 0x20) {
		if (p->redrawn)
			p->text.len = p->line;
		p->redrawn = false;
		buf_char(&p->text, (char)(c == 0x7f ? ' ' : c));
	}
}

static size_t start_of_last_lines(const struct buf *text, unsigned lines, size_t bytes)
{
	size_t at = text->len;

	while (at > 0 && text->len - at < bytes)
		if (text->ptr[--at] == '\n' && lines-- == 1)
			return at + 1;
	return at;
}

void tail_text(const struct tail *t, struct buf *out, unsigned lines, size_t bytes)
{
	struct plain p = { .redrawn = false };
	size_t len = t->full ? TAIL_KEPT : t->at;

	for (size_t i = 0; i < len; i++)
		add_plain(&p, (unsigned char)t->bytes[t->full ? (t->at + i) % TAIL_KEPT : i]);
	while (p.text.len && p.text.ptr[p.text.len - 1] == '\n')
		p.text.len--;
	size_t start = start_of_last_lines(&p.text, lines, bytes);
	utf8_mend(p.text.ptr + start, p.text.len - start);
	buf_add(out, p.text.ptr + start, p.text.len - start);
	buf_finish(&p.text);
}
