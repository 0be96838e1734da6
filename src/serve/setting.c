#include "setting.h"

#include <stddef.h>
#include <string.h>

#include "name_distance.h"

#define AT(field) .offset = offsetof(struct config, field)
#define COUNT QUANTITY_COUNT
#define BYTES QUANTITY_BYTES
#define MS QUANTITY_MS
#define PER_SECOND QUANTITY_PER_SECOND
#define PER_MINUTE QUANTITY_PER_MINUTE
#define START false
#define LIVE true
#define RARE false
#define COMMON true

const struct setting settings[SETTING_COUNT] = {
#define TEXT(field, name, text, takes, text_kind, when, listed, says)                              \
	{ .flag = name,                                                                            \
	  AT(field),                                                                               \
	  .type = SETTING_TEXT,                                                                    \
	  .default_text = text,                                                                    \
	  .argument = takes,                                                                       \
	  .kind = &text_kind,                                                                      \
	  .live = when,                                                                            \
	  .common = listed,                                                                        \
	  .help = says },
#define NUMBER(field, name, number, lowest, highest, in, when, listed, says)                       \
	{ .flag = name,                                                                            \
	  AT(field),                                                                               \
	  .type = SETTING_NUMBER,                                                                  \
	  .default_value = number,                                                                 \
	  .min = lowest,                                                                           \
	  .max = highest,                                                                          \
	  .unit = in,                                                                              \
	  .live = when,                                                                            \
	  .common = listed,                                                                        \
	  .help = says },
#define SWITCH(field, name, when, listed, says)                                                    \
	{ .flag = name,                                                                            \
	  AT(field),                                                                               \
	  .type = SETTING_SWITCH,                                                                  \
	  .live = when,                                                                            \
	  .common = listed,                                                                        \
	  .help = says },
#define LIST(field, name, takes, between, text_kind, when, listed, says)                           \
	{ .flag = name,                                                                            \
	  AT(field),                                                                               \
	  .type = SETTING_LIST,                                                                    \
	  .separators = between,                                                                   \
	  .argument = takes,                                                                       \
	  .kind = &text_kind,                                                                      \
	  .live = when,                                                                            \
	  .common = listed,                                                                        \
	  .help = says },
#include "config.def"
#undef TEXT
#undef NUMBER
#undef SWITCH
#undef LIST
#define LIMIT(field, name, number, lowest, highest, in, when, says)                                \
	{ .flag = name,                                                                            \
	  AT(limits.field),                                                                        \
	  .type = SETTING_LIMIT,                                                                   \
	  .default_value = number,                                                                 \
	  .min = lowest,                                                                           \
	  .max = highest,                                                                          \
	  .unit = in,                                                                              \
	  .live = when,                                                                            \
	  .help = says },
#include "joblight/core/limits.def"
#undef LIMIT
};

const struct setting *setting_find(const char *flag, const char **nearest)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		size_t distance = name_distance(settings[i].flag, flag);
		if (distance == 0)
			return &settings[i];
		if (distance < best)
			*nearest = settings[i].flag;
		best = distance < best ? distance : best;
	}
	return NULL;
}

bool setting_takes_plain(const struct setting *s)
{
	size_t len = strlen(s->flag);

	return s->unit != QUANTITY_MS || (len > 3 && strcmp(s->flag + len - 3, "-ms") == 0);
}

void *setting_field(const struct setting *s, struct config *c)
{
	return (char *)c + s->offset;
}

const void *setting_value(const struct setting *s, const struct config *c)
{
	return (const char *)c + s->offset;
}
