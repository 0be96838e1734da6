/*
 * One request at a time to the receiver: a POST with a body of JSON, over a connection that is
 * kept. Certificates are verified, redirects are not followed, proxies of the environment are not
 * used, and only permitted addresses are connected to: the address of the socket counts, not the
 * one that a name had before.  An attempt has TRANSFER_MS.  One thread.
 */
#ifndef JOBLIGHT_SEND_TRANSFER_H
#define JOBLIGHT_SEND_TRANSFER_H

#include <curl/curl.h>

#include "joblight/base/buf.h"
#include "options.h"

#define TRANSFER_CONNECT_MS 5000
#define TRANSFER_MS 10000
#define TRANSFER_ANSWER_MAX (64 * 1024) /* bytes of an answer; a longer one is a failure */

enum verdict {
	TRANSFER_SENT,
	TRANSFER_RETRY,
	TRANSFER_REFUSED, /* the receiver will never take it */
};

struct transfer_result {
	enum verdict verdict;
	uint64_t asked_ms; /* RETRY: how long the receiver asks to wait; 0: it does not */
	uint64_t rejected; /* SENT: items that it did not take after all */
	char cause[256];   /* "": there is nothing to tell */
};

struct transfer {
	const struct options *options;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	struct buf answer;
	char refused[ADDRESS_TEXT_MAX]; /* an address that was not permitted */
	char error[CURL_ERROR_SIZE];
	bool busy;
};

/* It lives as long as the process: the end of a connection may wait for a name. */
void transfer_init(struct transfer *t, const struct options *options);
/* False: *result is a failure.  `body` has to stay until the result is there. */
bool transfer_begin(struct transfer *t, struct slice body, struct transfer_result *result);
/* Goes on; true: it is complete, and *result is set. */
bool transfer_step(struct transfer *t, struct transfer_result *result);

#endif
