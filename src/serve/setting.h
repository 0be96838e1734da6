/*
 * The table of all settings, made of config.def and limits.def.  Immutable; any thread.
 */
#ifndef JOBLIGHT_SERVE_SETTING_H
#define JOBLIGHT_SERVE_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "joblight/base/quantity.h"
#include "text_kind.h"

enum setting_type {
	SETTING_TEXT,   /* const char *, or NULL */
	SETTING_LIST,   /* struct slices */
	SETTING_SWITCH, /* bool */
	SETTING_NUMBER, /* unsigned */
	SETTING_LIMIT,  /* uint64_t, in struct limits */
};

struct setting {
	const char *flag; /* "max-body" */
	enum setting_type type;
	bool live;     /* can be changed while the server runs */
	bool common;   /* is in the short help */
	size_t offset; /* in struct config */
	const char *argument, *help;
	/* Numbers and limits. */
	uint64_t default_value, min, max;
	enum quantity unit;
	/* Texts and lists. */
	const char *default_text;
	const struct text_kind *kind;
	const char *separators; /* between the values of a list in one text */
};

extern const struct setting settings[SETTING_COUNT];

/* The setting of this name; NULL: there is none, and *nearest is the most similar flag. */
const struct setting *setting_find(const char *flag, const char **nearest);

/* Whether it takes numbers without a unit; a time only if its flag says that they are milliseconds.
 */
bool setting_takes_plain(const struct setting *s);

/* The value of the setting, of the type that `type` says. */
void *setting_field(const struct setting *s, struct config *c);
const void *setting_value(const struct setting *s, const struct config *c);

#endif
