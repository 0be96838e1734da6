/* Answering with a file of www/. */
#ifndef JOBLIGHT_API_PAGES_SERVE_H
#define JOBLIGHT_API_PAGES_SERVE_H

#include "joblight/api/pages.h"
#include "joblight/core/outcome.h"

struct conn;

/* NULL: there is no such page. */
const struct page *pages_find(const struct pages *p, struct slice name);
/* Answers with the file of this name and the status of `o`, or with 404. */
void pages_serve(struct conn *c, enum outcome o, struct slice name);

#endif
