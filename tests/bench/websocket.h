/* The client's half of RFC 6455, as far as the generator needs it. Its frames are masked with
 * zeros, so that bytes stay what they are: a server has to apply any mask. */
#ifndef BENCH_WEBSOCKET_H
#define BENCH_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>

/* RFC 6455's own example: the generator has one key, so that the answer to it is a constant. */
#define WEBSOCKET_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WEBSOCKET_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define WEBSOCKET_HEAD_MAX 8 /* of a frame of up to 65535 bytes */

enum websocket_opcode { WEBSOCKET_TEXT = 1, WEBSOCKET_BINARY = 2, WEBSOCKET_PONG = 10 };

/* Writes the request that opens it; returns its length. */
size_t websocket_request(char *out, size_t size, const char *path, unsigned port);

/* Whether the server's head accepts. */
bool websocket_accepted(const char *head, size_t len);

/* Writes the head of a frame whose payload is shorter than 64 KiB; returns its length. */
size_t websocket_head(char *out, enum websocket_opcode opcode, size_t payload);

/* Sends one whole frame of up to 1 KiB; false when the socket does not take it. */
bool websocket_send(int fd, enum websocket_opcode opcode, const char *payload, size_t len);

#endif
