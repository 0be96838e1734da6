/*
 * Sends the spans of the loops to an OpenTelemetry collector (--otlp-endpoint): a thread takes them
 * from a queue, encodes them, and gives them to the helper process joblight-send, which it starts
 * again when it has ended.  What the helper does not take stays in the queue, which drops what is
 * too much, so a receiver that is dead or slow costs the loops nothing.
 *
 * The main thread, except exporter_sink().
 */
#ifndef JOBLIGHT_SERVE_EXPORTER_H
#define JOBLIGHT_SERVE_EXPORTER_H

#include "config.h"
#include "joblight/core/span.h"

struct exporter;

/* Starts the helper, which checks the settings, and ends it.  False: `error` says what to change.
 */
bool exporter_check(const struct config *c, char *error, size_t error_len);
/*
 * Starts the helper, which checks the settings.  NULL without an error: nothing is to be sent.
 * False: `error` says what to change.
 */
bool exporter_open(struct exporter **e, const struct config *c, char *error, size_t error_len);
void exporter_start(struct exporter *e);                         /* NULL is ignored */
const struct span_sink *exporter_sink(const struct exporter *e); /* NULL of NULL */
/* No spans come any more.  The last ones get EXPORTER_STOP_MS, and no more than `left_ms`. */
#define EXPORTER_STOP_MS 2000
void exporter_stop(struct exporter *e, uint64_t left_ms); /* NULL is ignored */

#endif
