#include "frame_reader.h"

#define FIN 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASKED 0x80
#define LENGTH 0x7f
#define MASK_BYTES 4

static bool is_control(unsigned opcode)
{
	return opcode >= OPCODE_CLOSE;
}

static enum opcode opcode_of(const struct frame_reader *r)
{
	return (enum opcode)(r->head[0] & OPCODE);
}

/* The width of the length that follows the first two bytes. */
static unsigned length_width(const struct frame_reader *r)
{
	unsigned length = r->head[1] & LENGTH;

	return length < 126 ? 0 : length == 126 ? 2 : 8;
}

static uint64_t length_of(const struct frame_reader *r)
{
	unsigned width = length_width(r);
	uint64_t length = 0;

	if (!width)
		return r->head[1] & LENGTH;
	for (unsigned i = 0; i < width; i++)
		length = length << 8 | r->head[2 + i];
	return length;
}

/* Whether the first two bytes may begin a frame here. */
static bool start_is_good(const struct frame_reader *r)
{
	unsigned opcode = r->head[0] & OPCODE;

	if ((r->head[0] & RESERVED) || !(r->head[1] & MASKED))
		return false;
	if (is_control(opcode))
		return opcode <= OPCODE_PONG && (r->head[0] & FIN) && !length_width(r);
	return opcode == OPCODE_CONTINUATION ? r->in_message
	                                     : opcode <= OPCODE_BINARY && !r->in_message;
}

/* Adds input to the head.  True: it has `len` bytes. */
static bool fill_head(struct frame_reader *r, struct slice *input, unsigned len)
{
	while (r->head_len < len && input->len) {
		r->head[r->head_len++] = (unsigned char)*input->ptr;
		*input = (struct slice){ input->ptr + 1, input->len - 1 };
	}
	return r->head_len >= len;
}

static void begin_payload(struct frame_reader *r)
{
	r->in_payload = true;
	r->left = length_of(r);
	r->mask_at = 0;
	r->control_len = 0;
	if (is_control(opcode_of(r)))
		return;
	if (!r->in_message) {
		r->message = opcode_of(r);
		r->message_is_new = true;
	}
	r->in_message = !(r->head[0] & FIN);
}

/* The shortest form must be used: RFC 6455 section 5.2. */
static bool length_is_shortest(const struct frame_reader *r)
{
	unsigned width = length_width(r);

	return length_of(r) > (width == 8 ? UINT16_MAX : width == 2 ? 125 : 0) || !width;
}

static enum frame_result read_head(struct frame_reader *r, struct slice *input)
{
	if (!fill_head(r, input, 2))
		return FRAME_MORE;
	if (!start_is_good(r))
		return FRAME_BAD;
	unsigned len = 2 + length_width(r) + MASK_BYTES;
	if (!fill_head(r, input, len))
		return FRAME_MORE;
	if (length_of(r) >> 63)
		return FRAME_TOO_LONG;
	if (!length_is_shortest(r))
		return FRAME_BAD;
	begin_payload(r);
	return FRAME_PIECE;
}

/* Takes up to `max` bytes of the payload off `input`, and unmasks them.  Returns their number. */
static size_t take_payload(struct frame_reader *r, struct slice *input, char *out, size_t max)
{
	const unsigned char *mask = r->head + 2 + length_width(r);
	size_t len = r->left < max ? (size_t)r->left : max;

	if (len > input->len)
		len = input->len;
	for (size_t i = 0; i < len; i++)
		out[i] = (char)((unsigned char)input->ptr[i] ^ mask[(r->mask_at + i) % MASK_BYTES]);
	r->mask_at = (uint32_t)(r->mask_at + len) % MASK_BYTES;
	r->left -= len;
	*input = (struct slice){ input->ptr + len, input->len - len };
	return len;
}

static void end_frame(struct frame_reader *r)
{
	r->in_payload = false;
	r->head_len = 0;
}

static enum frame_result read_control(struct frame_reader *r, struct slice *input,
                                      struct frame_piece *piece)
{
	r->control_len += (uint8_t)take_payload(r, input, r->control + r->control_len,
	                                        CONTROL_BYTES - r->control_len);
	if (r->left)
		return FRAME_MORE;
	*piece = (struct frame_piece){ .opcode = opcode_of(r),
		                       .bytes = { r->control, r->control_len } };
	end_frame(r);
	return FRAME_CONTROL;
}

enum frame_result frame_read(struct frame_reader *r, struct slice *input, char room[PIECE_ROOM],
                             struct frame_piece *piece)
{
	bool is_new = !r->in_payload;
	enum frame_result head = is_new ? read_head(r, input) : FRAME_PIECE;

	if (head != FRAME_PIECE)
		return head;
	if (is_control(opcode_of(r)))
		return read_control(r, input, piece);
	if (r->left && !input->len && !is_new) /* the length is told as soon as it is known */
		return FRAME_MORE;
	size_t len = take_payload(r, input, room, PIECE_ROOM);
	*piece = (struct frame_piece){ .opcode = r->message,
		                       .first = r->message_is_new,
		                       .final = !r->in_message,
		                       .left = r->left,
		                       .bytes = { room, len } };
	r->message_is_new = false;
	if (!r->left)
		end_frame(r);
	return FRAME_PIECE;
}
