/*
 * Connects to PostgreSQL on the loop of the bus: base/postgres_dial.h does it in threads, at most
 * one for each of two ways, to the host by its name and to the address of the last connection.
 *
 * Thread of the bus.
 */
#ifndef JOBLIGHT_BUS_POSTGRES_CONNECTOR_H
#define JOBLIGHT_BUS_POSTGRES_CONNECTOR_H

#include <uv.h>

#include "base/postgres_place.h"

struct postgres_connector;

/* A connection, which becomes the callee's; or NULL, and `cause` says why. */
typedef void postgres_connected(void *context, PGconn *conn, const char *cause);

/* The place is borrowed. */
struct postgres_connector *postgres_connector_create(uv_loop_t *loop, struct pg_place *place,
                                                     postgres_connected *connected, void *context);

/*
 * Connects.  The result of an earlier start that has not come is dropped.  False: nothing is
 * started, because a thread still waits for the name server.
 */
bool postgres_connector_start(struct postgres_connector *c);
/* The same to the address of the last connection, without a name server.  False: also when there
 * was none. */
bool postgres_connector_start_known(struct postgres_connector *c);
/* Drops the result of what was started. */
void postgres_connector_drop(struct postgres_connector *c);
/*
 * Calls nothing any more, abandons its threads, and closes its handle; the loop must run until it
 * is closed.
 */
void postgres_connector_end(struct postgres_connector *c);

#endif
