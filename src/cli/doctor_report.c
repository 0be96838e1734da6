#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "joblight/core/json.h"

#define SAYS_MAX 1024

static const struct {
	const char *word;
	enum colour colour;
} verdicts[] = {
	{ "ok", COLOUR_GREEN },
	{ "warn", COLOUR_YELLOW },
	{ "FAIL", COLOUR_RED },
	{ "skip", COLOUR_DIM },
};

static const char *const proxies[] = { "nginx", "Caddy", "HAProxy", "Apache" };

static const char *const advices[][PROXY_UNKNOWN] = {
#define ADVICE(name, nginx, caddy, haproxy, apache) { nginx, caddy, haproxy, apache },
#include "doctor_advice.def"
#undef ADVICE
};

enum proxy doctor_proxy_named(struct slice name)
{
	for (int p = 0; p < PROXY_UNKNOWN; p++) {
		size_t len = strlen(proxies[p]);
		if (name.len >= len && strncasecmp(name.ptr, proxies[p], len) == 0)
			return (enum proxy)p;
	}
	return PROXY_UNKNOWN;
}

/* The line of the proxy, or those of all when it is not known which one it is. */
static void add_advice(const struct doctor *d, enum advice advice, struct buf *out)
{
	const char *between = "";

	for (int p = 0; p < PROXY_UNKNOWN && advice != ADVICE_NONE; p++)
		if (d->proxy == PROXY_UNKNOWN || (int)d->proxy == p) {
			buf_format(out, "%s%s: %s", between, proxies[p], advices[advice][p]);
			between = "; ";
		}
}

static void add_json(const struct doctor *d, enum verdict v, const char *says,
                     const struct buf *change, struct buf *line)
{
	buf_text(line, "{\"check\":");
	json_string(line, slice_of(d->check));
	json_text(line, "verdict", v == VERDICT_FAIL ? "fail" : verdicts[v].word);
	json_text(line, "says", says);
	if (change->len) {
		json_name(line, "change");
		json_string(line, buf_as_slice(change));
	}
	buf_char(line, '}');
}

static void add_words(const struct doctor *d, enum verdict v, const char *says, struct buf *change,
                      struct buf *line)
{
	output_colour(&d->output, line, verdicts[v].colour);
	buf_format(line, "%-4s", verdicts[v].word);
	output_colour(&d->output, line, COLOUR_NONE);
	buf_format(line, " %s - ", d->check);
	output_text(&d->output, line, says, SAYS_MAX);
	if (change->len)
		buf_format(line, " - %s", buf_string(change));
}

static void print(struct doctor *d, enum verdict v, const char *says, struct buf *change)
{
	struct buf line = { 0 };

	if (d->output.json)
		add_json(d, v, says, change, &line);
	else
		add_words(d, v, says, change, &line);
	d->probe.stopped = !output_try_line(buf_as_slice(&line)) || d->probe.stopped;
	buf_finish(&line);
}

void doctor_report(struct doctor *d, enum verdict v, const char *change, enum advice advice,
                   const char *format, ...)
{
	struct buf all = { 0 };
	char says[SAYS_MAX];
	va_list list;

	va_start(list, format);
	vsnprintf(says, sizeof(says), format, list);
	va_end(list);
	utf8_mend(says, strlen(says));
	d->failures += v == VERDICT_FAIL;
	if (change)
		buf_text(&all, change);
	if (change && advice != ADVICE_NONE)
		buf_char(&all, ' ');
	if (advice != ADVICE_NONE) {
		buf_char(&all, '(');
		add_advice(d, advice, &all);
		buf_char(&all, ')');
	}
	print(d, v, says, &all);
	buf_finish(&all);
}
