/* The NATS protocol inside WebSocket frames: a stream of lines that does not care where frames end.
 *
 *   INFO {…}                       the server's greeting
 *   PING, PONG                     both ways; the generator's PING is how it learns that it is in
 *   MSG subject sid [reply] bytes  and so many bytes behind the line
 *   +OK                            the answer to a PUB, for those who connect verbosely
 *   -ERR …                         a refusal */
#ifndef BENCH_NATS_H
#define BENCH_NATS_H

#include <stddef.h>

#include "stream.h"

/* Takes the frames' heads out of `bytes` in place; returns how many bytes of their payloads remain.
 */
size_t nats_unframe(struct stream *stream, char *bytes, size_t len);

/* Gives the whole messages in `bytes` to the sink; returns how many bytes they were. */
size_t nats_take(struct stream *stream, const char *bytes, size_t len, const struct sink *sink);

/* What a connection says first: who watches `subject`, or who publishes (NULL). */
size_t nats_hello(char *out, size_t size, const char *subject);

#endif
