/*
 * Who operates the server: may see what concerns it as a whole, such as its metrics, or what is
 * told to nobody else, such as why it is not ready.  The thread of the connection's loop.
 */
#ifndef JOBLIGHT_API_OPERATOR_H
#define JOBLIGHT_API_OPERATOR_H

#include <stdbool.h>

struct conn;
struct problem;

/*
 * Whether the client of the current request may read everything about the server: it has a key with
 * the right `admin` for all jobs; or its address is one of `--listen …,operators`; or the server
 * has no keys.  A page of another origin never is.  False: *problem is set if it is such a page at
 * an address for operators, or is sent to a name that is not served.
 */
bool operator_is_known(const struct conn *c, struct problem *problem);

/* The same, or it is a program on this machine that uses no proxy. */
bool operator_admits(const struct conn *c);

#endif
