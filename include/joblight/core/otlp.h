/*
 * Spans as JSON of the OpenTelemetry protocol: an ExportTraceServiceRequest of version 1 (OTLP 1.3,
 * https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
 */
#ifndef JOBLIGHT_CORE_OTLP_H
#define JOBLIGHT_CORE_OTLP_H

#include "joblight/base/buf.h"
#include "joblight/core/span.h"

/* `version` is that of the server, `instance` its service.instance.id. */
void otlp_begin(struct buf *out, const char *version, const char *instance);
void otlp_add(struct buf *out, const struct span *s);
void otlp_end(struct buf *out);

#endif
