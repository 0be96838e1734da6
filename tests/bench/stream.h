/* Parses a stream: bytes of an HTTP answer (whole or chunked, server-sent events) or of
 * WebSocket frames go in, messages come out. Nothing is copied but the part of a message that a
 * read cut off. */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Free bytes the caller keeps in front of what it feeds; also the largest message. */
#define STREAM_ROOM (1024 * 1024)

enum message {
	MESSAGE_HEAD,      /* the server accepted: 200 for events, 101 for frames; data is
	                      the head */
	MESSAGE_DATA,      /* one event's JSON */
	MESSAGE_HEARTBEAT, /* the data of an `event: heartbeat` */
	MESSAGE_PING,      /* WebSocket: answer with the same bytes; NATS: with PONG */
	MESSAGE_OK,        /* NATS: a PUB was taken */
	MESSAGE_READY,     /* NATS: the server's PONG */
	MESSAGE_END,       /* last chunk, or a close frame */
};

struct sink {
	void (*message)(void *owner, enum message kind, const char *data, size_t len);
	void *owner;
};

struct stream {
	char *carry; /* what a read cut off; grows, is kept */
	uint32_t carry_len;
	uint32_t carry_cap;
	uint64_t chunk_left;
	uint16_t status; /* of the HTTP head; 0 before it */
	uint8_t state;
	uint8_t chunk_state;
	bool nats;          /* set by the owner: the frames carry NATS */
	uint8_t frame_have; /* bytes of a cut-off frame's head (NATS) */
	uint8_t frame_head[10];
	bool heartbeat; /* the event being read is named heartbeat */
	bool bad;       /* not understood: give the connection up */
};

void stream_init(struct stream *stream);
void stream_finish(struct stream *stream);

/* One buffer for all connections, because each keeps only what a read cut off: `size` bytes to read
 * into, with STREAM_ROOM in front. */
char *stream_buffer(size_t *size);

/* `bytes` has STREAM_ROOM writable bytes in front of it and is changed. False: stream->bad is set.
 */
bool stream_feed(struct stream *stream, char *bytes, size_t len, const struct sink *sink);

#endif
