/* GET /metrics. */
#include "joblight/core/metric.h"
#include "content_coding.h"
#include "gzip.h"
#include "net/accept.h"
#include "router.h"

#define LINES "Cache-Control: no-store\r\nVary: Accept, Accept-Encoding\r\n"

void metrics_get(struct conn *c, struct request *r)
{
	bool open_metrics = accept_names(r->headers[HEADER_ACCEPT], "application/openmetrics-text");
	bool zipped = coding_takes_gzip(r->headers[HEADER_ACCEPT_ENCODING]);
	struct buf body = { 0 };

	metrics_encode(&body, open_metrics ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT);
	if (zipped)
		gzip_buf(&body);
	reply_taken(c, open_metrics ? EXPOSITION_OPENMETRICS_TYPE : EXPOSITION_TEXT_TYPE,
	            zipped ? "Content-Encoding: gzip\r\n" LINES : LINES, &body);
}
