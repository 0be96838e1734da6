/*
 * The answer of a running server to `joblight reload`.  The program makes a datagram socket whose
 * abstract name (unix(7)) has a random number in it, and sends SIGHUP with that number:
 * sigqueue(3). The server sends its answer to that name.  A plain SIGHUP gets no answer.
 *
 * An answer is one byte, REFUSED or TAKEN, and lines for people.  A server that was upgraded passes
 * the signal on, and answers MOVED and the id of the process that will answer.
 */
#ifndef JOBLIGHT_SERVE_RELOAD_ANSWER_H
#define JOBLIGHT_SERVE_RELOAD_ANSWER_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "joblight/base/buf.h"

#define RELOAD_REFUSED '0'
#define RELOAD_TAKEN '1'
#define RELOAD_MOVED '2'
#define RELOAD_ANSWER_MAX 8192 /* bytes; a longer one is cut */

/* Answers whoever sent the signal, if it asked for an answer.  Waits for nobody. */
void reload_answer_send(const siginfo_t *signal, bool taken, const struct buf *lines);

/* Passes the signal on to the process that serves now, which answers.  Waits for nobody. */
void reload_pass_on(const siginfo_t *signal, pid_t server);

enum reload_result {
	RELOAD_DONE,
	RELOAD_NOT_DONE, /* the server has refused it */
	RELOAD_SILENT,   /* it does not answer */
	RELOAD_GONE,     /* it has ended meanwhile */
	RELOAD_FAILED,   /* it cannot be asked; errno says why */
};

/* Asks the server to reload, and waits for its answer, `wait_ms` at most.  Appends its lines. */
enum reload_result reload_ask(pid_t server, unsigned wait_ms, struct buf *lines);

#endif
