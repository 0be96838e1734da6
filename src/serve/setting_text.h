/* Settings as texts, for help, documents and `joblight config print`.  Any thread. */
#ifndef JOBLIGHT_SERVE_SETTING_TEXT_H
#define JOBLIGHT_SERVE_SETTING_TEXT_H

#include "joblight/base/buf.h"
#include "setting.h"

const char *setting_argument(const struct setting *s); /* "FILE", "SIZE"; of a switch: "" */

/* Appends the default as it could be written in the file.  False: there is none. */
bool setting_add_default(struct buf *out, const struct setting *s);

/* Appends "16B to 1MiB".  False: the values have no range. */
bool setting_add_range(struct buf *out, const struct setting *s);

/* Appends the value in `c` of a setting that is no list.  False: it has none. */
bool setting_add_value(struct buf *out, const struct setting *s, const struct config *c);

/*
 * The sections of documents, in their order, and the settings of each: `section` is called once for
 * each title, and then `row` for its settings.
 */
struct setting_visitor {
	void (*section)(void *context, const char *title);
	void (*row)(void *context, const struct setting *s);
	void *context;
};
void setting_visit(const struct setting_visitor *v);

#endif
