/*
 * Reads the frames that a client sends on a WebSocket: RFC 6455 section 5, without extensions.
 * Bytes in, pieces of frames out; no input and output of its own.
 */
#ifndef JOBLIGHT_TRANSPORT_FRAME_READER_H
#define JOBLIGHT_TRANSPORT_FRAME_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "joblight/base/slice.h"

enum opcode {
	OPCODE_CONTINUATION = 0,
	OPCODE_TEXT = 1,
	OPCODE_BINARY = 2,
	OPCODE_CLOSE = 8,
	OPCODE_PING = 9,
	OPCODE_PONG = 10
};

#define CONTROL_BYTES 125 /* the most that a control frame carries */
#define FRAME_HEAD_MAX 14
#define PIECE_ROOM 4096

/* `{0}` is a reader at the start. */
struct frame_reader {
	unsigned char head[FRAME_HEAD_MAX];
	uint8_t head_len; /* bytes of the head that have arrived */
	bool in_payload;
	bool in_message;     /* a message has begun, and its last frame has not */
	enum opcode message; /* TEXT or BINARY */
	bool message_is_new; /* none of its bytes were handed out */
	uint64_t left;       /* bytes of the payload that have not arrived yet */
	uint32_t mask_at;    /* where in the mask the next byte is */
	uint8_t control_len;
	char control[CONTROL_BYTES]; /* the payload of a control frame so far */
};

enum frame_result {
	FRAME_MORE,    /* all bytes were taken */
	FRAME_PIECE,   /* a piece of a message; empty if only its length has arrived */
	FRAME_CONTROL, /* a whole control frame */
	FRAME_BAD,     /* close with 1002; the reader cannot go on */
	FRAME_TOO_LONG /* the length is 2^63 or more: close with 1009 */
};

struct frame_piece {
	enum opcode opcode; /* TEXT or BINARY, also of a continuation */
	bool first;         /* of the message */
	bool final;         /* of the last frame of the message */
	uint64_t left;      /* bytes of this frame that follow */
	struct slice bytes; /* in `room`, or in the reader until the next call */
};

/* Takes bytes off `input` up to the end of the next piece. */
enum frame_result frame_read(struct frame_reader *r, struct slice *input, char room[PIECE_ROOM],
                             struct frame_piece *piece);

#endif
