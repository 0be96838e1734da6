/* Parses the answers to a publisher: HTTP answers, WebSocket acks, NATS's +OK. */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stddef.h>

struct publisher;

/* HTTP: `len` more bytes stand at the end of publisher->answer. */
void answer_http(struct publisher *publisher, size_t len);

/* WebSocket: bytes as stream_feed wants them. */
void answer_frames(struct publisher *publisher, char *bytes, size_t len);

#endif
