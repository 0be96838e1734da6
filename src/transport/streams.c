#include "streams.h"

#include "joblight/core/metric.h"
#include "net/accept.h"
#include "net/connection.h"

static const struct {
	const char *media_type;
	enum label_TRANSPORT label;
	void (*open)(struct conn *c, struct request *r);
} formats[] = {
#define FRAMING(name, add, suffix, line, fragmented)
#define STREAM_FRAMING(name, add, suffix, line, fragmented, media_type, open)                      \
	{ media_type, LABEL_TRANSPORT_##name, open },
#include "joblight/core/framings.def"
#undef FRAMING
#undef STREAM_FRAMING
};

#define FORMAT_COUNT (sizeof(formats) / sizeof(formats[0]))

void stream_open(struct conn *c, struct request *r)
{
	size_t chosen = 0;

	for (size_t i = FORMAT_COUNT; i-- > 0;)
		if (accept_names(r->headers[HEADER_ACCEPT], formats[i].media_type))
			chosen = i;
	formats[chosen].open(c, r);
	if (c->transport)
		conn_count_as(c, formats[chosen].label);
}
