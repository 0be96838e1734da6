/*
 * Compares the watched jobs with the database, where events may have been missed, and reads the
 * keys again when another node has changed them.  One read runs at a time, in a reader thread.
 * Thread of the bus.
 */
#ifndef JOBLIGHT_BUS_HEADS_H
#define JOBLIGHT_BUS_HEADS_H

#include "cluster_state.h"

/* Starts the next read, if there is something to read and none runs. */
void heads_next(struct cluster *c);
/* Takes the reads that have come back. */
void heads_take(struct cluster *c);
/* The bus ends: frees what is left. */
void heads_finish(struct cluster *c);

#endif
