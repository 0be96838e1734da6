/*
 * The answer to a request, on its way to the client: a head, then a body of its own, or a shared
 * one.
 *
 * What is large is written by reference, a piece at a time as the socket takes it: a slow client
 * holds one piece and its socket's buffer, and equal answers are in memory once.  Pieces are small
 * also because of the network: one that filled the whole buffer of the socket would wait for an
 * acknowledgement that the client's system delays by 40 ms, in the hope of a second one.
 *
 * What answers keep in memory has a budget (--max-replies, and --max-snapshots for those): a large
 * answer to a GET beyond it is a 503 instead.
 *
 * Each function that begins an answer is called once for a request, in the thread of its loop.
 * `headers`: complete lines with CRLF, or "".  Answers of JSON end in a newline.
 */
#ifndef JOBLIGHT_NET_REPLY_H
#define JOBLIGHT_NET_REPLY_H

#include "joblight/base/buf.h"
#include "joblight/core/outcome.h"
#include "joblight/core/query.h"

struct conn;
struct reply;

/* `body` is copied; of lasting bytes it is not: they live as long as the server. */
void reply_bytes(struct conn *c, int status, const char *title, const char *type,
                 const char *headers, struct slice body);
void reply_lasting_bytes(struct conn *c, int status, const char *title, const char *type,
                         const char *headers, struct slice body);
/* A head that is complete, and nothing else; it is taken, and emptied. */
void reply_head_only(struct conn *c, struct buf *head);

void reply_json(struct conn *c, enum outcome o, const char *headers,
                struct slice body); /* copies it */
void reply_json_taken(struct conn *c, enum outcome o, const char *headers,
                      struct buf *body); /* empties it */
/* `before`, the JSON of the result, `after`.  The buffers are taken, the result is held. */
void reply_json_around(struct conn *c, enum outcome o, const char *headers, struct buf *before,
                       struct read_result *result, struct buf *after);
void reply_json_shared(struct conn *c, enum outcome o, const char *headers,
                       struct read_result *result);

void reply_empty(struct conn *c, enum outcome o, const char *headers);
void reply_problem(struct conn *c, const struct problem *p, const char *headers);
void reply_refuse(struct conn *c, enum outcome o, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void reply_result_problem(struct conn *c, const struct read_result *r); /* of a failed read */

#endif
