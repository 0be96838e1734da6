/* The NATS protocol inside WebSocket frames: a stream of lines, which frames may cut anywhere.
 *
 *   INFO {…}                       the server's greeting
 *   PING, PONG                     both ways; the answer to the generator's PING shows that it is
 * connected MSG subject sid [reply] bytes  followed by so many bytes +OK the answer to a PUB, for
 * those who connect verbosely -ERR …                         a refusal */
#ifndef BENCH_NATS_H
#define BENCH_NATS_H

#include <stddef.h>

#include "stream.h"

/* Takes the frames' heads out of `bytes` in place; returns how many bytes of their payloads remain.
 */
size_t nats_unframe(struct stream *stream, char *bytes, size_t len);

/* Gives the whole messages in `bytes` to the sink; returns how many bytes they were. */
size_t nats_take(struct stream *stream, const char *bytes, size_t len, const struct sink *sink);

/* Writes the first lines of a connection that watches `subject`, or that publishes (NULL). */
size_t nats_hello(char *out, size_t size, const char *subject);

#endif
