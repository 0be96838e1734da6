#include "verb.h"

#include <stdint.h>
#include <string.h>

#include "serve/name_distance.h"

const struct flag flags_of_remote[] = {
	{ "url", "URL", "the server (JOBLIGHT_URL, or http://127.0.0.1:3001)", NULL },
	{ "key-file", "FILE", "has the key (JOBLIGHT_KEY)", NULL },
	{ "ca-file", "FILE", "certificates to trust (CURL_CA_BUNDLE)", NULL },
	{ "timeout", "TIME", "give up after this", NULL },
	{ 0 },
};

const struct flag flags_of_output[] = {
	{ "json", NULL, "one JSON object a line, as into a pipe", NULL },
	{ 0 },
};

static void visit_all(const struct flag *flags, void (*visit)(void *, const struct flag *),
                      void *context)
{
	for (; flags && flags->name; flags++)
		visit(context, flags);
}

void verb_visit_flags(const struct verb *v, void (*visit)(void *context, const struct flag *f),
                      void *context)
{
	visit_all(v->flags, visit, context);
	if (v->prints)
		visit_all(flags_of_output, visit, context);
	if (v->timeout)
		visit_all(flags_of_remote, visit, context);
}

const struct verb *verb_find(const struct verb *table, const char *name, const char **nearest)
{
	size_t best = SIZE_MAX;

	for (const struct verb *v = table; v->name; v++) {
		size_t distance = name_distance(v->name, name);
		if (distance == 0)
			return v;
		if (distance < best)
			*nearest = v->name;
		best = distance < best ? distance : best;
	}
	return NULL;
}
