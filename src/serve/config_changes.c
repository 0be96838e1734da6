/* The settings that differ between two configurations, and which of them can be changed while the
 * server runs. */
#include <string.h>

#include "config.h"
#include "setting.h"

static bool lists_differ(const struct slices *a, const struct slices *b)
{
	bool differ = a->count != b->count;

	for (size_t i = 0; !differ && i < a->count; i++)
		differ = a->items[i].len != b->items[i].len ||
		         memcmp(a->items[i].ptr, b->items[i].ptr, a->items[i].len) != 0;
	return differ;
}

static bool texts_differ(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) != 0 : a != b;
}

static bool differs(const struct setting *s, const struct config *a, const struct config *b)
{
	const void *in_a = setting_value(s, a), *in_b = setting_value(s, b);

	switch (s->type) {
	case SETTING_TEXT:
		return texts_differ(*(const char *const *)in_a, *(const char *const *)in_b);
	case SETTING_LIST:
		return lists_differ(in_a, in_b);
	case SETTING_SWITCH:
		return *(const bool *)in_a != *(const bool *)in_b;
	case SETTING_NUMBER:
		return *(const unsigned *)in_a != *(const unsigned *)in_b;
	default:
		return *(const uint64_t *)in_a != *(const uint64_t *)in_b;
	}
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* TLS and the tokens of others can be changed, but not turned on or off. */
static bool takes_effect(const struct setting *s, const struct config *running,
                         const struct config *next)
{
	if (!s->live)
		return false;
	if (starts_with(s->flag, "tls-"))
		return !running->tls_certificates.count == !next->tls_certificates.count;
	if (starts_with(s->flag, "jwt-"))
		return !running->jwt_keys == !next->jwt_keys;
	return true;
}

void config_list_changes(const struct config *running, const struct config *next, bool live,
                         struct buf *list)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (takes_effect(&settings[i], running, next) == live &&
		    differs(&settings[i], running, next))
			buf_format(list, "%s%s", list->len ? "," : "", settings[i].flag);
}

void config_take_live(struct config *own, const struct config *next)
{
	static const size_t sizes[] = {
		[SETTING_TEXT] = sizeof(const char *), [SETTING_LIST] = sizeof(struct slices),
		[SETTING_SWITCH] = sizeof(bool),       [SETTING_NUMBER] = sizeof(unsigned),
		[SETTING_LIMIT] = sizeof(uint64_t),
	};

	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (takes_effect(&settings[i], own, next))
			memcpy(setting_field(&settings[i], own), setting_value(&settings[i], next),
			       sizes[settings[i].type]);
}
