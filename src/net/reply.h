/*
 * The answer to a request: a head, then a body that is its own or shared.
 *
 * A large body is written by reference, a piece at a time, when the socket takes more.  So a slow
 * client keeps one piece and its socket's buffer in memory, and equal answers are in memory once.
 * Pieces must not fill the whole buffer of the socket: such a piece would wait for an
 * acknowledgement, which the client's system delays by 40 ms in the hope of more data.
 *
 * The memory of answers is limited (--max-replies, and --max-snapshots for snapshots).  A large
 * answer to a GET beyond the limit becomes a 503.
 *
 * A 200 to a GET with If-Match or If-None-Match becomes a 412 or 304 here, by the ETag in
 * `headers`.
 *
 * Call one of these functions once for each request, in the thread of its loop.  `headers` holds
 * complete lines with CRLF, or is "".  A newline ends each JSON answer.
 */
#ifndef JOBLIGHT_NET_REPLY_H
#define JOBLIGHT_NET_REPLY_H

#include "joblight/base/buf.h"
#include "joblight/core/outcome.h"
#include "joblight/core/query.h"

struct conn;
struct reply;

/*
 * `body` is copied. reply_lasting_bytes() does not copy: its body must live as long as the server.
 */
void reply_bytes(struct conn *c, int status, const char *title, const char *type,
                 const char *headers, struct slice body);
void reply_lasting_bytes(struct conn *c, int status, const char *title, const char *type,
                         const char *headers, struct slice body);
/* Sends a complete head without a body.  Takes and empties `head`. */
void reply_head_only(struct conn *c, struct buf *head);
/* Appends the lines that every answer to c->request has, for a head that is made elsewhere. */
void reply_add_lines(const struct conn *c, struct buf *lines);

void reply_json(struct conn *c, enum outcome o, const char *headers,
                struct slice body); /* copies the body */
void reply_json_taken(struct conn *c, enum outcome o, const char *headers,
                      struct buf *body); /* takes and empties the body */
/* The same for a 200 with a body that is not JSON, sent as it is. */
void reply_taken(struct conn *c, const char *type, const char *headers, struct buf *body);
/*
 * Sends `before`, the JSON of the result, and `after`.  Takes the buffers, and holds a reference to
 * the result.
 */
void reply_json_around(struct conn *c, enum outcome o, const char *headers, struct buf *before,
                       struct read_result *result, struct buf *after);
void reply_json_shared(struct conn *c, enum outcome o, const char *headers,
                       struct read_result *result);

/*
 * A body that comes in pieces of its own length.  Each time the socket has taken what there is,
 * `more` is called, and reply_stream_add() answers it, now or later; with `last`, that was the last
 * piece.  Pieces are counted like other answers.  The connection needs a transport meanwhile, which
 * frees what `more` uses.  To give up, close the connection: then the client knows that it did not
 * get everything.  Both take and empty the piece.
 */
typedef void reply_more(struct conn *c);
void reply_stream_begin(struct conn *c, const char *type, const char *headers, reply_more *more,
                        struct buf *piece, bool last);
void reply_stream_add(struct conn *c, struct buf *piece, bool last);

void reply_empty(struct conn *c, enum outcome o, const char *headers);
void reply_problem(struct conn *c, const struct problem *p, const char *headers);
/* Refuses a request for a stream, in the way of refusal.h when the client is an EventSource. */
void reply_stream_problem(struct conn *c, const struct problem *p);
void reply_refuse(struct conn *c, enum outcome o, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void reply_result_problem(struct conn *c,
                          const struct read_result *r); /* the problem of a failed read */

#endif
