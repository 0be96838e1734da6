/*
 * The server that a verb asks: --url or JOBLIGHT_URL names it, and the key that is sent comes from
 * --key-file or JOBLIGHT_KEY.  A key is not a flag, because other users of the machine can read the
 * flags of a process.
 *
 * A request is repeated, with the same idempotency key, when it got no answer or one that says that
 * the server cannot do it now, until the time of --timeout is over: after a pause that doubles,
 * with jitter, and never earlier than Retry-After says.
 */
#ifndef JOBLIGHT_CLI_REMOTE_H
#define JOBLIGHT_CLI_REMOTE_H

#include "arguments.h"
#include "client.h"

#define REMOTE_URL_DEFAULT "http://127.0.0.1:3001"

struct remote {
	char *url; /* without a slash at its end */
	struct client *client;
	char *key;          /* NULL: none */
	char *ca_file;      /* NULL: none */
	int64_t timeout_ms; /* 0: one attempt */
};

#define REMOTE_ATTEMPT_MS 15000 /* for the answer to one request */

/* The URL of the flag or of the environment; NULL: neither. */
const char *remote_url(const struct arguments *a);

/* Returns EXIT_OK, or an exit status after a message; then remote_close() is not needed. */
int remote_open(struct remote *r, const struct arguments *a);
/* The same without loading libcurl, which remote_connect() does. */
int remote_read_settings(struct remote *r, const struct arguments *a);
/* The same for the server at `url`. */
int remote_read_settings_of(struct remote *r, const struct arguments *a, const char *url);
bool remote_connect(struct remote *r); /* false: see curl_library_error() */
/* The same; EXIT_FAILED after a message, and then the remote is closed. */
int remote_connect_or_say(struct remote *r);
void remote_close(struct remote *r);

struct remote_call {
	const char *method, *path;
	const char *json;            /* NULL: no body */
	const char *idempotency_key; /* NULL: one is made, for methods that write */
	/* The request may not be done twice: it is repeated only when it was certainly not done. */
	bool once;
	const char *ignored_code; /* of a problem that counts as done; NULL: none */
};

/*
 * Sends a request and returns the exit status: EXIT_OK with the body in *answer, or another one
 * after a message, which has the detail of the problem.
 */
int remote_ask(struct remote *r, const struct remote_call *call, struct buf *answer);

/* How a request ended that is not to be repeated: its exit status. */
int remote_status(const struct call_answer *answer);
/* Whether it is worth while to repeat it. */
bool remote_may_repeat(const struct call_answer *answer, bool once);
/* The pause before the repetition number `again` (0 is the first), in milliseconds. */
int64_t remote_pause_ms(unsigned again, int64_t retry_after_ms);
/* The code of a problem document (RFC 9457) in `body`, or "" when it is none. */
void remote_problem_code(const struct buf *body, char *code, size_t size);
void remote_print_problem(const struct remote *r, const struct call_answer *answer);
#define IDEMPOTENCY_KEY_LEN 32
void remote_make_key(char key[IDEMPOTENCY_KEY_LEN + 1]);

/* Appends an id or another text to a path, with percent signs where they are needed. */
void remote_add_segment(struct buf *path, const char *text);

/* Prints the JSON of an answer as one line.  Returns EXIT_OK, or EXIT_FAILED when it is none. */
int remote_print_answer(const struct remote *r, const struct buf *body);

/* Prints that the answer was not that of a joblight server, and returns EXIT_FAILED. */
int remote_is_foreign(const struct remote *r);

#endif
