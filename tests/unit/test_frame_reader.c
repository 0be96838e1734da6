/* Reading the frames of a client: RFC 6455 section 5.7 and what it forbids, cut at every byte. */
#include "kit.h"

#include "joblight/base/buf.h"
#include "transport/frame_reader.h"

/* What a reader said, as text: pieces joined, control frames and mistakes in brackets. */
static void read_all(struct frame_reader *r, struct slice input, struct buf *said)
{
	char room[PIECE_ROOM];
	struct frame_piece piece;

	while (input.len) {
		switch (frame_read(r, &input, room, &piece)) {
		case FRAME_MORE:
			break;
		case FRAME_PIECE:
			if (piece.first)
				buf_text(said, piece.opcode == OPCODE_TEXT ? "<t" : "<b");
			buf_slice(said, piece.bytes);
			if (piece.final && !piece.left)
				buf_char(said, '>');
			break;
		case FRAME_CONTROL:
			buf_format(said, "[%d:", (int)piece.opcode);
			buf_slice(said, piece.bytes);
			buf_char(said, ']');
			break;
		case FRAME_BAD:
			buf_text(said, "[bad]");
			return;
		case FRAME_TOO_LONG:
			buf_text(said, "[too long]");
			return;
		}
	}
}

static void expect_cut(struct slice input, size_t cut, const char *wanted)
{
	struct frame_reader r = { 0 };
	struct buf said = { 0 };

	read_all(&r, (struct slice){ input.ptr, cut }, &said);
	if (!strstr(said.len ? buf_string(&said) : "", "[bad]") &&
	    !strstr(said.len ? buf_string(&said) : "", "[too"))
		read_all(&r, (struct slice){ input.ptr + cut, input.len - cut }, &said);
	assert_string_equal(buf_string(&said), wanted);
	buf_finish(&said);
}

/* The same, wherever the input is cut. */
static void expect(struct slice input, const char *wanted)
{
	for (size_t cut = 0; cut <= input.len; cut++)
		expect_cut(input, cut, wanted);
}

static void test_messages_and_control_frames(void **state)
{
	(void)state;
	expect(SLICE("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "<tHello>");
	expect(SLICE("\x82\x81\0\0\0\0x"), "<bx>");
	expect(SLICE("\x81\x80\0\0\0\0"), "<t>");
	expect(SLICE("\x01\x83\0\0\0\0Hel\x80\x82\0\0\0\0lo"), "<tHello>");
	expect(SLICE("\x01\x80\0\0\0\0\x00\x81\0\0\0\0x\x80\x80\0\0\0\0"), "<tx>");
	expect(SLICE("\x89\x82\1\1\1\1hi"), "[9:ih]");
	expect(SLICE("\x8a\x80\0\0\0\0\x88\x82\0\0\0\0\x03\x68"), "[10:][8:\x03\x68]");
	expect(SLICE("\x01\x81\0\0\0\0a\x89\x81\0\0\0\0p\x80\x81\0\0\0\0b"), "<ta[9:p]b>");
}

static void test_what_is_not_allowed(void **state)
{
	(void)state;
	expect(SLICE("\x81\x05Hello"), "[bad]");     /* not masked */
	expect(SLICE("\xc1\x81\0\0\0\0x"), "[bad]"); /* reserved bits */
	expect(SLICE("\xa1\x81\0\0\0\0x"), "[bad]");
	expect(SLICE("\x91\x81\0\0\0\0x"), "[bad]");
	expect(SLICE("\x83\x81\0\0\0\0x"), "[bad]"); /* reserved opcodes */
	expect(SLICE("\x8b\x81\0\0\0\0x"), "[bad]");
	expect(SLICE("\x80\x81\0\0\0\0x"), "[bad]");                     /* continues nothing */
	expect(SLICE("\x01\x81\0\0\0\0a\x81\x81\0\0\0\0b"), "<ta[bad]"); /* begins inside another */
	expect(SLICE("\x09\x81\0\0\0\0x"), "[bad]"); /* a control frame in fragments */
	expect(SLICE("\x89\xfe\x00\x7e"), "[bad]");  /* a control frame of 126 bytes */
}

static void test_lengths_at_their_limits(void **state)
{
	static char input[2 + 8 + 4 + 70000];
	static const struct {
		size_t len;
		const char *head;
		size_t head_len;
	} rows[] = {
		{ 125, "\x82\xfd", 2 },
		{ 126, "\x82\xfe\x00\x7e", 4 },
		{ 65535, "\x82\xfe\xff\xff", 4 },
		{ 65536, "\x82\xff\0\0\0\0\0\1\0\0", 10 },
	};

	(void)state;
	memset(input, 'x', sizeof(input));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame_reader r = { 0 };
		struct buf said = { 0 };
		memcpy(input, rows[i].head, rows[i].head_len);
		memset(input + rows[i].head_len, 0, 4);
		read_all(&r, (struct slice){ input, rows[i].head_len + 4 + rows[i].len }, &said);
		assert_int_equal(said.len, rows[i].len + 3);
		assert_int_equal(said.ptr[said.len - 1], '>');
		buf_finish(&said);
	}
	expect(SLICE("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0y"), "<by");
	expect(SLICE("\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0"), "[too long]");
}

static void test_a_length_longer_than_needed(void **state)
{
	(void)state;
	expect(SLICE("\x81\xfe\x00\x00\0\0\0\0"), "[bad]");
	expect(SLICE("\x81\xfe\x00\x7d\0\0\0\0"), "[bad]"); /* 125 in 16 bits */
	expect(SLICE("\x81\xff\0\0\0\0\0\0\0\1\0\0\0\0"), "[bad]");
	expect(SLICE("\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0"), "[bad]"); /* 65535 in 64 bits */
	expect(SLICE("\x01\x81\0\0\0\0a\x80\xfe\x00\x01\0\0\0\0"), "<ta[bad]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_and_control_frames),
		cmocka_unit_test(test_what_is_not_allowed),
		cmocka_unit_test(test_lengths_at_their_limits),
		cmocka_unit_test(test_a_length_longer_than_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
